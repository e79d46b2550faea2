"""Lists in pages: `page` and `pageSize`, with `Link: rel="next"` while there is more (RFC 8288)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request, Response

MOST = 1_000
Item = TypeVar("Item")


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
                url = request.url.include_query_params(page=number)
                links.append(f'<{url.path}?{url.query}>; rel="{relation}"')
        if links:
            response.headers["Link"] = ", ".join(links)
        return items[first:last]


Paged = Annotated[Page, Depends()]
