"""The policy file: whom to believe, and how many witnesses suffice."""

import itertools
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.checkpoint import Cosigner
from audit.errors import AuditError, NoteError
from audit.note import ML_DSA_44_COSIGNATURE, Signer
from audit.quorum import parse_policy
from audit.verify import Fault
from audit.verify import Policy as TheirPolicy

LOG, RECEIPTS = Signer("log.example", bytes(32)), Signer("log.example/receipts", bytes([1]) * 32)
W = [Cosigner(f"w{number}.example", bytes([number]) * 32) for number in range(1, 5)]
POLICY = f"""
# two organisations
log {LOG.key} https://log.example/
receipt {RECEIPTS.key}

witness X1 {W[0].key} https://w1.example/
witness X2\t{W[1].key}
witness X3 {W[2].key}
group X 2 X1 X2 X3
witness Y1 {W[3].key}
group both all X Y1
quorum both
"""


def test_a_quorum_of_groups_asks_for_two_of_one_side_and_one_of_the_other() -> None:
    """Of every set of cosigners, those that hold two X and the Y are enough: one rule, two implementations."""
    policy, theirs = parse_policy(POLICY), TheirPolicy(POLICY)
    for count in range(5):
        for chosen in itertools.combinations(range(4), count):
            enough = 3 in chosen and len(set(chosen) & {0, 1, 2}) >= 2
            assert policy.is_met({W[number].key for number in chosen}) is enough
            assert theirs.is_met({("X1", "X2", "X3", "Y1")[number] for number in chosen}) is enough


def test_a_policy_says_where_witnesses_are() -> None:
    """Keys of logs, receipts and witnesses, and the submission prefix of a witness."""
    policy = parse_policy(POLICY)
    assert (policy.logs, policy.receipts) == ((LOG.key,), (RECEIPTS.key,))
    assert [witness.url for witness in policy.witnesses] == ["https://w1.example/", None, None, None]
    assert policy.witness_keys() == tuple(each.key for each in W)


def test_quorum_none_is_met_by_nobody() -> None:
    """Without witnesses the policy says so, and every checkpoint of the log passes."""
    assert parse_policy(f"log {LOG.key}\nquorum none\n").is_met(())


def test_a_witness_may_sign_with_ml_dsa() -> None:
    """A key of type 06 is a witness's key; a log cannot have it."""
    key = Cosigner("w.example", bytes(32), ML_DSA_44_COSIGNATURE).key
    assert parse_policy(f"witness a {key}\nquorum a\n").is_met({key})
    with pytest.raises(NoteError, match="line 1: a log"):
        parse_policy(f"log {key}\nquorum none\n")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (f"quorum none\nwitness a\u200b {W[0].key}", "line 2: a character that cannot be seen"),
        ("# \ufeff\nquorum none", "line 1: a character that cannot be seen"),
        (f"witness a {W[0].key}\ngroup g 01 a\nquorum g", "line 2: a group of 1 asks"),
        ("quorum none\nquorum none", "line 2: write one"),
        ("", "the line `quorum"),
        ("witnes a b\nquorum none", "line 1: a line starts with"),
        (f"witness none {W[0].key}\nquorum none", "a name of its own"),
        (f"witness a {W[0].key}\nwitness a {W[1].key}\nquorum none", "line 2: each witness"),
        (f"witness a {W[0].key}\nwitness b {W[0].key}\nquorum none", "line 2: this public key"),
        (f"witness a {LOG.key}\nquorum a", "line 1: a log or receipt key"),
        (f"receipt {LOG.key}\nreceipt {LOG.key}\nquorum none", "line 2: this public key"),
        (f"log {LOG.key}\nlog {LOG.key} https://a.example\nquorum none", "line 2: this log"),
        (f"witness a {W[0].key}\ngroup a 1 a\nquorum a", "line 2: each witness"),
        (f"witness a {W[0].key}\ngroup g 2 a\nquorum g", "line 2: a group of 1 asks"),
        (f"witness a {W[0].key}\ngroup g 0 a\nquorum g", "a group of 1 asks"),
        (f"witness a {W[0].key}\ngroup g any b\nquorum g", "line 2: write `group"),
        (f"witness a {W[0].key}\ngroup g any a a\nquorum g", "line 2: write `group"),
        (f"witness a {W[0].key}\ngroup g any a\ngroup h any a\nquorum g", "each in one group"),
        ("group g any\nquorum none", "line 1: write `group"),
        ("group g\nquorum none", "line 1: write `group"),
        ("quorum a", "line 1: write one `quorum"),
        (f"log {W[0].key}\nquorum none", "line 1: a log or receipt key"),
        ("log\nquorum none", "write `log"),
        ("receipt\nquorum none", "write `receipt"),
        ("witness a\nquorum none", "write `witness"),
    ],
)
def test_a_wrong_line_is_named_with_what_it_should_be(lines: str, message: str) -> None:
    """A fault says which line and how to mend it; the verifier is as strict: it sees no quorum that is not there."""
    with pytest.raises(NoteError, match=message):
        parse_policy(lines)
    with pytest.raises(Fault, match="policy"):
        TheirPolicy(lines)


@given(text=st.text(max_size=80))
def test_arbitrary_text_is_a_policy_or_is_refused(text: str) -> None:
    """Neither parser crashes on anything."""
    for parse, refusal in ((parse_policy, AuditError), (TheirPolicy, Fault)):
        with suppress(refusal):
            parse(text)  # type: ignore[operator]  # two callables of one form


WORDS = ["log", "receipt", "witness", "group", "quorum", "none", "all", "any", "0", "1", "01", "2", "\u0661", "a", "b",
         "b\u200b", "\ufeff", "#", "https://a", *(str(each.key) for each in (LOG, RECEIPTS, *W[:2]))]  # fmt: skip
LINES = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
KEYED = st.tuples(st.sampled_from(WORDS[:3]), st.sampled_from(WORDS[13:16]), st.sampled_from(WORDS[-4:])).map(
    lambda line: " ".join(line if line[0] == "witness" else (line[0], line[2]))
)
GROUPED = st.tuples(st.sampled_from(WORDS[12:16]), st.sampled_from(WORDS[6:13]), st.sampled_from(WORDS[13:16])).map(
    lambda line: " ".join(("group", *line))
)
ENDS = st.sampled_from(["quorum none", "quorum a", "quorum b", "quorum 1"])


@given(lines=st.lists(KEYED | GROUPED | LINES, max_size=4), end=ENDS, between=st.sampled_from(["\n", "\r\n", "\n\n"]))
@settings(max_examples=2_000)
def test_what_the_gateway_takes_as_a_policy_the_verifier_takes_too(lines: list[str], end: str, between: str) -> None:
    """A file that lets the gateway go on does not make its verifier call every log false."""
    text = between.join([*lines, end, ""])
    with suppress(NoteError):
        policy = parse_policy(text)
        theirs = TheirPolicy(text)
        assert (theirs.quorum, {*theirs.keys["witness"]}) == (policy.quorum, {one.name for one in policy.witnesses})
