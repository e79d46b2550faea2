"""The register: what holds of a site on a date, and lists as DUO publishes them."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from gateway import overview
from gateway.collections import load_contracts
from gateway.demo.people import must
from gateway.duo import LIST_COLUMNS, Listing, read_listing
from gateway.formats.read_csv import read_csv
from gateway.outcome import Fault, Refused
from gateway.pseudonyms import export_service_register, register_public_key
from gateway.register import Changes, SiteEntry, end_site, party_fault, register_sites, site_facts, sites_on
from gateway.store import Party
from pseudonymisation.service import load_register

from .conftest import NOW, World
from .records import events

SITE = SiteEntry("91BB01", "De Proef", "po", ("lower_years",), "ORG-1", "GM9001", None, 100)
FIRST, LATER = date(2026, 8, 1), date(2027, 1, 1)
PO = "vestiging,po_swv,gemeente_code,gemeente,board,name"
SCHOOL = "00AB00,PO2505,0344,UTRECHT,1,De Brug"


def test_facts_hold_from_a_date_to_a_date(world: World) -> None:
    """A change closes the old facts on the day the new ones begin; both can be asked for later."""
    with world.gateway.writing() as session:
        register_sites(session, [SITE], FIRST)
        assert register_sites(session, [replace(SITE, swv="PO9901")], LATER) == Changes(0, 1, 0)
        before, after = (site_facts(session, SITE.code, day) for day in (date(2026, 12, 31), LATER))
    assert before is not None
    assert after is not None
    assert (before.swv, after.swv) == (None, "PO9901")


def test_registering_the_same_again_changes_nothing(world: World) -> None:
    """An import that is run twice leaves one row."""
    with world.gateway.writing() as session:
        register_sites(session, [SITE], FIRST)
        assert register_sites(session, [SITE], LATER) == Changes(0, 0, 1)


@pytest.mark.parametrize(("pupils", "last"), [(100, 110), (120, 100)])
def test_facts_told_afterwards_hold_until_those_that_are_there(world: World, pupils: int, last: int) -> None:
    """A list imported for an earlier day than the one before it leaves one row a day, whatever it says."""
    days = (FIRST, date(2026, 10, 1), LATER)
    with world.gateway.writing() as session:
        for day, entry in ((LATER, SITE), (FIRST, replace(SITE, pupils=pupils)), (days[1], replace(SITE, pupils=110))):
            register_sites(session, [entry], day)
        held = [[row.pupils for row in sites_on(session, day) if row.site == SITE.code] for day in days]
        other = register_sites(session, [replace(SITE, sector="vo")], date(2026, 7, 1))
    assert held == [[pupils], [110], [last]]
    assert isinstance(other, list)


def test_a_site_that_is_not_there_yet_has_no_facts(world: World) -> None:
    """Before its first day a site does not exist."""
    with world.gateway.writing() as session:
        register_sites(session, [SITE], LATER)
        assert site_facts(session, SITE.code, FIRST) is None


def test_a_site_that_ends_is_expected_in_no_later_period(world: World) -> None:
    """It closes on 1 January: expected on the last day of December, not a day later, whatever was to change in May."""
    with world.gateway.writing() as session:
        register_sites(session, [SITE], FIRST)
        register_sites(session, [replace(SITE, pupils=90)], date(2027, 5, 1))
    assert world.desk.end_site(SITE.code, LATER) is True
    with world.gateway.reading() as session:
        days = (FIRST, date(2026, 12, 31), LATER, date(2027, 6, 1))
        there = [SITE.code in {each.site for each in sites_on(session, day)} for day in days]
    assert there == [True, True, False, False]
    assert events(world)[-1] == "party.changed"
    assert world.desk.end_site(SITE.code, LATER) == Refused("not-found")


def test_a_site_that_ended_comes_back_by_a_list(world: World) -> None:
    """Ended by mistake, and registered again from the same day: nothing is missing."""
    with world.gateway.writing() as session:
        register_sites(session, [SITE], FIRST)
        assert end_site(session, SITE.code, LATER)
        assert register_sites(session, [SITE], LATER) == Changes(1, 0, 0)
        assert site_facts(session, SITE.code, LATER) is not None


def test_an_import_renames(world: World) -> None:
    """A school and a gemeente go by the name of the newest list; a code that a list has no name for renames nobody."""
    gemeente = (SITE.gemeente, "gemeente", "Oud")
    must(world.desk.register([SITE], [gemeente], FIRST))
    renamed = replace(SITE, name="De Nieuwe Proef")
    assert must(world.desk.register([renamed], [], LATER)) == Changes(0, 1, 0)
    assert called(world) == ["De Nieuwe Proef", "Oud"]
    must(world.desk.register([renamed], [(*gemeente[:2], "Nieuw")], LATER))
    assert called(world) == ["De Nieuwe Proef", "Nieuw"]


def called(world: World) -> list[str]:
    """How the site and its gemeente are called."""
    with world.gateway.reading() as session:
        return [session.get_one(Party, code).name for code in (SITE.code, SITE.gemeente)]


def test_a_site_keeps_its_sector(world: World) -> None:
    """A site that would change sector is refused, and with it the whole list."""
    with world.gateway.writing() as session:
        register_sites(session, [SITE], FIRST)
        other = replace(SITE, code="91BB02")
        outcome = register_sites(session, [other, replace(SITE, sector="vo")], LATER)
        assert isinstance(outcome, list)
        assert [(fault.rule, fault.where) for fault in outcome] == [("SITE-OTHER-SECTOR", SITE.code)]
        assert site_facts(session, other.code, LATER) is None


def test_a_list_is_taken_beside_a_period_of_a_collection_that_is_gone(world: World) -> None:
    """A folder of contracts left the settings: nothing of its period can be built, so it is in the way of no list."""
    desk = replace(world.desk, gateway=replace(world.gateway, contracts={}))
    assert must(desk.register([SITE], [], FIRST)).added == 1


def test_what_a_site_names_is_registered_with_it(world: World) -> None:
    """Board, gemeente and SWV of a site become parties."""
    with world.gateway.writing() as session:
        register_sites(session, [replace(SITE, gemeente="GM0001", swv="PO0001")], FIRST)
        codes = set(session.exec(select(Party.code)))
    assert {"91BB01", "ORG-1", "GM0001", "PO0001"} <= codes


@pytest.mark.parametrize(
    ("code", "kind", "rule"),
    [
        ("00AB00", "site", None),
        ("00AB0", "site", "PARTY-CODE"),
        ("GM344", "gemeente", "PARTY-CODE"),
        ("PO2505", "swv", None),
        ("SO2505", "swv", "PARTY-CODE"),
        ("ORG-X", "supplier", None),
        ("X", "supplier", "PARTY-CODE"),
        ("ORG-X", "school", "PARTY-KIND"),
    ],
)
def test_codes_have_forms(code: str, kind: str, rule: str | None) -> None:
    """Each kind of party has a form of code."""
    assert party_fault(code, kind) == rule


@pytest.mark.parametrize(("text", "count"), [("33", 33), ("33.0", 33), ("", None), ("<5", None)])
def test_a_hidden_head_count_is_not_known(text: str, count: int | None) -> None:
    """`<5` and a blank are not numbers; they never become 0, 2 or 5."""
    assert [site.pupils for site in listed(f"{PO},pupils_2025\n{SCHOOL},{text}\n").sites] == [count]


@pytest.mark.parametrize("text", ["1.567", "1,567", "1567.5", "-1", "-", "veel", "1000000"])
def test_a_head_count_that_is_not_understood_refuses_the_list(text: str) -> None:
    """Not read as unknown, which would give the school the smallest quota: row and column are named."""
    found = _faults(f'{PO},pupils_2025\n{SCHOOL},200\n{SCHOOL.replace("00AB00", "00AB01")},"{text}"\n')
    assert [(fault.rule, fault.row, fault.column) for fault in found] == [("LIST-PUPILS", 3, "pupils_2025")]


@pytest.mark.parametrize(
    "header", [f"{PO},,pupils_2025,,pupils_2025", "pupils_2025,gemeente_code,gemeente,pupils_2025"]
)
def test_a_doubled_heading_refuses_the_list(header: str) -> None:
    """Which of the two columns counts, nobody said; a heading that is blank is no heading."""
    found = _faults(f"{header}\n0344,0344,UTRECHT\n")
    assert [(fault.rule, fault.row, fault.column) for fault in found] == [("COLUMN-DUPLICATE", 1, "pupils_2025")]


def test_a_site_that_stands_in_the_list_again_is_named_with_its_row() -> None:
    """Of thousands of rows each later one is told; a code that is none is told as that, and not repeated."""
    again = "\n".join([PO, SCHOOL, SCHOOL.replace("00AB00", "00AB01"), SCHOOL, SCHOOL])
    told = [(fault.rule, fault.row, fault.where) for fault in _faults(again)]
    assert told == [("SITE-DUPLICATE", 4, "00AB00"), ("SITE-DUPLICATE", 5, "00AB00")]
    no_code = SCHOOL.replace("00AB00", "Jansen")
    assert {(fault.rule, fault.where) for fault in _faults(f"{PO}\n{no_code}\n{no_code}")} == {("SITE-CODE", "")}


@pytest.mark.parametrize("own", ["sector,subdivisions,funded", "Sector,Sub divisions,FUNDED"])
@pytest.mark.parametrize("head", [PO, "Vestiging,PO-SWV,Gemeente code,Gemeente,Board,Name"])
def test_headings_are_known_as_people_write_them(head: str, own: str) -> None:
    """A special school stays one, not asked for anything, whatever capitals and spaces the headings have."""
    (site,) = listed(f"{head},{own},Pupils_2025\n{SCHOOL},so,undivided,ONWAAR,33\n").sites
    assert (site.sector, site.subdivisions, site.funded, site.pupils) == ("so", ("undivided",), False, 33)


def test_a_heading_that_is_the_same_but_for_capitals_is_doubled() -> None:
    """Which of the two counts, nobody said; it is named as we write it. What is not read may stand there twice."""
    found = _faults(f"{PO},sector,Sector\n{SCHOOL},so,po\n")
    assert [(fault.rule, fault.row, fault.column) for fault in found] == [("COLUMN-DUPLICATE", 1, "sector")]
    assert len(listed(f"{PO},remark,remark\n{SCHOOL},x,y\n").sites) == 1


def test_secondary_education_is_told_by_headings_without_capitals() -> None:
    """DUO writes HAVO; a list that was typed over says the same."""
    (site,) = listed(f"{VO.lower()}02EB04,02EB,x,ASSEN,0106,False,False,False,True,False,False,VO2201\n").sites
    assert site.subdivisions == ("havo",)


@pytest.mark.parametrize(
    ("name", "sites", "unknown", "without_swv"),
    [("nl_po_sites_2026", 6_122, 31, 6), ("nl_vo_sites_2025_est", 1_620, 242, 0), ("nl_gemeenten_2026", 0, 0, 0)],
)
def test_real_lists_are_read(shared: Path, name: str, sites: int, unknown: int, without_swv: int) -> None:
    """The public lists give every site, with hidden head-counts and missing SWVs as not known."""
    listing = listed((shared / "data" / f"{name}.csv").read_text())
    assert len(listing.sites) == sites
    assert sum(site.pupils is None for site in listing.sites) == unknown
    assert sum(site.swv is None for site in listing.sites) == without_swv
    assert len(listing.gemeenten) >= 287


def test_a_real_list_is_registered(world: World, shared: Path) -> None:
    """Six thousand sites are registered in one transaction."""
    listing = listed((shared / "data" / "nl_po_sites_2026.csv").read_text())
    names = [(code, "gemeente", name) for code, name in listing.gemeenten.items()]
    assert must(world.desk.register(listing.sites, names, FIRST)).added == 6_122
    with world.gateway.reading() as session:
        assert len(sites_on(session, LATER, gemeente="GM0344")) > 50


def test_a_wrong_list_names_its_rows() -> None:
    """An unknown header is one fault; wrong codes are named by row."""
    assert [fault.rule for fault in _faults("a;b\n1;2\n")] == ["LIST-UNKNOWN"]
    header = "vestiging,po_swv,gemeente_code,gemeente,board,name,pupils_2025\n"
    body = f"{header}00AB00,PO2505,0344,UTRECHT,1,x,10\n0AB00,PO25,344x,UTRECHT,1,x,10\n"
    assert [(fault.row, fault.rule) for fault in _faults(body)] == [
        (3, "SITE-CODE"),
        (3, "GEMEENTE-CODE"),
        (3, "SWV-CODE"),
    ]


VO = "vestigings_id,brin,school_name,municipality,municipality_code,PRO,VMBO,MAVO,HAVO,VWO,BRUGJAAR,vo_swv\n"


@pytest.mark.parametrize(
    ("yes", "no"), [("True", "False"), ("TRUE", "FALSE"), ("WAAR", "ONWAAR"), ("1", "0"), ("1", "")]
)
def test_what_a_site_offers_is_read_as_a_spreadsheet_wrote_it(yes: str, no: str) -> None:
    """A list that was opened and saved in Dutch or in English says the same as DUO's own."""
    body = f"{VO}02EB04,02EB,x,ASSEN,0106,{no},{no},{no},{yes},{yes},{no},VO2201\n"
    assert [site.subdivisions for site in listed(body).sites] == [("havo", "vwo", "undivided")]


