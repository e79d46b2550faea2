"""What a purpose lets out: cells, threshold, method per sector, noise budget; and several purposes as one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from policies.errors import PolicyError
from policies.sources import Filled, Key, Strict

Sector = Literal["po", "so", "vo", "vso"]
Level = Literal["site", "gemeente", "swv", "country"]
Method = Literal["exact", "dp"]
NoisyLevel = Literal["site_subdivision", "site", "gemeente", "swv", "country"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Positive = Annotated[int, Field(gt=0)]
Some = Annotated[tuple[Name, ...], Field(min_length=1)]

# A safety catch above any sensible choice (rho 0.25 and epsilon 1 a period): a purpose file may ask less, never more.
CEILINGS = {"gaussian": (250_000, 1_000_000), "laplace": (1_000_000, 4_000_000)}
PERIODS_PER_SCHOOL_YEAR = 4


class Show(Strict):
    """One line of the list of what may be shown: all codes of these levels, for these sectors and kinds.

    `site`, `subdivision` and `band` each name a *level* of that dimension.
    """

    sectors: Annotated[tuple[Sector, ...], Field(min_length=1)]
    kinds: Some
    site: Level
    subdivision: Literal["subdivision", "total"]
    band: Literal["band", "half", "total"]


class MethodChoice(Strict):
    """How figures of some sectors leave: exact with suppression, or with noise."""

    sectors: Annotated[tuple[Sector, ...], Field(min_length=1)]
    method: Method


class Noise(Strict):
    """The privacy budget of the releases of a purpose, in millionths of rho (gaussian) or epsilon (laplace).

    Attributes:
        per_release: what one release may ask for at most.
        per_period: cap over what one table answers of a population in one period, for each purpose apart.
        per_school_year: cap over a school year; four periods must fit in it.
        shares: how one release divides its budget over levels, in whole per cent, together 100; gemeente or country
            among them, for sums of single sites are left to chance and not every sector has SWVs.
        decided_by: who chose these figures.
    """

    mechanism: Literal["gaussian", "laplace"]
    per_release: Positive
    per_period: Positive
    per_school_year: Positive
    shares: dict[NoisyLevel, Positive]
    decided_by: Filled

    @model_validator(mode="after")
    def _within_caps(self) -> Self:
        period, year = CEILINGS[self.mechanism]
        if self.per_period > period or self.per_school_year > year:
            raise ValueError(f"above the cap of {period} a period or {year} a school year: lower it")
        if self.per_release > self.per_period:
            raise ValueError("per_release is above per_period: lower per_release or raise per_period")
        if self.per_period * PERIODS_PER_SCHOOL_YEAR > self.per_school_year:
            raise ValueError("four periods do not fit in per_school_year: lower per_period or raise per_school_year")
        if sum(self.shares.values()) != 100:  # noqa: PLR2004  per cent
            raise ValueError("shares must add up to 100 per cent")
        if not self.shares.keys() & {"gemeente", "country"}:
            raise ValueError("shares ask for no area that every sector has: give some to gemeente or country")
        if self.per_release * min(self.shares.values()) < 100:  # noqa: PLR2004  likewise
            raise ValueError("a share gets nothing of per_release: raise per_release or leave its level out")
        return self


class Release(Strict):
    """The output a purpose binds: `[release]` of its file.

    Attributes:
        minimum: smallest count that may be shown; the law says five, a purpose may ask more.
        zeros_are_small: nought counts as small, so that 0-4 is one class.
        complements: a count that leaves fewer than `minimum` out of all pupils is unsafe too.
        min_denominator: rows of fewer pupils than this are withheld whole.
        show: what may be shown; nothing else leaves.
        method: exact or dp, for each sector that `show` mentions.
        noise: the budget, compulsory where a sector uses dp.
    """

    minimum: Annotated[int, Field(ge=5)]
    zeros_are_small: Literal[True]
    complements: Literal[True]
    min_denominator: Positive
    show: Annotated[tuple[Show, ...], Field(min_length=1)]
    method: Annotated[tuple[MethodChoice, ...], Field(min_length=1)]
    noise: Noise | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        named = [sector for choice in self.method for sector in choice.sectors]
        if len(named) != len(set(named)):
            raise ValueError("a sector has two methods: name each sector once under [[release.method]]")
        if missing := {sector for line in self.show for sector in line.sectors} - set(named):
            raise ValueError(f"no method for sector {', '.join(sorted(missing))}: add it under [[release.method]]")
        if self.min_denominator < self.minimum:
            raise ValueError("min_denominator is below minimum: raise it, for a row that small shows nothing")
        if self.noise is None and any(choice.method == "dp" for choice in self.method):
            raise ValueError("method dp needs a budget: add [release.noise], or choose method exact")
        return self

    @property
    def methods(self) -> dict[Sector, Method]:
        """The method of each sector."""
        return {sector: choice.method for choice in self.method for sector in choice.sectors}

    def using(self, methods: Mapping[Sector, Method]) -> Self:
        """The same release with another method for some of its sectors.

        Raises:
            pydantic.ValidationError: a sector would use dp without a budget.
        """
        chosen = {sector: methods.get(sector, method) for sector, method in self.methods.items()}
        lines = [{"sectors": [sector], "method": method} for sector, method in chosen.items()]
        return type(self).model_validate_json(json.dumps(self.model_dump(mode="json") | {"method": lines}))

    @property
    def levels(self) -> frozenset[Level]:
        """Levels of area at which something may be shown."""
        return frozenset(line.site for line in self.show)


class Conflict(PolicyError):  # noqa: N818  the outcome's name
    """Purposes that one release would serve contradict each other."""


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """What one release that serves several purposes must keep: the strictest of each, and the union of the lists."""

    purposes: tuple[str, ...]
    minimum: int
    zeros_are_small: bool
    complements: bool
    min_denominator: int
    show: tuple[Show, ...]
    methods: Mapping[Sector, Method]
    noise: Noise | None
    approvals: int

    def publish(self, sector: Sector) -> list[dict[str, str | list[str]]]:
        """The list for one sector as `disclosure.protect(publish=…)` takes it: levels by dimension, kinds as codes."""
        kinds: dict[tuple[str, str, str], dict[str, None]] = {}
        for line in self.show:
            if sector in line.sectors:
                kinds.setdefault((line.site, line.subdivision, line.band), {}).update(dict.fromkeys(line.kinds))
        return [
            {"site": site, "subdivision": subdivision, "band": band, "kind": list(codes)}
            for (site, subdivision, band), codes in kinds.items()
        ]


@dataclass(frozen=True, slots=True)
class Served:
    """One of the purposes that a release serves: what merging needs to know of it."""

    purpose: Key
    release: Release
    approvals: int


def merge(served: Iterable[Served]) -> ReleasePlan:
    """Join the purposes that one release serves: highest minimum, union of lists, one method per sector.

    Raises:
        Conflict: no purposes, two methods for one sector, or two different noise budgets.
    """
    parts = sorted(served, key=lambda part: part.purpose)
    if not parts:
        raise Conflict("a release must serve at least one purpose: name one")
    releases = [part.release for part in parts]
    return ReleasePlan(
        purposes=tuple(part.purpose for part in parts),
        minimum=max(release.minimum for release in releases),
        zeros_are_small=any(release.zeros_are_small for release in releases),
        complements=any(release.complements for release in releases),
        min_denominator=max(release.min_denominator for release in releases),
        show=tuple(dict.fromkeys(line for release in releases for line in release.show)),
        methods=_one_method_per_sector(parts),
        noise=_one_budget(parts),
        approvals=max(part.approvals for part in parts),
    )


def _one_method_per_sector(parts: Iterable[Served]) -> dict[Sector, Method]:
    chosen: dict[Sector, tuple[Method, str]] = {}
    for part in parts:
        for sector, method in part.release.methods.items():
            before, purpose = chosen.setdefault(sector, (method, part.purpose))
            if before != method:
                raise Conflict(
                    f"sector {sector} has method {before} in {purpose} and {method} in {part.purpose}: "
                    "one release has one method per sector, make them equal"
                )
    return {sector: method for sector, (method, _) in sorted(chosen.items())}


def _one_budget(parts: Iterable[Served]) -> Noise | None:
    budgets = {part.purpose: part.release.noise for part in parts if part.release.noise is not None}
    if len(set(map(str, budgets.values()))) > 1:
        raise Conflict(
            f"different noise budgets in {', '.join(sorted(budgets))}: "
            "the budget is charged once, to the release's population, so make them equal"
        )
    return next(iter(budgets.values()), None)
