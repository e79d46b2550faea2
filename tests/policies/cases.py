"""Who, what, when → what is decided, by which rules: the flows of the map that concern the gateway, and every boundary.

Names begin with the number of the flow in the map of data flows, where they have one.
"""

# ruff: noqa: E501, ANN001, ANN002, ANN003, ANN201, N817, PLR0917  a table is read by its rows
# fmt: off

import datetime as dt
from dataclasses import replace

from policies.parties import Kind
from policies.purpose import DataCategory as Data
from policies.question import Action as A
from policies.question import Setup
from policies.things import Area, Consent, Hypothesis, OwnTable
from tests.policies.world import (
    CONSENT,
    DELIVERY,
    EVERYBODY,
    EXERCISE,
    INSTALLATION,
    MADE_UP,
    OTHER_SITE,
    OWN_TABLE,
    PUBLISHED,
    READY,
    RECORD,
    RECORDS,
    ROWS_DELIVERY,
    SLICE,
    TWO,
    Case,
    case_data,
)

COUNTS, ROWS, CONSENTED = "absence-counts", "absence-records", "consented-records"
NAMED, ILLNESS_NAMED, MEDICAL = Data.NAMED_ABSENCE, Data.NAMED_AUTHORISED_ABSENCE, Data.MEDICAL_FACTS
PERMIT, FORBIDDEN, NOT_FOUND, NO_PERMIT = "permit", "forbidden", "not-found", "no-permit"


def delivery(name, who, thing, decision, *rules, action=A.SUBMIT, purpose="statutory-counts", collection=COUNTS, **more):  # type: ignore[no-untyped-def]  # a row of the table
    """A row about delivering."""
    return Case(name, who, action, thing, purpose, decision, rules, collection=collection, **more)


def row(name, who, action, thing, purpose, decision, *rules, **more):  # type: ignore[no-untyped-def]  # a row of the table
    """A row about anything else."""
    return Case(name, who, action, thing, purpose, decision, rules, **more)