@pytest.mark.parametrize(
    ("levels", "offered"),
    [
        ("HAVO VWO", "havo vwo undivided"),
        ("VMBO MAVO HAVO", "vmbo havo undivided"),
        ("PRO VMBO HAVO BRUGJAAR", "pro vmbo havo undivided"),
        ("VMBO MAVO", "vmbo"),
        ("PRO VMBO", "pro vmbo"),
        ("BRUGJAAR", "undivided"),
    ],
)
def test_a_secondary_site_of_several_types_offers_undivided(levels: str, offered: str) -> None:
    """Its pupils of the first two years sit in no type yet, whatever DUO's `BRUGJAAR` says of it."""
    flags = ",".join(str(level in levels.split()) for level in ("PRO", "VMBO", "MAVO", "HAVO", "VWO", "BRUGJAAR"))
    (site,) = listed(f"{VO}02EB04,02EB,x,ASSEN,0106,{flags},VO2201\n").sites
    assert " ".join(site.subdivisions) == offered


@pytest.mark.parametrize(("told", "board"), [("board,", "ORG-41111"), ("board,none", "ORG-02EB"), ("", "ORG-02EB")])
def test_a_secondary_site_has_the_board_its_list_names(told: str, board: str) -> None:
    """DUO's list has no such column; one that somebody added says more than the BRIN, which is no board."""
    column, value = (",board", ",41111" if told == "board," else ",") if told else ("", "")
    flags = "False,False,False,True,True,False"
    (site,) = listed(f"{VO.strip()}{column}\n02EB04,02EB,x,ASSEN,0106,{flags},VO2201{value}\n").sites
    assert site.board == board


