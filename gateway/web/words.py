"""How pages say things: dates, numbers, codes and faults in a person's language."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from markupsafe import Markup, escape

from gateway.messages import CONSENT, Language, catalogue, named, rule_text, text
from gateway.outcome import Fault
from policies.days import LOCAL, moment_of
from policies.sources import Sources

_MONTHS: Mapping[Language, tuple[str, ...]] = {
    "nl": ("januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober",
           "november", "december"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
}  # fmt: skip
_CODE = re.compile(r"(≥ )?([a-z0-9_]+)")
_LINK = re.compile(r"\[([^\]]+)\]\((\w+)\)")
_SOMEWHERE = "<somewhere>"
_PLACE = re.compile(f":? {_SOMEWHERE}")
NOTHING = "–"
_DAYS_A_YEAR = 365.25
_FROM_YEARS = 2


def day(value: date | str | None, language: Language) -> str:
    """A day in words: `1 december 2026`; a document has it as `2026-12-01`."""
    value = date.fromisoformat(value) if isinstance(value, str) else value
    return NOTHING if value is None else f"{value.day} {_MONTHS[language][value.month - 1]} {value.year}"


def moment(at: datetime | None, language: Language) -> str:
    """A moment in words, Europe/Amsterdam."""
    if at is None:
        return NOTHING
    local = at.astimezone(LOCAL)
    return f"{day(local.date(), language)} {local:%H:%M}"


def logged_at(fields: Mapping[str, object]) -> datetime:
    """When an entry of the log was made; the beginning of 1970 for one that does not say."""
    stamp = fields.get("ts")
    return moment_of(stamp if isinstance(stamp, int) else 0)


def kept(days: int, after: str, language: Language) -> str:
    """How long something is kept: in days, or in years from two years up."""
    if days == 0:
        return text("pages", "kept.none", language, after=text("pages", f"after.{after}", language))
    years = round(days / _DAYS_A_YEAR)
    unit, count = ("years", years) if years >= _FROM_YEARS else ("days", days)
    return text("pages", f"kept.{unit}", language, count=str(count), after=text("pages", f"after.{after}", language))


def titled(family: str, name: str, language: Language) -> str:
    """A name that another room chose, in words where we have them."""
    key = f"{family}.{name}"
    return text("pages", key, language) if key in catalogue("pages") else name


def short(code: str, language: Language) -> str:
    """A code in a word or two, for the head of a column."""
    found = titled("short", code, language)
    return found if found != code else named(code, language)


def fault_text(fault: Fault, language: Language) -> str:
    """What is wrong and how to mend it; the codes that place it in words."""

    def said(found: re.Match[str]) -> str:
        return _from(found[2], language) if found[1] else short(found[2], language)

    where = _CODE.sub(said, fault.where).replace(">", text("pages", "sign.more", language))
    return rule_text(replace(fault, where=where), language)


def _from(band: str, language: Language) -> str:
    """A band and all above it: by its lower bound where we have words, which belongs to the band below."""
    bound = titled("sign", band, language)
    return bound if bound != band else text("pages", "sign.from", language, band=band)


def rule_in_general(rule: str, language: Language) -> str:
    """What a rule of files asks, without the place where one file broke it; empty for what is no such rule."""
    known = rule in catalogue("rules") or rule.startswith(CONSENT)
    return _PLACE.sub("", rule_text(Fault(rule, column="…", where=_SOMEWHERE), language)) if known else ""


def cited(reference: str, sources: Sources, language: Language) -> str:
    """A reference of the log in words: the title of the document, and the place in it."""
    key, _, place = reference.partition(" par. ")
    title = str(getattr(sources[key].title, language)) if key in sources else key
    return f"{title}, {place}" if place else title


def plainly(value: object, language: Language) -> str:
    """A value of the register in words: a text of both languages in one of them, lists and objects part by part."""
    if isinstance(value, Mapping):
        if value.keys() == {"nl", "en"}:
            return str(value[language])
        return "; ".join(f"{name}: {plainly(each, language)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(plainly(each, language) for each in value) or NOTHING
    return NOTHING if value is None else str(value)


def filled(template: str, facts: Mapping[str, object]) -> str:
    """A text with its facts; the code of a period in it is never broken over two lines."""
    if "period" not in facts:
        return template.format(**facts)
    whole = Markup('<span class="whole">{}</span>').format(facts["period"])
    return escape(template).format(**{**facts, "period": whole})


def linked(template: str, links: Mapping[str, str]) -> Markup:
    """A text with `[words](name)` as links; everything else is escaped."""
    made, end = Markup(), 0
    for found in _LINK.finditer(template):
        made += template[end : found.start()]
        made += Markup('<a href="{}">{}</a>').format(links[found[2]], found[1])
        end = found.end()
    return made + template[end:]
