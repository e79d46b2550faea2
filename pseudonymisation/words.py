"""Words as people write them: alike without capitals, spaces, accents and signs, but for that of a percentage."""

import re
from unicodedata import normalize

_SIGNS = re.compile(r"[^a-z0-9%]")


def plain(text: str) -> str:
    """The letters, digits and percent signs of a text, in lower case and without accents: `Ziekte (%)` is `ziekte%`."""
    return _SIGNS.sub("", normalize("NFKD", text).casefold())