@pytest.mark.parametrize(
    ("told", "site"),
    [
        ("SO,,", ("so", ("undivided",), True)),
        ("vso,undivided,ONWAAR", ("vso", ("undivided",), False)),
        (",Upper_Years undivided,True", ("po", ("upper_years", "undivided"), True)),
        ("vo,,", ("vo", ("undivided",), True)),
        (",,", ("po", ("lower_years", "upper_years"), True)),
    ],
)
def test_a_special_school_is_imported(told: str, site: tuple[str, tuple[str, ...], bool]) -> None:
    """Its list says of a site what DUO's do not: sector, subdivisions, whether it is funded; a blank says nothing."""
    (entry,) = listed(f"{PO},sector,subdivisions,funded\n{SCHOOL},{told}\n").sites
    assert (entry.sector, entry.subdivisions, entry.funded) == site


def test_what_a_list_says_of_its_own_is_checked() -> None:
    """A sector, a subdivision of it and a yes or no that are none are named, with the subdivisions there are."""
    rows = [SCHOOL.replace("AB00", f"AB0{place}") for place in range(3)]
    rows = [f"{row},{told}" for row, told in zip(rows, ("mbo,havo,", "so,havo,", ",,nee"), strict=True)]
    found = _faults("\n".join([f"{PO},sector,subdivisions,funded", *rows]))
    assert [(fault.rule, fault.row, fault.column, fault.where) for fault in found] == [
        ("SITE-SECTOR", 2, "sector", ""),
        ("LIST-SUBDIVISIONS", 3, "subdivisions", "undivided"),
        ("LIST-FLAG", 4, "funded", ""),
    ]


