"""What a school or witness runs must not need the gateway's packages."""

import subprocess
import sys

import pytest

LIGHT = (
    "merkle",
    "leaf",
    "entry",
    "events",
    "note",
    "checkpoint",
    "quorum",
    "tlog_proof",
    "continuation",
    "receipt",
    "witness",
    "verify",
)
HEAVY = ("sqlalchemy", "sqlmodel", "fastapi", "pandas", "numpy", "psycopg", "alembic", "httpx", "pydantic")


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_loads_nothing_heavy(module: str) -> None:
    """Importing it pulls in no database, web or table package."""
    script = f"import sys, audit.{module}; print(sorted(set(sys.modules) & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_verifier_loads_the_standard_library_only() -> None:
    """Nothing of this product and no installed package: it stands alone."""
    script = (
        "import sys; before = set(sys.modules)\n"
        "import audit.verify\n"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['audit']\n"
    loaded = "import sys, audit.verify; print(sorted(name for name in sys.modules if name.startswith('audit')))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "['audit', 'audit.verify']\n"