DELIVER = "deliver-own-figures"
DELIVERIES = [
    delivery("3 a school delivers counts", "school", DELIVERY, PERMIT, DELIVER),
    delivery("3 its program delivers counts", "school's program", DELIVERY, PERMIT, DELIVER),
    delivery("3 a school has counts checked", "school", DELIVERY, PERMIT, DELIVER, action=A.CHECK),
    delivery("3 a school confirms", "school", DELIVERY, PERMIT, DELIVER, action=A.CONFIRM),
    delivery("3 a school withdraws", "school", DELIVERY, PERMIT, DELIVER, action=A.WITHDRAW_SUBMISSION),
    delivery("3 a school reads its own", "school", DELIVERY, PERMIT, "read-own-submission", action=A.READ_SUBMISSION),
    delivery("3 a program reads its own", "school's program", DELIVERY, PERMIT, "read-own-submission", action=A.READ_SUBMISSION),
    delivery("3 on the first day of the purpose", "school", DELIVERY, PERMIT, DELIVER, day="2026-08-01"),
    delivery("3 the day before the operator's date", "school", DELIVERY, FORBIDDEN, "purpose-only-proposed", day="2026-07-31"),
    delivery("3 before the purpose exists", "school", DELIVERY, FORBIDDEN, "purpose-only-proposed", "purpose-out-of-date", day="2025-07-31"),
    delivery("3 another school's delivery", "other school", DELIVERY, NOT_FOUND, "not-your-school"),
    delivery("3 a delivery that does not exist", "school", replace(DELIVERY, party=""), NOT_FOUND, "not-your-school"),
    delivery("3 reading another school's", "other school", DELIVERY, NOT_FOUND, "not-your-school", action=A.READ_SUBMISSION),
    delivery("3 confirming another school's", "other school", DELIVERY, NOT_FOUND, "not-your-school", action=A.CONFIRM),
    delivery("3 withdrawing another school's", "other school", DELIVERY, NOT_FOUND, "not-your-school", action=A.WITHDRAW_SUBMISSION),
    delivery("3 checking as another school", "other school", DELIVERY, NOT_FOUND, "not-your-school", action=A.CHECK),
    delivery("3 not an own sector", "school", replace(DELIVERY, sector="vo"), FORBIDDEN, "sector-of-the-school"),
    delivery("3 after the period closed", "school", replace(DELIVERY, period_open=False), FORBIDDEN, "period-open"),
    delivery("3 withdrawing after the period closed", "school", replace(DELIVERY, period_open=False), FORBIDDEN, "period-open", action=A.WITHDRAW_SUBMISSION),
    delivery("3 reading after the period closed", "school", replace(DELIVERY, period_open=False), PERMIT, "read-own-submission", action=A.READ_SUBMISSION),
    delivery("3 a purpose that does not take counts", "school", DELIVERY, FORBIDDEN, "only-what-the-purpose-lists", purpose="counting-for-school"),
    delivery("3 a purpose without this collection", "school", DELIVERY, FORBIDDEN, "only-what-the-purpose-lists", collection="something-else"),
    delivery("3 a purpose that has no senders", "school", DELIVERY, NO_PERMIT, purpose="own-school"),
    delivery("3 a school that closed", "closed school", DELIVERY, FORBIDDEN, "party-in-register"),
    delivery("3 an swv delivers", "swv", DELIVERY, NOT_FOUND, "not-your-school"),
    delivery("3 the operator delivers", "operator", DELIVERY, NOT_FOUND, "not-your-school"),
    delivery("3 a privacy officer delivers", "school's privacy officer", DELIVERY, NO_PERMIT),
    delivery("3 a privacy officer reads a delivery", "school's privacy officer", DELIVERY, NO_PERMIT, action=A.READ_SUBMISSION),
    delivery("3 reading for a purpose without senders", "school", DELIVERY, NO_PERMIT, action=A.READ_SUBMISSION, purpose="own-school"),
    delivery("3 a supplier with a mandate", "supplier", DELIVERY, PERMIT, DELIVER),
    delivery("3 a supplier on the last day", "supplier", DELIVERY, PERMIT, DELIVER, day="2027-07-31"),
    delivery("3 a supplier the day after", "supplier", DELIVERY, FORBIDDEN, "mandate-covers-this", day="2027-08-01"),
    delivery("3 a supplier on the first day", "supplier", DELIVERY, PERMIT, DELIVER, day="2026-08-01"),
    delivery("3 a supplier the day before", "supplier", DELIVERY, FORBIDDEN, "purpose-only-proposed", "mandate-covers-this", day="2026-07-31"),
    delivery("3 a supplier confirms without being allowed", "supplier", DELIVERY, FORBIDDEN, "mandate-covers-this", action=A.CONFIRM),
    delivery("3 a supplier with another collection", "supplier", ROWS_DELIVERY, FORBIDDEN, "mandate-covers-this", purpose="counting-for-school", collection=ROWS),
    delivery("3 a supplier without mandate", "supplier without mandate", DELIVERY, NOT_FOUND, "mandate-registered"),
    delivery("3 a supplier with another's mandate", "supplier with another's mandate", DELIVERY, NOT_FOUND, "mandate-registered"),
    delivery("3 a supplier with a competitor's mandate", "supplier with a competitor's mandate", DELIVERY, NOT_FOUND, "mandate-registered"),
    delivery("3 a board for its school", "board with a mandate", DELIVERY, PERMIT, DELIVER),
    delivery("26 an swv with a school's mandate", "swv with a mandate", ROWS_DELIVERY, FORBIDDEN, "mandate-for-suppliers-and-boards", "swv-no-personal-data", action=A.READ_SUBMISSION, purpose="counting-for-school", collection=ROWS),
    delivery("3 an swv with a school's mandate, counts", "swv with a mandate", DELIVERY, FORBIDDEN, "mandate-for-suppliers-and-boards", purpose="statutory-counts", collection=ROWS),
    delivery("3 a supplier in its own name", "supplier for itself", DELIVERY, NOT_FOUND, "not-your-school"),
    delivery("3 a school posing as operator", "school posing as operator", DELIVERY, FORBIDDEN, "role-fits-party"),
    delivery("3 an swv posing as school", "swv posing as school", replace(DELIVERY, party="PO2505"), FORBIDDEN, "role-fits-party", "sector-of-the-school"),
    delivery("3 on the last day of a purpose", "school", DELIVERY, PERMIT, DELIVER, purpose="test-limited", day="2026-11-01"),
    delivery("3 on the first day after a purpose", "school", DELIVERY, FORBIDDEN, "purpose-out-of-date", purpose="test-limited"),
    delivery("3 on the first day of a purpose", "school", DELIVERY, PERMIT, DELIVER, purpose="test-limited", day="2026-09-01"),
    delivery("3 on the day before a purpose", "school", DELIVERY, FORBIDDEN, "purpose-out-of-date", purpose="test-limited", day="2026-08-31"),
    delivery("3 a real period, two operators", "school", replace(DELIVERY, exercise=False), PERMIT, DELIVER),
    delivery("3 a real period, one operator", "school", replace(DELIVERY, exercise=False), FORBIDDEN, "real-period-needs-two-operators", setup=Setup()),
    delivery("3 a real period, one operator, accepted", "school", replace(DELIVERY, exercise=False), PERMIT, DELIVER, setup=Setup(unsafe_single_operator=True)),
    delivery("3 an exercise, one operator", "school", DELIVERY, PERMIT, DELIVER, setup=Setup()),
    delivery("1 rows, counted for the school", "school", ROWS_DELIVERY, PERMIT, DELIVER, purpose="counting-for-school", collection=ROWS),
    delivery("1 rows without processor agreement", "school", replace(ROWS_DELIVERY, agreement=False), FORBIDDEN, "rows-need-processor-agreement", purpose="counting-for-school", collection=ROWS),
    delivery("1 counts need no agreement", "school", replace(DELIVERY, agreement=False), PERMIT, DELIVER),
    delivery("1 rows as statutory counts", "school", ROWS_DELIVERY, FORBIDDEN, "only-what-the-purpose-lists", collection=ROWS),
    delivery("1 confirming the counts of rows", "school", DELIVERY, PERMIT, DELIVER, action=A.CONFIRM, collection=ROWS),
    delivery("1 rows with hours of illness", "school", replace(ROWS_DELIVERY, data=ROWS_DELIVERY.data | {Data.ILLNESS_HOURS}), FORBIDDEN, "health-only-with-consent", "only-what-the-purpose-lists", purpose="counting-for-school", collection=ROWS),
    delivery("10 the seven grounds", "school", replace(DELIVERY, data=frozenset({Data.ARTICLE_11_COUNTS})), FORBIDDEN, "purpose-refused", "only-illness-apart", purpose="article-11-grounds"),
    delivery("10 the seven grounds as statutory counts", "school", replace(DELIVERY, data=frozenset({Data.ARTICLE_11_COUNTS})), FORBIDDEN, "only-what-the-purpose-lists", "only-illness-apart"),
    *(
        delivery(f"10 the seven grounds, {action.value}", "school", replace(DELIVERY, data=frozenset({Data.ARTICLE_11_COUNTS})), FORBIDDEN, "only-what-the-purpose-lists", "only-illness-apart", action=action)
        for action in (A.CHECK, A.CONFIRM)
    ),
    *(
        delivery(f"11 suspensions, {action.value}", "school", replace(DELIVERY, data=frozenset({Data.SUSPENSION_COUNTS})), FORBIDDEN, "only-what-the-purpose-lists", "suspensions-undecided", action=action)
        for action in (A.CHECK, A.CONFIRM)
    ),
    delivery("10 illness apart", "school", replace(DELIVERY, data=frozenset({Data.ILLNESS_COUNTS})), PERMIT, DELIVER),
    delivery("11 suspensions and removals", "school", replace(DELIVERY, data=frozenset({Data.SUSPENSION_COUNTS})), FORBIDDEN, "purpose-undecided", "suspensions-undecided", purpose="suspension-counts"),
    delivery("11 suspensions as statutory counts", "school", replace(DELIVERY, data=frozenset({Data.SUSPENSION_COUNTS})), FORBIDDEN, "only-what-the-purpose-lists", "suspensions-undecided"),
    delivery("33 an unfunded school", "unfunded school", replace(DELIVERY, party="00EF00"), FORBIDDEN, "funded-schools-only"),
    delivery("33 under its own purpose", "unfunded school", replace(DELIVERY, party="00EF00"), FORBIDDEN, "purpose-refused", "only-what-the-purpose-lists", "funded-schools-only", purpose="unfunded-schools"),
    delivery("33 an unfunded school confirms", "unfunded school", replace(DELIVERY, party="00EF00"), FORBIDDEN, "funded-schools-only", action=A.CONFIRM),
    delivery("34 a school on Saba", "school on Saba", replace(DELIVERY, party="00GH00"), FORBIDDEN, "caribbean-not-yet"),
    delivery("34 under its own purpose", "school on Saba", replace(DELIVERY, party="00GH00"), FORBIDDEN, "purpose-undecided", "only-what-the-purpose-lists", "caribbean-not-yet", purpose="caribbean-netherlands"),
    delivery("35 mbo", "mbo school", replace(DELIVERY, party="00IJ00", sector="mbo"), FORBIDDEN, "mbo-undecided"),
    delivery("35 under its own purpose", "mbo school", replace(DELIVERY, party="00IJ00", sector="mbo"), FORBIDDEN, "purpose-undecided", "only-what-the-purpose-lists", "mbo-undecided", purpose="mbo"),
    *(
        delivery(f"{flow} {action.value}", who, thing, FORBIDDEN, rule, action=action, purpose=purpose, collection=collection, setup=setup)
        for action in (A.CHECK, A.CONFIRM)
        for flow, who, thing, rule, purpose, collection, setup in (
            ("3 period closed,", "school", replace(DELIVERY, period_open=False), "period-open", "statutory-counts", COUNTS, TWO),
            ("3 wrong sector,", "school", replace(DELIVERY, sector="vo"), "sector-of-the-school", "statutory-counts", COUNTS, TWO),
            ("3 one operator,", "school", replace(DELIVERY, exercise=False), "real-period-needs-two-operators", "statutory-counts", COUNTS, Setup()),
            ("1 no agreement,", "school", replace(ROWS_DELIVERY, agreement=False), "rows-need-processor-agreement", "counting-for-school", ROWS, TWO),
            ("33 unfunded,", "unfunded school", replace(DELIVERY, party="00EF00"), "funded-schools-only", "statutory-counts", COUNTS, TWO),
            ("34 Saba,", "school on Saba", replace(DELIVERY, party="00GH00"), "caribbean-not-yet", "statutory-counts", COUNTS, TWO),
            ("35 mbo,", "mbo school", replace(DELIVERY, party="00IJ00", sector="mbo"), "mbo-undecided", "statutory-counts", COUNTS, TWO),
        )
    ),
    row("7 a school reads its own table", "school", A.READ_OWN_TABLE, OWN_TABLE, "own-school", PERMIT, "read-own-table"),
    row("7 its program reads it", "school's program", A.READ_OWN_TABLE, OWN_TABLE, "own-school", PERMIT, "read-own-table"),
    row("7 another school's table", "other school", A.READ_OWN_TABLE, OWN_TABLE, "own-school", NOT_FOUND, "not-your-school"),
    row("7 a table that does not exist", "school", A.READ_OWN_TABLE, OwnTable(""), "own-school", NOT_FOUND, "not-your-school"),
    row("7 for a purpose without it", "school", A.READ_OWN_TABLE, OWN_TABLE, "absence-insight-swv", NO_PERMIT),
    row("7 its privacy officer", "school's privacy officer", A.READ_OWN_TABLE, OWN_TABLE, "own-school", NO_PERMIT),
    row("3 the minister reads small counts", "minister", A.READ_OWN_TABLE, OWN_TABLE, "statutory-counts", NOT_FOUND, "not-your-school"),
    row("3 the operator reads small counts", "operator", A.READ_OWN_TABLE, OWN_TABLE, "own-school", NOT_FOUND, "not-your-school"),
]