def test_names_of_gemeenten_are_written_as_they_are(shared: Path) -> None:
    """DUO writes capitals: small words, IJ and the names that capitals do not tell; any other name stays as it is."""
    named = listed((shared / "data" / "nl_gemeenten_2026.csv").read_text()).gemeenten.values()
    assert {
        "Aa en Hunze", "Alphen aan den Rijn", "Bergen (L.)", "Bergen (NH.)", "Bergen op Zoom", "Borger-Odoorn",
        "Capelle aan den IJssel", "De Bilt", "De Fryske Marren", "Den Helder", "Het Hogeland", "Hof van Twente",
        "IJsselstein", "Noardeast-Fryslân", "Nuenen, Gerwen en Nederwetten", "Oude IJsselstreek", "Reusel-De Mierden",
        "Súdwest-Fryslân", "Valkenburg aan de Geul", "Wijk bij Duurstede", "'s-Gravenhage", "'s-Hertogenbosch",
    } <= set(named)  # fmt: skip
    assert not [name for name in named if re.search(r"Ij| (Aan|Bij|De|Den|En|Op|Van) |[A-Z]{3}", name)]
    told = ["Oude IJsselstreek", "'S-GRAVENHAGE", "HOEVEN AAN 'T WAD"]
    rows = "".join(f"{place},{name}\n" for place, name in enumerate(told))
    assert [*listed(f"gemeente_code,gemeente\n{rows}").gemeenten.values()] == [
        "Oude IJsselstreek", "'s-Gravenhage", "Hoeven aan 't Wad",
    ]  # fmt: skip


