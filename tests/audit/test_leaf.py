"""Canonical bytes: one spelling for one content."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import EntryError
from audit.leaf import MAX_INTEGER, canonical, encode, parse

ASCII_KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
VALUES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.integers(-MAX_INTEGER, MAX_INTEGER),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ASCII_KEYS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(ASCII_KEYS, VALUES, max_size=4)


@given(value=OBJECTS)
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    """Reading canonical bytes gives the value, and writing it again gives the bytes."""
    data = canonical(value)  # type: ignore[arg-type]  # hypothesis builds values of the subset
    assert parse(data) == value
    assert canonical(parse(data)) == encode(parse(data)) == data


@given(value=OBJECTS, data=st.data())
def test_another_spelling_of_the_same_content_is_refused(value: dict[str, object], data: st.DataObject) -> None:
    """Spaces, escapes, or keys in another order: the content is equal, the bytes are not canonical."""
    spelled = data.draw(
        st.sampled_from(
            [
                json.dumps(value, sort_keys=True),
                json.dumps(value, separators=(",", ":"), ensure_ascii=True, sort_keys=True) + " ",
                json.dumps(dict(reversed(value.items())), separators=(",", ":"), ensure_ascii=False),
            ]
        )
    ).encode()
    if spelled != canonical(value):  # type: ignore[arg-type]  # as above
        with pytest.raises(EntryError, match="canonical"):
            parse(spelled)


@given(data=st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_or_canonical(data: bytes) -> None:
    """Nothing else than canonical bytes gets through, and nothing crashes."""
    try:
        value = parse(data)
    except EntryError:
        return
    assert canonical(value) == data


@pytest.mark.parametrize(
    "data",
    [b'{"a":1.0}', b'{"a":1e3}', b'{"a":-0}', b'{"a":true}', b'{"a":null}', b'{"a":NaN}', b'{"a":1,"a":1}', b"[1]",
     b'{"a":9007199254740992}', b'{"\xc3\xa9":1}', b'{"a":"\\ud800"}', b'{"b":1,"a":1}', b'{"a": 1}', b"", b'"a"',
     b'{"a":"\\u0041"}', b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", b'{"a":"\xff"}'],
)  # fmt: skip
def test_what_lies_outside_the_subset_is_refused(data: bytes) -> None:
    """Fractions, booleans, null, doubles, large integers, non-ASCII keys, half characters, deep nesting."""
    with pytest.raises(EntryError):
        parse(data)


def test_characters_are_written_as_rfc_8785_writes_them() -> None:
    """The shortest escape for a control character, and everything else as itself."""
    text = 'h\u00e9 "\\/\b\n\u0007\u007f\u20ac'
    assert canonical({"a": text}) == '{"a":"h\u00e9 \\"\\\\/\\b\\n\\u0007\u007f\u20ac"}'.encode()


def test_a_refusal_names_the_place_and_not_the_value() -> None:
    """The message says which field is wrong and does not repeat what stood there."""
    with pytest.raises(EntryError) as caught:
        canonical({"outer": {"inner": 1.5}})  # type: ignore[dict-item]  # the fault under test
    assert caught.value.field == "outer.inner"
    assert "1.5" not in str(caught.value)