PLAN = "absence-insight-swv"
BUILT = replace(READY, approvals=0)
RELEASES = [
    row("4 the operator builds", "operator", A.BUILD_RELEASE, BUILT, PLAN, PERMIT, "build-release"),
    row("4 its program builds", "operator's program", A.BUILD_RELEASE, BUILT, PLAN, PERMIT, "build-release"),
    row("4 a school builds", "school", A.BUILD_RELEASE, BUILT, PLAN, NO_PERMIT),
    row("4 an swv builds", "swv", A.BUILD_RELEASE, BUILT, PLAN, NO_PERMIT),
    row("4 a school's program builds", "school's program", A.BUILD_RELEASE, BUILT, PLAN, NO_PERMIT),
    row("4 the operator's privacy officer builds", "operator's privacy officer", A.BUILD_RELEASE, BUILT, PLAN, NO_PERMIT),
    row("4 a table from five for a purpose that asks ten", "operator", A.BUILD_RELEASE, BUILT, "test-strict-tables", FORBIDDEN, "counts-from-five"),
    row("4 a table from ten for a purpose that asks ten", "operator", A.BUILD_RELEASE, replace(BUILT, minimum=10), "test-strict-tables", PERMIT, "build-release"),
    row("4 a table from four for a purpose that forgot to ask", "operator", A.BUILD_RELEASE, replace(BUILT, minimum=4), "test-bare-tables", FORBIDDEN, "counts-from-five"),
    row("4 a table from five for that purpose", "operator", A.BUILD_RELEASE, BUILT, "test-bare-tables", PERMIT, "build-release"),
    row("4 one approval where two are asked", "operator", A.PUBLISH_RELEASE, replace(READY, minimum=10), "test-strict-tables", FORBIDDEN, "enough-approvals"),
    row("4 two approvals where two are asked", "operator", A.PUBLISH_RELEASE, replace(READY, minimum=10, approvals=2), "test-strict-tables", PERMIT, "decide-on-release"),
    row("4 building for a purpose without tables", "operator", A.BUILD_RELEASE, BUILT, "operation", NO_PERMIT),
    row("4 building for a refused purpose", "operator", A.BUILD_RELEASE, BUILT, "provinces", FORBIDDEN, "purpose-refused"),
    row("4 five is shown", "operator", A.BUILD_RELEASE, replace(BUILT, minimum=5), PLAN, PERMIT, "build-release"),
    row("4 four is not", "operator", A.BUILD_RELEASE, replace(BUILT, minimum=4), PLAN, FORBIDDEN, "counts-from-five"),
    row("4 nought is small", "operator", A.BUILD_RELEASE, replace(BUILT, zeros_are_small=False), PLAN, FORBIDDEN, "counts-from-five"),
    row("4 complements too", "operator", A.BUILD_RELEASE, replace(BUILT, complements=False), PLAN, FORBIDDEN, "counts-from-five"),
    row("4 another person approves", "operator", A.APPROVE_RELEASE, BUILT, PLAN, PERMIT, "decide-on-release"),
    row("4 the builder approves", "operator", A.APPROVE_RELEASE, replace(BUILT, built_by_caller=True), PLAN, FORBIDDEN, "nobody-approves-an-own-build"),
    row("4 a second approval by one person", "operator", A.APPROVE_RELEASE, replace(BUILT, approved_by_caller=True), PLAN, FORBIDDEN, "nobody-approves-twice"),
    row("4 approving without a reason", "operator", A.APPROVE_RELEASE, replace(BUILT, reasoned=False), PLAN, FORBIDDEN, "say-why"),
    row("4 approving what the attacker broke", "operator", A.APPROVE_RELEASE, replace(BUILT, attacker_failed=False), PLAN, FORBIDDEN, "attacker-must-fail"),
    row("4 approving a table from four", "operator", A.APPROVE_RELEASE, replace(BUILT, minimum=4), PLAN, FORBIDDEN, "counts-from-five"),
    row("4 a program approves", "operator's program", A.APPROVE_RELEASE, BUILT, PLAN, NO_PERMIT),
    row("4 an swv approves, and learns nothing", "swv", A.APPROVE_RELEASE, replace(BUILT, attacker_failed=False), PLAN, NO_PERMIT),
    row("4 publishing with one approval", "operator", A.PUBLISH_RELEASE, READY, PLAN, PERMIT, "decide-on-release"),
    row("4 publishing without approval", "operator", A.PUBLISH_RELEASE, BUILT, PLAN, FORBIDDEN, "enough-approvals"),
    row("4 publishing what the attacker broke", "operator", A.PUBLISH_RELEASE, replace(READY, attacker_failed=False), PLAN, FORBIDDEN, "attacker-must-fail"),
    row("4 publishing a table from four", "operator", A.PUBLISH_RELEASE, replace(READY, minimum=4), PLAN, FORBIDDEN, "counts-from-five"),
    row("4 publishing without a reason", "operator", A.PUBLISH_RELEASE, replace(READY, reasoned=False), PLAN, FORBIDDEN, "say-why"),
    row("4 publishing twice", "operator", A.PUBLISH_RELEASE, replace(READY, published=True), PLAN, FORBIDDEN, "no-second-publication"),
    row("4 publishing what was withdrawn", "operator", A.PUBLISH_RELEASE, replace(READY, withdrawn=True), PLAN, FORBIDDEN, "no-second-publication"),
    row("4 approving what is published", "operator", A.APPROVE_RELEASE, replace(BUILT, published=True), PLAN, FORBIDDEN, "no-second-publication"),
    row("4 publishing for a purpose without tables", "operator", A.PUBLISH_RELEASE, READY, "operation", NO_PERMIT),
    row("4 an swv publishes, and learns nothing", "swv", A.PUBLISH_RELEASE, BUILT, PLAN, NO_PERMIT),
    row("4 withdrawing with a reason", "operator", A.WITHDRAW_RELEASE, replace(PUBLISHED, reasoned=True), PLAN, PERMIT, "decide-on-release"),
    row("4 withdrawing without a reason", "operator", A.WITHDRAW_RELEASE, PUBLISHED, PLAN, FORBIDDEN, "say-why"),
    row("4 a gemeente withdraws", "gemeente", A.WITHDRAW_RELEASE, replace(PUBLISHED, reasoned=True), PLAN, NO_PERMIT),
    row("4 an swv sees a release", "swv", A.READ_RELEASE, PUBLISHED, PLAN, PERMIT, "see-published-release"),
    row("4 an swv sees an unpublished one", "swv", A.READ_RELEASE, READY, PLAN, NOT_FOUND, "published-only"),
    row("4 the operator sees it", "operator", A.READ_RELEASE, READY, PLAN, PERMIT, "operator-reviews"),
    row("4 the operator reads the certificate", "operator", A.READ_CERTIFICATE, READY, PLAN, PERMIT, "operator-reviews"),
    row("4 an swv reads the certificate", "swv", A.READ_CERTIFICATE, PUBLISHED, PLAN, PERMIT, "see-published-release"),
    row("4 of an unpublished one", "swv", A.READ_CERTIFICATE, READY, PLAN, NOT_FOUND, "published-only"),
    row("4 a privacy officer reads the certificate", "school's privacy officer", A.READ_CERTIFICATE, PUBLISHED, PLAN, PERMIT, "certificate-for-officers"),
    row("4 the controller's officer too", "minister's privacy officer", A.READ_CERTIFICATE, PUBLISHED, PLAN, PERMIT, "certificate-for-officers"),
    row("4 an officer, unpublished", "school's privacy officer", A.READ_CERTIFICATE, READY, PLAN, NOT_FOUND, "published-only"),
    row("4 a school reads the certificate of an swv", "school", A.READ_CERTIFICATE, PUBLISHED, PLAN, NO_PERMIT),
    row("4 an swv downloads itself", "swv", A.DOWNLOAD_RELEASE, SLICE, PLAN, PERMIT, "download-own-slice"),
    row("4 its program downloads", "swv's program", A.DOWNLOAD_RELEASE, SLICE, PLAN, PERMIT, "download-own-slice"),
    row("4 an swv downloads its sites", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, level="site", area=Area.OWN_SITE), PLAN, PERMIT, "download-own-slice"),
    row("4 an swv downloads the country", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, level="country", area=Area.COUNTRY), PLAN, PERMIT, "download-own-slice"),
    row("4 an swv downloads another swv", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, area=Area.FOREIGN), PLAN, NOT_FOUND, "not-your-area"),
    row("4 an swv downloads a gemeente", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, level="gemeente"), PLAN, NO_PERMIT),
    row("4 an swv downloads a draft", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, published=False), PLAN, NOT_FOUND, "published-only"),
    row("4 an swv downloads what was withdrawn", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, withdrawn=True), PLAN, FORBIDDEN, "withdrawn-stays-withdrawn"),
    row("4 the operator reviews what was withdrawn", "operator", A.DOWNLOAD_RELEASE, replace(SLICE, withdrawn=True), PLAN, PERMIT, "operator-reviews"),
    row("4 the operator reviews a draft of any area", "operator", A.DOWNLOAD_RELEASE, replace(SLICE, published=False, area=Area.FOREIGN), PLAN, PERMIT, "operator-reviews"),
    row("4 the operator wants rows", "operator", A.DOWNLOAD_RELEASE, replace(SLICE, form="rows"), PLAN, FORBIDDEN, "tables-only"),
    row("4 an swv wants rows", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, form="rows"), PLAN, FORBIDDEN, "tables-only"),
    row("4 an swv wants rows of pupils", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, data=frozenset({Data.ABSENCE_ROWS})), PLAN, FORBIDDEN, "swv-no-personal-data", "tables-only"),
    row("4 an swv wants counts unprotected", "swv", A.DOWNLOAD_RELEASE, replace(SLICE, data=frozenset({Data.ABSENCE_COUNTS})), PLAN, FORBIDDEN, "tables-only"),
    row("4 a gemeente downloads as an swv", "gemeente", A.DOWNLOAD_RELEASE, SLICE, PLAN, NO_PERMIT),
    row("4 the swv's privacy officer downloads", "swv's privacy officer", A.DOWNLOAD_RELEASE, SLICE, PLAN, NO_PERMIT),
    row("4 a school downloads from an swv", "school", A.DOWNLOAD_RELEASE, SLICE, PLAN, NO_PERMIT),
    row("4 before the operator's date", "swv", A.DOWNLOAD_RELEASE, SLICE, PLAN, FORBIDDEN, "purpose-only-proposed", day="2026-07-31"),
    row("5 a gemeente downloads itself", "gemeente", A.DOWNLOAD_RELEASE, replace(SLICE, level="gemeente"), "absence-insight-gemeente", PERMIT, "download-own-slice"),
    row("5 a gemeente downloads a site", "gemeente", A.DOWNLOAD_RELEASE, replace(SLICE, level="site", area=Area.OWN_SITE), "absence-insight-gemeente", PERMIT, "download-own-slice"),
    row("5 a gemeente downloads a neighbour", "gemeente", A.DOWNLOAD_RELEASE, replace(SLICE, level="gemeente", area=Area.FOREIGN), "absence-insight-gemeente", NOT_FOUND, "not-your-area"),
    row("5 a gemeente downloads an swv", "gemeente", A.DOWNLOAD_RELEASE, SLICE, "absence-insight-gemeente", NO_PERMIT),
    row("6 the public downloads the country", "public", A.DOWNLOAD_RELEASE, replace(SLICE, level="country", area=Area.COUNTRY), "national-picture", PERMIT, "download-what-is-public"),
    row("6 the public downloads a site", "public", A.DOWNLOAD_RELEASE, replace(SLICE, level="site", area=Area.COUNTRY), "national-picture", NO_PERMIT),
    row("6 the public downloads an area as its own", "public", A.DOWNLOAD_RELEASE, replace(SLICE, level="country", area=Area.OWN), "national-picture", NO_PERMIT),
    row("6 the public sees the release", "public", A.READ_RELEASE, PUBLISHED, "national-picture", PERMIT, "see-published-release"),
    row("6 the minister downloads the country", "minister", A.DOWNLOAD_RELEASE, replace(SLICE, level="country", area=Area.COUNTRY), "national-picture", PERMIT, "download-own-slice", "download-what-is-public"),
    row("6 the minister downloads a site", "minister", A.DOWNLOAD_RELEASE, replace(SLICE, level="site", area=Area.OWN_SITE), "national-picture", NO_PERMIT),
    row("6 a school compares with the country", "school", A.DOWNLOAD_RELEASE, replace(SLICE, level="country", area=Area.COUNTRY), "national-picture", PERMIT, "download-what-is-public"),
    row("12 the inspectorate asks for tables", "inspectorate", A.REQUEST_DATA, case_data(Kind.INSPECTORATE, Data.PROTECTED_TABLES), "inspection", FORBIDDEN, "purpose-undecided", "no-flow-to-inspectorate"),
    row("12 the inspectorate downloads as an swv", "inspectorate", A.DOWNLOAD_RELEASE, SLICE, PLAN, FORBIDDEN, "no-flow-to-inspectorate"),
    row("12 the inspectorate sees a release", "inspectorate", A.READ_RELEASE, PUBLISHED, PLAN, FORBIDDEN, "no-flow-to-inspectorate"),
    row("12 the inspectorate reads a certificate", "inspectorate", A.READ_CERTIFICATE, PUBLISHED, PLAN, FORBIDDEN, "no-flow-to-inspectorate"),
    row("12 what is public is public", "inspectorate", A.DOWNLOAD_RELEASE, replace(SLICE, level="country", area=Area.COUNTRY), "national-picture", PERMIT, "download-what-is-public"),
    row("36 a researcher asks for rows", "researcher", A.REQUEST_DATA, case_data(Kind.RESEARCHER, Data.ABSENCE_ROWS), "research", FORBIDDEN, "purpose-undecided", "no-flow-to-researchers"),
    row("36 a researcher downloads", "researcher", A.DOWNLOAD_RELEASE, SLICE, PLAN, FORBIDDEN, "no-flow-to-researchers"),
    row("36 a researcher sees a release", "researcher", A.READ_RELEASE, PUBLISHED, PLAN, FORBIDDEN, "no-flow-to-researchers"),
    row("36 a researcher reads a certificate", "researcher", A.READ_CERTIFICATE, PUBLISHED, PLAN, FORBIDDEN, "no-flow-to-researchers"),
    row("a province sees a release", "province", A.READ_RELEASE, PUBLISHED, PLAN, FORBIDDEN, "no-flow-to-provinces"),
    row("a province reads a certificate", "province", A.READ_CERTIFICATE, PUBLISHED, PLAN, FORBIDDEN, "no-flow-to-provinces"),
    row("36 what is public is public", "researcher", A.READ_RELEASE, PUBLISHED, "national-picture", PERMIT, "see-published-release"),
    row("a province asks for tables", "province", A.REQUEST_DATA, case_data(Kind.PROVINCE, Data.PROTECTED_TABLES), "provinces", FORBIDDEN, "purpose-refused", "no-flow-to-provinces"),
    row("a province downloads", "province", A.DOWNLOAD_RELEASE, SLICE, PLAN, FORBIDDEN, "no-flow-to-provinces"),
    row("a province and what is public", "province", A.READ_RELEASE, PUBLISHED, "national-picture", PERMIT, "see-published-release"),
    row("13 an swv sends tables to a gemeente through the gateway", "swv", A.SEND_DATA, case_data(Kind.GEMEENTE, Data.PROTECTED_TABLES), PLAN, NO_PERMIT),
]

