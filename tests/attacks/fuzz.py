"""Coverage-guided fuzzing of one parser: `python -m tests.attacks.fuzz NAME -runs=100000 [-seed=8] [CORPUS]`."""

import sys

import atheris

with atheris.instrument_imports(include=["audit", "gateway", "policies", "pseudonymisation"]):
    from tests.attacks.parsers import try_parser

if __name__ == "__main__":
    target = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda raw: try_parser(target, raw))
    atheris.Fuzz()