def test_a_word_that_says_neither_yes_nor_no_is_a_fault() -> None:
    """Not read as no: the site would be registered as undivided."""
    body = f"{VO}02EB04,02EB,x,ASSEN,0106,ja,False,False,True,True,False,VO2201\n"
    assert [(fault.rule, fault.row, fault.column) for fault in _faults(body)] == [("LIST-FLAG", 2, "PRO")]


def test_a_code_of_a_gemeente_is_checked_in_its_own_list_too() -> None:
    """A row whose code is none is named, and the list is not registered."""
    assert listed("gemeente_code,gemeente\n344.0,UTRECHT\n") == Listing((), {"GM0344": "Utrecht"})
    found = _faults("gemeente_code,gemeente\n0344,UTRECHT\n3.44E+02,UTRECHT\n,ASSEN\n")
    assert [(fault.rule, fault.row) for fault in found] == [("GEMEENTE-CODE", 3), ("GEMEENTE-CODE", 4)]


def test_a_blank_name_of_a_gemeente_is_told_by_another_row() -> None:
    """Another row that has it counts, whichever comes last; where there is none, the rows are named."""
    rows = [
        f"00AB0{at},PO2505,{code},{name},1,x"
        for at, (code, name) in enumerate(
            [("0344", ""), ("0344", "UTRECHT"), ("0344", " "), ("0345", " "), ("0345", "")]
        )
    ]
    assert listed("\n".join([PO, *rows[:3]])).gemeenten == {"GM0344": "Utrecht"}
    assert [(fault.rule, fault.row) for fault in _faults("\n".join([PO, *rows]))] == [
        ("GEMEENTE-NAME", 5),
        ("GEMEENTE-NAME", 6),
    ]
    assert [(fault.rule, fault.row) for fault in _faults("gemeente_code,gemeente\n0344, \n0345,VELP\n")] == [
        ("GEMEENTE-NAME", 2)
    ]


def test_a_board_is_the_same_with_the_fraction_of_a_spreadsheet() -> None:
    """41234.0 is 41234; what is no code of a board is a fault."""
    rows = [f"{code},PO2505,0344,UTRECHT,{board},x" for code, board in (("00AB00", "41234.0"), ("00AB01", "41234"))]
    assert {site.board for site in listed("\n".join([PO, *rows])).sites} == {"ORG-41234"}
    assert [fault.rule for fault in _faults(f"{PO}\n00AB00,PO2505,0344,UTRECHT,4.1E+04,x\n")] == ["BOARD-CODE"]


