"""Words as people write them: alike without capitals, spaces, accents and signs."""

import re
from unicodedata import normalize

_SIGNS = re.compile(r"[^a-z0-9]")


def plain(text: str) -> str:
    """The letters and digits of a text, in lower case and without accents."""
    return _SIGNS.sub("", normalize("NFKD", text).casefold())