PUPILS = [
    row("14 a report of absence", "school", A.SEND_DATA, case_data(Kind.ATTENDANCE_OFFICER, NAMED), "reports-to-attendance-officer", FORBIDDEN, "purpose-only-proposed", "outside-this-gateway"),
    row("15 a signal of worrying absence", "school", A.SEND_DATA, case_data(Kind.GEMEENTE, NAMED), "reports-to-attendance-officer", FORBIDDEN, "purpose-only-proposed", "outside-this-gateway"),
    row("16 authorised absence to the attendance officer", "school", A.SEND_DATA, case_data(Kind.ATTENDANCE_OFFICER, ILLNESS_NAMED), "authorised-absence-attendance-officer", FORBIDDEN, "purpose-refused", "health-only-with-consent", "no-named-illness-to-attendance-officer"),
    row("16 asked by the attendance officer", "attendance officer", A.REQUEST_DATA, case_data(Kind.ATTENDANCE_OFFICER, ILLNESS_NAMED), "authorised-absence-attendance-officer", FORBIDDEN, "purpose-refused", "health-only-with-consent", "no-named-illness-to-attendance-officer"),
    row("16 asked by the gemeente", "gemeente", A.REQUEST_DATA, case_data(Kind.GEMEENTE, ILLNESS_NAMED), "absence-insight-gemeente", FORBIDDEN, "health-only-with-consent", "no-named-illness-to-attendance-officer"),
    row("16 unauthorised absence for an open purpose", "attendance officer", A.REQUEST_DATA, case_data(Kind.ATTENDANCE_OFFICER, NAMED), "absence-insight-gemeente", NO_PERMIT),
    row("16 authorised absence to somebody else", "school", A.SEND_DATA, case_data(Kind.DOCTOR, ILLNESS_NAMED), "absence-insight-gemeente", FORBIDDEN, "health-only-with-consent"),
    row("21 a doctor to an swv", "doctor", A.SEND_DATA, case_data(Kind.SWV, MEDICAL), "doctor-to-swv", FORBIDDEN, "purpose-refused", "swv-no-personal-data", "health-only-with-consent"),
    row("24 a doctor to a neighbouring swv", "doctor", A.SEND_DATA, case_data(Kind.SWV, MEDICAL), "doctor-to-swv", FORBIDDEN, "purpose-refused", "swv-no-personal-data", "health-only-with-consent"),
    row("21 a doctor to an swv, other purpose", "doctor", A.SEND_DATA, case_data(Kind.SWV, MEDICAL), "care-with-consent", FORBIDDEN, "swv-no-personal-data", "health-only-with-consent"),
    row("26 an swv asks for named absence", "swv", A.REQUEST_DATA, case_data(Kind.SWV, NAMED), "named-absence-swv", FORBIDDEN, "purpose-refused", "swv-no-personal-data"),
    row("26 an swv asks under its own purpose", "swv", A.REQUEST_DATA, case_data(Kind.SWV, NAMED), PLAN, FORBIDDEN, "swv-no-personal-data"),
    row("26 an swv's supplier asks for it", "supplier of an swv", A.REQUEST_DATA, case_data(Kind.OTHER, NAMED), PLAN, FORBIDDEN, "swv-no-personal-data"),
    row("4 an swv's supplier downloads tables", "supplier of an swv", A.DOWNLOAD_RELEASE, SLICE, PLAN, PERMIT, "download-own-slice"),
    row("26 a school sends named absence to an swv", "school", A.SEND_DATA, case_data(Kind.SWV, NAMED), PLAN, FORBIDDEN, "swv-no-personal-data"),
    row("26 an swv sends what it may not have", "swv", A.SEND_DATA, case_data(Kind.GEMEENTE, NAMED), PLAN, FORBIDDEN, "swv-no-personal-data"),
    row("27 health data without consent to an swv", "swv", A.REQUEST_DATA, case_data(Kind.SWV, MEDICAL, NAMED), "resolution-approach", FORBIDDEN, "purpose-refused", "swv-no-personal-data", "health-only-with-consent"),
    row("27 health data without consent to a gemeente", "gemeente", A.REQUEST_DATA, case_data(Kind.GEMEENTE, MEDICAL), "resolution-approach", FORBIDDEN, "purpose-refused", "health-only-with-consent"),
    row("28 a gemeente sends a case to an swv", "gemeente", A.SEND_DATA, case_data(Kind.SWV, NAMED), "named-absence-swv", FORBIDDEN, "purpose-refused", "swv-no-personal-data"),
]

