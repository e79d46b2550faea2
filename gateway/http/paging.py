"""Lists in pages: `page` and `pageSize`, with `Link: rel="next"` while there is more (RFC 8288).

The log grows by every look at it: its pages go on below a place, `before`, and not by their number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request, Response

from audit.proofs import Place

MOST = 1_000
Item = TypeVar("Item")
_PLACE = r"^([0-9]{1,9})\.([0-9]{1,18})$"
Before = Annotated[str | None, Query(pattern=_PLACE, description="log.index of the last entry of the page before")]


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for."""

    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1
    size: Annotated[int, Query(alias="pageSize", ge=1, le=MOST)] = 100

    @property
    def reach(self) -> int:
        """How many items of the list have to be known: the last of this part, and whether one follows."""
        return self.page * self.size + 1

    def of(self, request: Request, response: Response, items: Sequence[Item]) -> Sequence[Item]:
        """This part of a list; the header of the response names the next part, and the one before."""
        first, last = (self.page - 1) * self.size, self.page * self.size
        there = {"prev": self.page - 1 if self.page > 1 else 0, "next": self.page + 1 if last < len(items) else 0}
        links = []
        for relation, number in there.items():
            if number:
                links.append(link(request, relation, page=number))
        if links:
            response.headers["Link"] = ", ".join(links)
        return items[first:last]


def link(request: Request, relation: str, **changed: object) -> str:
    """A link to the same list with another parameter: a path of this site, whatever the request calls its host."""
    url = request.url.include_query_params(**changed)
    return f'<{url.path}?{url.query}>; rel="{relation}"'


def place_of(text: str | None) -> Place | None:
    """The place in the log that `before` names; None where it names none."""
    found = re.fullmatch(_PLACE, text or "")
    return Place(int(found[1]), int(found[2])) if found else None


def name_of(place: Place) -> str:
    """A place as `before` names it."""
    return f"{place.log}.{place.index}"


Paged = Annotated[Page, Depends()]
