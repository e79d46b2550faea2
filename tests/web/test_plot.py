"""The chart of a trend: positions that say what the table says, and nothing across a gap."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import web
from gateway.web.plot import FLOOR, HEIGHT, TOP, plot

SHARES = st.lists(st.none() | st.integers(0, 100), min_size=2, max_size=8)


def test_a_chart_needs_something_that_runs() -> None:
    """One period, or one share, is no trend."""
    assert plot({"own": [12]}, [False]) is None
    assert plot({"own": [12, None], "country": [None, 9]}, [False, False]) is None
    assert plot({"own": [None, None]}, [False, False]) is None


def test_nothing_is_drawn_across_a_gap() -> None:
    """A period that is not specified has no dot, and no stroke leads over it."""
    drawn = plot({"own": [10, None, 12, 14], "country": [None, None, None, None]}, [False] * 4)
    assert drawn is not None
    assert [series.name for series in drawn.series] == ["own"]
    own = drawn.series[0]
    assert [dot.share for dot in own.dots] == [10, 12, 14]
    assert [(a.share, b.share) for a, b in own.strokes] == [(12, 14)]


def test_a_change_is_marked_between_its_periods() -> None:
    """The mark stands left of the period that differs from the one before."""
    drawn = plot({"own": [10, 11, 12]}, [False, False, True])
    assert drawn is not None
    assert len(drawn.marks) == 1
    assert drawn.columns[1] < drawn.marks[0] < drawn.columns[2]


@pytest.mark.parametrize(("highest", "scale"), [(0, 5), (5, 5), (6, 10), (11, 20), (41, 60), (100, 100)])
def test_the_scale_is_the_next_round_number(highest: int, scale: int) -> None:
    """The highest share lies within the scale, which starts at nought."""
    drawn = plot({"own": [0, highest]}, [False, False])
    assert drawn is not None
    assert [share for _, share in drawn.ticks][::2] == [0, scale]


@given(SHARES, SHARES)
def test_higher_shares_stand_higher(own: list[int | None], country: list[int | None]) -> None:
    """Height follows share over all series, within the frame; columns run from left to right."""
    many = min(len(own), len(country))
    drawn = plot({"own": own[:many], "country": country[:many]}, [False] * many)
    if drawn is None:
        return
    dots = sorted((dot.share, dot.y) for series in drawn.series for dot in series.dots)
    assert all(low[1] >= high[1] for low, high in pairwise(dots))
    assert all(TOP <= y <= FLOOR for _, y in dots)
    assert list(drawn.columns) == sorted(drawn.columns)
    assert 0 < drawn.columns[0] < drawn.columns[-1] < 100


def test_the_page_draws_at_the_heights_that_the_chart_says() -> None:
    """Words stand under the chart and within the picture; the template knows no height by heart."""
    drawn = plot({"own": [1, 2]}, [False, False])
    assert drawn is not None
    assert FLOOR == drawn.floor < drawn.lines[0] < drawn.lines[1] < drawn.height == HEIGHT
    template = Path(str(web.__file__)).parent / "templates" / "trend.html"
    assert not re.findall(r' (?:y|y1|y2|height)="\d{2,}"', template.read_text(encoding="utf-8"))
