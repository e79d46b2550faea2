"""The commands that the READMEs give for their figures: each begins to run."""

import pkgutil
from importlib import import_module

import pytest

import benchmarks

MODULES = [each.name for each in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")]


@pytest.mark.parametrize("name", [each for each in MODULES if not each.endswith("__main__")])
def test_a_module_of_the_benchmarks_imports(name: str) -> None:
    """What it takes from the rooms and from the tests is still there."""
    assert import_module(name).__doc__