CARE = "care-with-consent"
CONSENTS = [
    row("19 a school registers a consent", "school", A.REGISTER_CONSENT, CONSENT, CARE, PERMIT, "keep-consent"),
    row("19 on its last possible day", "school", A.REGISTER_CONSENT, replace(CONSENT, until=dt.date(2026, 11, 2)), CARE, PERMIT, "keep-consent"),
    row("19 until 31 July", "school", A.REGISTER_CONSENT, replace(CONSENT, until=dt.date(2027, 7, 31)), CARE, PERMIT, "keep-consent"),
    row("19 until 1 August", "school", A.REGISTER_CONSENT, replace(CONSENT, until=dt.date(2027, 8, 1)), CARE, FORBIDDEN, "consent-ends-with-the-school-year"),
    row("19 already over", "school", A.REGISTER_CONSENT, replace(CONSENT, until=dt.date(2026, 11, 1)), CARE, FORBIDDEN, "consent-ends-with-the-school-year"),
    row("19 incomplete", "school", A.REGISTER_CONSENT, replace(CONSENT, complete=False), CARE, FORBIDDEN, "consent-complete"),
    row("19 for an swv", "school", A.REGISTER_CONSENT, replace(CONSENT, recipient="PO2505", recipient_is=Kind.SWV), CARE, FORBIDDEN, "swv-no-personal-data", "consent-names-a-recipient-of-the-purpose"),
    row("19 for a gemeente", "school", A.REGISTER_CONSENT, replace(CONSENT, recipient="GM0344", recipient_is=Kind.GEMEENTE), CARE, FORBIDDEN, "consent-names-a-recipient-of-the-purpose"),
    row("19 another school registers it", "other school", A.REGISTER_CONSENT, CONSENT, CARE, NOT_FOUND, "consent-of-your-school"),
    row("19 under another purpose", "school", A.REGISTER_CONSENT, CONSENT, "own-school", FORBIDDEN, "consent-names-a-recipient-of-the-purpose"),
    row("19 the school reads it", "school", A.READ_CONSENT, CONSENT, CARE, PERMIT, "keep-consent"),
    row("19 the school's program reads it", "school's program", A.READ_CONSENT, CONSENT, CARE, PERMIT, "keep-consent"),
    row("19 the school's program reads it for another purpose", "school's program", A.READ_CONSENT, CONSENT, "own-school", NO_PERMIT),
    row("19 the named recipient reads it", "youth health care", A.READ_CONSENT, CONSENT, CARE, PERMIT, "named-recipient-knows-consent"),
    row("19 the recipient's program reads it", "youth health care's program", A.READ_CONSENT, CONSENT, CARE, PERMIT, "named-recipient-knows-consent"),
    row("19 the recipient's officer reads it", "youth health care's privacy officer", A.READ_CONSENT, CONSENT, CARE, NO_PERMIT),
    row("19 the named recipient, when only asked or refused", "youth health care", A.READ_CONSENT, replace(CONSENT, given=False), CARE, NOT_FOUND, "consent-known-to-you"),
    row("19 the school reads a refusal", "school", A.READ_CONSENT, replace(CONSENT, given=False), CARE, PERMIT, "keep-consent"),
    row("19 an answer about what was never given", "youth health care", A.ANSWER_NOTICE, replace(CONSENT, given=False), CARE, NOT_FOUND, "notice-to-you"),
    row("19 another recipient reads it", "other youth health care", A.READ_CONSENT, CONSENT, CARE, NOT_FOUND, "consent-known-to-you"),
    row("19 another school reads it", "other school", A.READ_CONSENT, CONSENT, CARE, NOT_FOUND, "consent-known-to-you"),
    row("19 a consent that does not exist", "school", A.READ_CONSENT, Consent(""), CARE, NOT_FOUND, "consent-known-to-you"),
    row("19 the operator reads it", "operator", A.READ_CONSENT, CONSENT, CARE, NOT_FOUND, "consent-known-to-you"),
    row("19 its privacy officer reads it", "school's privacy officer", A.READ_CONSENT, CONSENT, CARE, NO_PERMIT),
    row("19 for a purpose that does not send", "school", A.READ_CONSENT, CONSENT, "accountability", NO_PERMIT),
    row("19 the school withdraws it", "school", A.WITHDRAW_CONSENT, CONSENT, CARE, PERMIT, "keep-consent"),
    row("19 another school withdraws it", "other school", A.WITHDRAW_CONSENT, CONSENT, CARE, NOT_FOUND, "consent-of-your-school"),
    row("19 the recipient withdraws it", "youth health care", A.WITHDRAW_CONSENT, CONSENT, CARE, NOT_FOUND, "consent-of-your-school"),
    row("19 the recipient answers a notice", "youth health care", A.ANSWER_NOTICE, CONSENT, CARE, PERMIT, "named-recipient-knows-consent"),
    row("19 somebody else answers it", "other youth health care", A.ANSWER_NOTICE, CONSENT, CARE, NOT_FOUND, "notice-to-you"),
    row("19 the school answers it", "school", A.ANSWER_NOTICE, CONSENT, CARE, NOT_FOUND, "notice-to-you"),
    row("19 a recipient that the purpose does not name", "gemeente", A.ANSWER_NOTICE, replace(CONSENT, recipient="GM0344"), CARE, NO_PERMIT),
    row("19 a record under consent", "school", A.SUBMIT_CONSENTED_RECORD, RECORD, CARE, PERMIT, "send-consented-record"),
    row("19 by the school's program", "school's program", A.SUBMIT_CONSENTED_RECORD, RECORD, CARE, PERMIT, "send-consented-record"),
    row("19 on the first day", "school", A.SUBMIT_CONSENTED_RECORD, RECORD, CARE, PERMIT, "send-consented-record", day="2026-09-01"),
    row("19 the day before", "school", A.SUBMIT_CONSENTED_RECORD, RECORD, CARE, FORBIDDEN, "consent-must-hold", day="2026-08-31"),
    row("19 on the last day", "school", A.SUBMIT_CONSENTED_RECORD, RECORD, CARE, PERMIT, "send-consented-record", day="2027-03-01"),
    row("19 the day after", "school", A.SUBMIT_CONSENTED_RECORD, RECORD, CARE, FORBIDDEN, "consent-must-hold", day="2027-03-02"),
    row("19 withdrawn", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, consent_state="withdrawn"), CARE, FORBIDDEN, "consent-must-hold"),
    row("19 not confirmed by the pupil who turned 16", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, consent_state="unconfirmed"), CARE, FORBIDDEN, "consent-must-hold"),
    row("19 narrowed", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, consent_scope=frozenset({Data.CASE_REFERENCE})), CARE, FORBIDDEN, "consent-must-hold"),
    row("19 for another recipient than consented", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, recipient="ORG-JGZ2"), CARE, FORBIDDEN, "consent-must-hold"),
    row("19 under another school's consent", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, consent_party=OTHER_SITE.code), CARE, NOT_FOUND, "record-under-your-consent"),
    row("19 without any consent", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, consent_party="", consent_state="none"), CARE, NOT_FOUND, "record-under-your-consent"),
    row("19 by another school", "other school", A.SUBMIT_CONSENTED_RECORD, RECORD, CARE, NOT_FOUND, "record-under-your-consent"),
    row("19 unsealed", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, sealed=False), CARE, FORBIDDEN, "case-reference-sealed"),
    row("19 medical facts", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, data=RECORD.data | {MEDICAL}, consent_scope=RECORD.data | {MEDICAL}), CARE, FORBIDDEN, "consented-data-of-this-purpose"),
    row("19 to a gemeente that consent names", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, recipient="GM0344", recipient_is=Kind.GEMEENTE, consent_recipient="GM0344"), CARE, FORBIDDEN, "consented-data-of-this-purpose"),
    row("26 to an swv that consent names", "school", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, recipient="PO2505", recipient_is=Kind.SWV, consent_recipient="PO2505"), CARE, FORBIDDEN, "swv-no-personal-data", "consented-data-of-this-purpose"),
    row("19 its privacy officer sends it", "school's privacy officer", A.SUBMIT_CONSENTED_RECORD, RECORD, CARE, NO_PERMIT),
    row("19 a gemeente sends a record", "gemeente's program", A.SUBMIT_CONSENTED_RECORD, replace(RECORD, party="GM0344", consent_party="GM0344"), CARE, NO_PERMIT),
    row("19 the recipient's program reads the record", "youth health care's program", A.READ_CONSENTED_RECORD, RECORD, CARE, PERMIT, "receive-consented-record"),
    row("19 the recipient's officer reads the record", "youth health care's privacy officer", A.READ_CONSENTED_RECORD, RECORD, CARE, NO_PERMIT),
    row("19 a gemeente whose code a record bears", "gemeente", A.READ_CONSENTED_RECORD, replace(RECORD, recipient="GM0344", consent_recipient="GM0344"), CARE, NO_PERMIT),
    row("19 under another purpose", "school", A.SUBMIT_CONSENTED_RECORD, RECORD, "statutory-counts", FORBIDDEN, "consented-data-of-this-purpose"),
    row("19 the recipient reads it", "youth health care", A.READ_CONSENTED_RECORD, RECORD, CARE, PERMIT, "receive-consented-record"),
    row("19 the recipient, after withdrawal", "youth health care", A.READ_CONSENTED_RECORD, replace(RECORD, consent_state="withdrawn"), CARE, FORBIDDEN, "consent-must-hold"),
    row("19 the recipient, after the last day", "youth health care", A.READ_CONSENTED_RECORD, RECORD, CARE, FORBIDDEN, "consent-must-hold", day="2027-03-02"),
    row("19 another recipient", "other youth health care", A.READ_CONSENTED_RECORD, RECORD, CARE, NOT_FOUND, "record-for-you"),
    row("19 the school reads back what it sent", "school", A.READ_CONSENTED_RECORD, RECORD, CARE, NOT_FOUND, "record-for-you"),
    row("19 the operator reads it", "operator", A.READ_CONSENTED_RECORD, RECORD, CARE, NOT_FOUND, "record-for-you"),
    row("26 an swv that a record names", "swv", A.READ_CONSENTED_RECORD, replace(RECORD, recipient="PO2505", recipient_is=Kind.SWV, consent_recipient="PO2505"), CARE, FORBIDDEN, "swv-no-personal-data", "consented-data-of-this-purpose"),
    row("19 the recipient's privacy officer", "swv's privacy officer", A.READ_CONSENTED_RECORD, RECORD, CARE, NOT_FOUND, "record-for-you"),
    row("19 before the purpose", "youth health care", A.READ_CONSENTED_RECORD, replace(RECORD, consent_from=dt.date(2025, 1, 1)), CARE, FORBIDDEN, "purpose-out-of-date", day="2025-07-31"),
]

