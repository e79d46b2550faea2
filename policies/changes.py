"""What changed between two versions of a document, entry by entry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: added, removed or changed.
        path: where, with the id of an entry in place of its position: `controller.own-school.retention.days`.
        before: what stood there; none when added.
        after: what stands there now; none when removed.
    """

    kind: Literal["added", "removed", "changed"]
    path: str
    before: object
    after: object


def changes(before: object, after: object, path: str = "") -> Iterator[Change]:
    """All differences between two JSON values, in order of path; entries of a list are matched by their `id`."""
    old, new = _named(before), _named(after)
    if old is None or new is None:
        if before != after:
            yield Change("changed", path, before, after)
        return
    for key in sorted(old.keys() | new.keys()):
        place = f"{path}.{key}" if path else key
        if key not in new:
            yield Change("removed", place, old[key], None)
        elif key not in old:
            yield Change("added", place, None, new[key])
        else:
            yield from changes(old[key], new[key], place)


def _named(value: object) -> Mapping[str, object] | None:
    """A value whose parts have names: an object, or a list of objects with ids."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "id" in item for item in value):
        return {str(item["id"]): item for item in value}
    return None
