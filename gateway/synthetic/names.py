"""Invented names: none of these schools, places or boards exists."""

from collections.abc import Iterator

import numpy as np

_SCHOOL_FIRST = (
    "Zilver", "Wolken", "Kastanje", "Vuurtoren", "Meander", "Zeester", "Kompas", "Ooievaars", "Linden", "Sterren",
    "Wilgen", "Molen", "Regen", "Duinroos", "Heide", "Anker", "Vlinder", "Bever", "Noorder", "Krekel",
)  # fmt: skip
_SCHOOL_LAST = (
    "boog", "nest", "hof", "spoor", "tuin", "wijzer", "horst", "brug", "veld", "akker", "bron", "kring", "poort",
    "laan", "hoek", "dreef",
)  # fmt: skip
_PLACE_FIRST = (
    "Achter", "Boven", "Grutto", "Hemel", "Kievits", "Lange", "Midden", "Nieuwer", "Ooster", "Plas", "Riet", "Schoon",
    "Turf", "Veen", "Water", "Zand",
)  # fmt: skip
_PLACE_LAST = (
    "berge", "broek", "dijk", "donk", "hoven", "kerke", "meer", "moer", "oord", "polder", "rode", "sluis", "wolde",
)  # fmt: skip
_KIND = {"po": "Basisschool", "so": "SO-school", "vo": "College", "vso": "VSO-school"}


def places(rng: np.random.Generator) -> Iterator[str]:
    """Place names in random order, each once; numbered when they run out."""
    return _pairs(rng, _PLACE_FIRST, _PLACE_LAST)


def schools(rng: np.random.Generator) -> Iterator[str]:
    """School names in random order, each once; numbered when they run out."""
    return _pairs(rng, _SCHOOL_FIRST, _SCHOOL_LAST)


def school_title(sector: str, name: str) -> str:
    """What a school of a sector is called."""
    return f"{_KIND[sector]} De {name}"


def _pairs(rng: np.random.Generator, first: tuple[str, ...], last: tuple[str, ...]) -> Iterator[str]:
    names = [a + b for a in first for b in last]
    order = rng.permutation(len(names))
    turn = 1
    while True:
        for index in order:
            yield names[index] if turn == 1 else f"{names[index]} {turn}"
        turn += 1
