"""The school's client runs on the base install."""

import subprocess
import sys

import pytest

LIGHT = ("client", "number", "domain", "oprf", "pseudonym", "key_document", "keyring")
HEAVY = ("fastapi", "sqlalchemy", "sqlmodel", "pandas", "numpy", "scipy", "pyarrow", "opendp", "uvicorn", "pkcs11")


@pytest.mark.parametrize("module", LIGHT)
def test_imports_nothing_heavy(module: str) -> None:
    """None of the packages of the gateway is imported by what a school runs."""
    code = f"import sys, pseudonymisation.{module}; print(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


@pytest.mark.parametrize("module", ["client", "keyring", "kek"])
def test_imports_on_windows(module: str) -> None:
    """Nothing that only POSIX has is needed to import what runs on Windows too."""
    modules = "httpx, pydantic.main, pydantic.functional_validators, voprf.ristretto"
    others = f"import sys, tempfile, {modules}, cryptography.hazmat.primitives.ciphers.aead; "
    hidden = f"{others} sys.platform = 'win32'; sys.modules['fcntl'] = None; "
    code = f"{hidden}import pseudonymisation.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)
