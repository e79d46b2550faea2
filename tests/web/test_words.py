"""Dates, numbers, codes and faults in a person's language."""

from datetime import UTC, date, datetime

import pytest
from markupsafe import Markup

from gateway.messages import LANGUAGES, decimal, named, number
from gateway.outcome import Fault
from gateway.web import words
from tests.policies.world import law


def test_moments_are_said_in_amsterdam_time() -> None:
    """Noon in UTC is one in winter and two in summer."""
    assert words.moment(datetime(2026, 12, 1, 12, tzinfo=UTC), "nl") == "1 december 2026 13:00"
    assert words.moment(datetime(2026, 7, 1, 12, tzinfo=UTC), "en") == "1 July 2026 14:00"
    assert words.day(date(2027, 3, 9), "nl") == words.day("2027-03-09", "nl") == "9 maart 2027"
    assert words.moment(None, "nl") == words.NOTHING


def test_decimals_have_the_signs_of_the_language() -> None:
    """In Dutch a point separates thousands: an epsilon with one would be read a thousand times too large."""
    assert [decimal(1234.5, 2, language) for language in LANGUAGES] == ["1.234,50", "1,234.50"]
    assert [decimal(1e-8, 8, language) for language in LANGUAGES] == ["0,00000001", "0.00000001"]


def test_numbers_have_the_separator_of_the_language() -> None:
    """A thousand is 1.000 in Dutch and 1,000 in English."""
    assert (number(1234567, "nl"), number("1234", "en")) == ("1.234.567", "1,234")


def test_a_code_without_words_is_shown_as_it_is() -> None:
    """A deployment's own contract may have codes that nobody here knows."""
    assert (named("po", "en"), named("ks2", "en")) == ("primary education", "ks2")
    assert (words.short("above10", "nl"), words.short("ks2", "nl")) == ("meer dan 10%", "ks2")


def test_the_place_of_a_fault_is_said_in_words() -> None:
    """Codes in the place of a fault become what stands beside the field."""
    fault = Fault("COUNT-EMPTY", 2, "pupils", "lower_years · illness · 5to10")
    assert "onderbouw · waarvan ziekte · 5–10%" in words.fault_text(fault, "nl")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("illness ≥ 5to10 > authorised ≥ 5to10", "waarvan ziekte boven 5% is meer dan geoorloofd boven 5%"),
        ("all ≥ above20 > authorised ≥ 10to20", "alle verzuim boven 20% is meer dan geoorloofd boven 10%"),
        ("all ≥ ks2 > illness ≥ ks2", "alle verzuim vanaf ks2 is meer dan waarvan ziekte vanaf ks2"),
    ],
)
def test_an_order_names_the_bound_of_a_band(where: str, said: str) -> None:
    """A bound belongs to the band below it: from 5–10% up is above 5%; a band without words is named itself."""
    fault = Fault("COUNT-ORDER", where=f"lower_years · {where}")
    assert f"onderbouw · {said}" in words.fault_text(fault, "nl")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("ROW-MISSING", "Deze combinatie ontbreekt. Voeg de rij toe; geen leerlingen schrijft u als 0."),
        ("COLUMN-MISSING", "De kolom … ontbreekt. Voeg haar toe; de kolomnamen staan in het sjabloon."),
        ("SITE-SECTOR", "De sector is po, so, vo of vso."),
        ("no-such-rule", ""),
    ],
)
def test_a_rule_is_said_without_the_place_where_a_file_broke_it(rule: str, said: str) -> None:
    """The log keeps the code of the rule only; what is no rule of files has no text."""
    assert words.rule_in_general(rule, "nl") == said


def test_a_reference_of_the_log_names_its_document() -> None:
    """The title of the document and the place in it; what is no longer cited stays as it was written."""
    assert words.cited("uavg par. 5", law().law.purposes.sources, "en") == "Dutch GDPR Implementation Act, 5"
    assert words.cited("lpw", law().law.purposes.sources, "nl") == "Leerplichtwet 1969"
    assert words.cited("old-law par. 3", law().law.purposes.sources, "nl") == "old-law, 3"


@pytest.mark.parametrize(
    ("days", "said"),
    [(0, "tot publicatie, dan meteen gewist"), (400, "400 dagen na publicatie"), (1826, "5 jaar na publicatie")],
)
def test_how_long_something_is_kept_is_said_in_days_or_years(days: int, said: str) -> None:
    """Years from two years up; nought days is at once."""
    assert words.kept(days, "publication", "nl") == said


def test_the_code_of_a_period_stays_whole() -> None:
    """Where a text has one, it stands in an element of its own and everything else is escaped."""
    made = words.filled("{period} & {who}", {"period": "2026-2027-1", "who": "<b>"})
    assert made == Markup('<span class="whole">2026-2027-1</span> &amp; &lt;b&gt;')
    assert words.filled("Zij & {who}", {"who": "<b>"}) == "Zij & <b>"


def test_links_in_texts_are_the_only_markup() -> None:
    """Brackets become a link to the address given; everything else is escaped."""
    made = words.linked("Zie <b> [hier](there) & daar", {"there": "/a?b=1&c=2"})
    assert made == Markup('Zie &lt;b&gt; <a href="/a?b=1&amp;c=2">hier</a> &amp; daar')