ACCOUNT, RUN = "accountability", "operation"
OFFICE = [
    row("39 a school asks for a parent", "school", A.REQUEST_ACCESS, RECORDS, ACCOUNT, PERMIT, "ask-for-a-parent"),
    row("39 its privacy officer asks", "school's privacy officer", A.REQUEST_ACCESS, RECORDS, ACCOUNT, PERMIT, "ask-for-a-parent"),
    row("39 the controller's officer asks", "minister's privacy officer", A.REQUEST_ACCESS, RECORDS, ACCOUNT, PERMIT, "ask-as-controller"),
    row("39 another school asks", "other school", A.REQUEST_ACCESS, RECORDS, ACCOUNT, NOT_FOUND, "not-your-records"),
    row("39 a program asks", "school's program", A.REQUEST_ACCESS, RECORDS, ACCOUNT, NO_PERMIT),
    row("39 the operator asks", "operator", A.REQUEST_ACCESS, RECORDS, ACCOUNT, NOT_FOUND, "not-your-records"),
    *(
        row(f"{action.value}: {who}", who, action, thing, ACCOUNT, decision, *rules)
        for action in (A.READ_AUDIT, A.EXPORT_AUDIT, A.REVIEW_AUDIT)
        for who, thing, decision, *rules in (
            ("school's privacy officer", RECORDS, PERMIT, "check-own-trail"),
            ("swv's privacy officer", RECORDS, NOT_FOUND, "not-your-records"),
            ("school's privacy officer", EVERYBODY, NOT_FOUND, "not-your-records"),
            ("minister's privacy officer", EVERYBODY, PERMIT, "check-every-trail"),
            ("minister's privacy officer", RECORDS, PERMIT, "check-every-trail"),
            ("operator's controller officer", EVERYBODY, PERMIT, "check-every-trail"),
            ("school posing as controller's officer", EVERYBODY, FORBIDDEN, "role-fits-party"),
            ("school", RECORDS, NO_PERMIT),
            ("operator", EVERYBODY, NOT_FOUND, "not-your-records"),
        )
    ),
    row("the register is public", "public", A.READ_REGISTER_OF_PROCESSING, INSTALLATION, ACCOUNT, PERMIT, "register-is-public"),
    row("a board asks about a made-up case", "board", A.ASK_DECISION, MADE_UP, ACCOUNT, PERMIT, "ask-about-yourself"),
    row("asking about a made-up case", "swv", A.ASK_DECISION, MADE_UP, ACCOUNT, PERMIT, "ask-about-yourself"),
    row("asking about oneself", "swv", A.ASK_DECISION, Hypothesis("PO2505"), ACCOUNT, PERMIT, "ask-about-yourself"),
    row("asking about another", "swv", A.ASK_DECISION, Hypothesis("00AB00"), ACCOUNT, NOT_FOUND, "not-about-another"),
    *(
        row(f"{action.value}: {who}", who, action, INSTALLATION, RUN, decision, *rules)
        for action in (A.MANAGE_REGISTER, A.MANAGE_PERIODS, A.MANAGE_KEYS, A.MANAGE_ACCESS, A.RUN_RETENTION)
        for who, decision, *rules in (
            ("operator", PERMIT, "operator-manages"),
            ("school", NO_PERMIT),
            ("swv", NO_PERMIT),
            ("minister's privacy officer", NO_PERMIT),
            ("school posing as operator", FORBIDDEN, "role-fits-party"),
        )
    ),
    *(
        row(f"{action.value}: a program", "operator's program", action, INSTALLATION, RUN, NO_PERMIT)
        for action in (A.MANAGE_REGISTER, A.MANAGE_PERIODS, A.MANAGE_KEYS, A.MANAGE_ACCESS)
    ),
    row("retention runs by itself", "operator's program", A.RUN_RETENTION, INSTALLATION, RUN, PERMIT, "retention-runs-by-itself"),
    row("a school's program runs retention", "school's program", A.RUN_RETENTION, INSTALLATION, RUN, NO_PERMIT),
    row("opening a real period, one operator", "operator", A.MANAGE_PERIODS, INSTALLATION, RUN, FORBIDDEN, "no-real-period-with-one-operator", setup=Setup()),
    row("opening a real period, accepted", "operator", A.MANAGE_PERIODS, INSTALLATION, RUN, PERMIT, "operator-manages", setup=Setup(unsafe_single_operator=True)),
    row("opening an exercise, one operator", "operator", A.MANAGE_PERIODS, EXERCISE, RUN, PERMIT, "operator-manages", setup=Setup()),
    row("opening a period, and learning nothing", "school", A.MANAGE_PERIODS, EXERCISE, RUN, NO_PERMIT, setup=Setup()),
]

CASES = [*DELIVERIES, *RELEASES, *PUPILS, *CONSENTS, *OFFICE]

# Flows of the map that never reach this gateway, and why there is no case.
ELSEWHERE = {
    2: "text in the school guide, no data",
    17: "an anonymous talk between people",
    18: "between the attendance officer and others",
    20: "parents to the gemeente",
    22: "an anonymous question, put outside the gateway",
    23: "the partnership's advice to the doctor, on paper",
    25: "a talk",
    29: "education and youth care, own systems",
    30: "the gemeente's yearly count, its own channel",
    31: "the minister's letter to parliament",
    32: "the gemeente to its own council",
    37: "border pupils: no flow",
    38: "reports under other acts",
}
BESIDE = {8: 3, 9: 3}  # shares and subdivisions are part of the tables of flow 3