def test_the_operator_sees_until_when_the_service_takes_the_register(world: World) -> None:
    """120 days from the day it was exported last; none before the first."""
    told = []
    for at in (world, world.at(NOW + timedelta(days=30))):
        with at.gateway.reading() as session:
            told.append(overview.register_ends(session))
        made = must(export_service_register(at.desk))
        at.sequence()
    register = load_register(made.document, register_public_key(world.gateway))
    with world.gateway.reading() as session:
        told.append(overview.register_ends(session))
    assert told == [None, date(2027, 3, 2), register.expires]


def test_a_register_is_newer_than_one_made_while_the_clock_was_ahead(world: World) -> None:
    """For three days it was wrong: the service takes what is exported after that, and the page names its last day."""
    serials = []
    for at in (world, world.at(NOW + timedelta(days=3)), world, world.at(NOW + timedelta(minutes=1))):
        register = load_register(must(export_service_register(at.desk)).document, register_public_key(world.gateway))
        serials.append(register.serial)
        at.sequence()
    with world.gateway.reading() as session:
        assert overview.register_ends(session) == register.expires == date(2027, 3, 2)
    ahead = int((NOW + timedelta(days=3)).timestamp())
    assert serials == [int(NOW.timestamp()), ahead, ahead + 1, ahead + 2]


def test_a_change_that_is_to_come_shuts_no_site_out_of_the_service(world: World) -> None:
    """Exported in December, changed in January: known on both days; not before a site begins, nor after its end."""
    new, leaving = replace(SITE, code="91BB02"), replace(SITE, code="91BB03", funded=False)
    december = world.at(datetime(2026, 12, 10, 10, tzinfo=UTC))
    with december.gateway.writing() as session:
        register_sites(session, [SITE, leaving], FIRST)
        register_sites(session, [replace(SITE, pupils=120), new], LATER)
        session.flush()
        ends = site_facts(session, leaving.code, FIRST)
        assert ends is not None
        ends.valid_to = LATER
    register = load_register(must(export_service_register(december.desk)).document, register_public_key(world.gateway))
    days = (date(2026, 12, 31), LATER)
    known = {site.code: [register.site(site.code, day) is not None for day in days] for site in (SITE, new, leaving)}
    assert known == {SITE.code: [True, True], new.code: [False, True], leaving.code: [True, False]}


def test_a_school_that_closed_has_pseudonyms_made_for_the_period_that_asks_it(world: World) -> None:
    """Ended yesterday: until the key of that school year is used no more, for its own pupils; ended before: at once."""
    asked, before = world.region.sites[:2]
    for code, day in ((asked.code, date(2026, 11, 1)), (before.code, date(2026, 9, 1))):
        must(world.desk.end_site(code, day))
    register = load_register(must(export_service_register(world.desk)).document, register_public_key(world.gateway))
    known = {site.site: (site.valid_to, site.pupils) for site in register.sites}
    assert known[asked.code] == (date(2028, 1, 1), asked.pupils)
    assert before.code not in known


def read(text: str) -> Listing | list[Fault]:
    return read_listing(read_csv(text.encode(), LIST_COLUMNS), load_contracts())


def listed(text: str) -> Listing:
    """What a list in order says."""
    outcome = read(text)
    assert isinstance(outcome, Listing), outcome
    return outcome


def _faults(text: str) -> list[Fault]:
    outcome = read(text)
    assert isinstance(outcome, list)
    return outcome


@pytest.mark.parametrize("island", ["BONAIRE", "Saba", "SINT EUSTATIUS", "St. Eustatius"])
def test_a_site_in_the_caribbean_netherlands_delivers_nothing(island: str) -> None:
    """Nobody there delivers yet, so that nobody may be expected to: a list names such rows, and is not registered."""
    po = f"vestiging,po_swv,gemeente_code,gemeente,board,name\n00AB00,,9999,{island},1,x\n"
    vo = f"{VO}02EB04,02EB,x,{island},9999,False,False,False,True,True,False,\n"
    for body in (po, vo):
        assert [(fault.rule, fault.row) for fault in _faults(body)] == [("SITE-CARIBBEAN", 2)]
