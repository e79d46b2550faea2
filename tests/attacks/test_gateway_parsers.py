"""Somebody who sends bytes to every parser: each reads them or says no in its own words, and never breaks."""

import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sealed import read_seal

from .parsers import PARSERS, try_parser

ROOT = Path(__file__).parents[2]
EXAMPLES, RUNS = 40, 100_000
EACH = pytest.mark.parametrize("name", PARSERS)
DEEP = (b"[" * 60_000, b'{"a":' * 60_000, b'{"n":' + b"9" * 6_000 + b"}", b'"\\ud800"', b'{"a":NaN,"a":1e999}')
PIECES = (b"", b"\0", b"\xff\xfe", b'"', b"\n\n", b"-1", b"9" * 6_000, b"\xe2\x80\x94 ", b"{", b"[", b"\xc2\xb2")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A seed with pieces cut out, doubled or put in."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 20))] = draw(st.sampled_from(PIECES) | st.binary(max_size=9))
    return bytes(body)


@EACH
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_no_bytes_break_a_parser(name: str, data: st.DataObject) -> None:
    """Junk and damaged examples: what is raised is one of the parser's own answers."""
    try_parser(name, data.draw(damaged(PARSERS[name].seed) | st.binary(max_size=200)))


@EACH
@pytest.mark.parametrize("raw", DEEP, ids=range(len(DEEP)))
def test_no_depth_or_length_breaks_a_parser(name: str, raw: bytes) -> None:
    """Sixty thousand brackets, numbers of thousands of digits, lone surrogates, numbers that are none."""
    try_parser(name, raw)


@pytest.mark.parametrize(
    "header",
    [b'{"enc":"A256GCM","alg":[],"kid":"x"}', b'{"enc":"A256GCM","alg":"ECDH-ES","kid":"\\u0000"}',
     b'{"enc":"A256GCM","alg":"ECDH-ES","kid":"\\ud800"}', b"[" * 30_000],
    ids=["list", "nul", "surrogate", "deep"],
)  # fmt: skip
def test_a_case_reference_names_a_key_or_nothing(header: bytes) -> None:
    """A header with a list, a character no database takes, or brackets without end is no sealed reference."""
    assert read_seal(urlsafe_b64encode(header).decode().rstrip("=") + ".A.A.A.A") is None


@EACH
@pytest.mark.soak
def test_no_coverage_guided_bytes_break_a_parser(name: str, tmp_path: Path) -> None:
    """A hundred thousand inputs that atheris steers into every branch."""
    (tmp_path / "seed").write_bytes(PARSERS[name].seed)
    command = [sys.executable, "-m", "tests.attacks.fuzz", name, f"-runs={RUNS}", "-seed=8", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
