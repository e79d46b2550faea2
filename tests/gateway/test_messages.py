"""Texts in the language of who reads them."""

import pytest

from gateway.messages import language_of


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "nl"),
        ("en-GB", "en"),
        ("nl;q=0.4, en;q=0.5", "en"),
        ("en; q=0.5, nl;q=0.4", "en"),
        ("en ;q=0.4 , nl ; q=0.5", "nl"),
        ("fr, de;q=0.5", "nl"),
    ],
)
def test_the_preferred_language_is_found(header: str, language: str) -> None:
    """By weight, also with white space around it, which RFC 9110 allows; Dutch where neither is asked for."""
    assert language_of(header) == language
