"""From the headings of a school package to the fields of a pupil's row.

# --map FILE, all of it optional
[columns]
number = "Identificatie"          # heading in the export
[subdivisions]
"Groep 3" = "lower_years"         # value in the export = code
[fixed]
subdivision = "undivided"         # one value for every row: the column may be missing
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, ValidationError

from pseudonymisation.client.messages import Fault, Refusal, fault, refusal
from pseudonymisation.words import plain

FIELDS = ("number", "subdivision", "hours_scheduled", "hours_authorised", "hours_illness", "hours_unauthorised")
CHANGE_FIELDS = ("number_old", "number_new")

_KNOWN: dict[str, dict[str, list[str]]] = tomllib.loads((files(__package__) / "columns.toml").read_text("utf-8"))


class _MapForm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: dict[str, str] = {}
    subdivisions: dict[str, str] = {}
    fixed: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """What a school adds to the known headings and values.

    Attributes:
        columns: field to heading; replaces the known headings of that field.
        subdivisions: value in the export to subdivision code; adds to the known values.
        fixed_subdivision: the subdivision of every row, or None.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    subdivisions: Mapping[str, str] = field(default_factory=dict)
    fixed_subdivision: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands in a row: field to positions, the first filled one counts; and the headings found.

    Attributes:
        width: how many cells the heading row has.
    """

    positions: Mapping[str, tuple[int, ...]]
    headings: Mapping[str, str]
    width: int

    def cell(self, cells: Sequence[str], name: str) -> str:
        """The text of a field in a row; empty where the row is too short."""
        return next((text for at in self.positions[name] if at < len(cells) and (text := cells[at].strip())), "")

    def shifted(self, cells: Sequence[str]) -> bool:
        """Whether a row goes on beyond the headings: a delimiter too many moved its cells."""
        return any(cell.strip() for cell in cells[self.width :])


def read_map(text: str) -> ColumnMap | Refusal:
    """Read a `--map` file.

    Args:
        text: TOML.
    """
    try:
        form = _MapForm.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError):
        return refusal("map-unreadable")
    if not form.columns.keys() <= {*FIELDS, *CHANGE_FIELDS} or not form.fixed.keys() <= {"subdivision"}:
        return refusal("map-unreadable")
    if not _are_told_apart(form):
        return refusal("map-words")
    if not _KNOWN["subdivisions"].keys() >= set(form.subdivisions.values()):
        return refusal("map-codes", codes=", ".join(_KNOWN["subdivisions"]))
    return ColumnMap(form.columns, form.subdivisions, form.fixed.get("subdivision"))


def _are_told_apart(form: _MapForm) -> bool:
    """Whether every heading and value has a letter or digit, and no two values that read alike have different codes."""
    words = (*form.columns.values(), *form.subdivisions, *form.fixed.values())
    meanings = {(plain(word), code) for word, code in form.subdivisions.items()}
    return all(map(plain, words)) and len(meanings) == len({word for word, _ in meanings})


def find_columns(header: Sequence[str], chosen: ColumnMap, fields: Sequence[str] = FIELDS) -> Columns | list[Fault]:
    """Find the fields in a heading row, or say which are missing or stand there twice.

    A fault names the wanted field by its first Dutch heading, never what was found: a file without headings has a
    pupil in its first row.
    """
    written = [plain(heading) for heading in header]
    positions: dict[str, tuple[int, ...]] = {}
    headings: dict[str, str] = {}
    faults = []
    for name in fields:
        if name == "subdivision" and chosen.fixed_subdivision is not None:
            continue
        wanted = _wanted(chosen, name)
        found = [[at for at, one in enumerate(written) if one == plain(word)] for word in dict.fromkeys(wanted)]
        places = [at for several in found for at in several]
        label = wanted[0] if name in chosen.columns else wanted[1]
        if not places:
            faults.append(fault(1, label, "COLUMN-MISSING"))
        elif any(len(several) > 1 for several in found) or (len(places) > 1 and name != "number"):
            faults.append(fault(1, label, "COLUMN-TWICE"))
        else:
            positions[name] = tuple(places)
            headings[name] = header[places[0]].strip()
    return faults or Columns(positions, headings, len(header))


def known_headings(chosen: ColumnMap | None, fields: Sequence[str]) -> frozenset[str]:
    """Every heading by which one of these fields is found."""
    return frozenset(word for name in fields for word in _wanted(chosen or ColumnMap(), name))


def _wanted(chosen: ColumnMap, name: str) -> list[str]:
    return [chosen.columns[name]] if name in chosen.columns else _KNOWN["columns"][name]


def subdivision_codes(chosen: ColumnMap) -> dict[str, str]:
    """Every readable value of a subdivision, in plain form, with its code."""
    known = {plain(word): code for code, words in _KNOWN["subdivisions"].items() for word in words}
    return known | {plain(word): code for word, code in chosen.subdivisions.items()}
