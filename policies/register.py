"""The register of processing (AVG art. 30) and the pages beside it, made from the files in force and never by hand.

A document is JSON: controller's and processor's register, risks and measures with measured figures, what parents should
know, and the open questions of law. It carries its day, the version of the policies and a hash; two can be compared.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from policies.decision import Decision, Deny, Permit
from policies.dpia import Measured
from policies.errors import PolicyError
from policies.law import Law
from policies.purpose import NEVER, Purpose, Status
from policies.render import rule_sentence
from policies.sources import Citation, Text

Json = Mapping[str, object]


def register_document(
    law: Law, *, on: dt.date, standing: Mapping[str, Decision], measured: Iterable[Measured] = (), commit: str = ""
) -> Json:
    """The whole document for one day.

    Args:
        law: what was loaded.
        on: the day it is about.
        standing: for each purpose what the engine says about that day (`Engine.standing`).
        measured: figures that were measured; a measure without one says so.
        commit: revision of the source tree, where known.

    Raises:
        PolicyError: a figure belongs to no measure.
    """
    figures = tuple(measured)
    if strangers := {figure.measure for figure in figures} - set(law.assessment.measures):
        raise PolicyError(f"no measure {', '.join(sorted(strangers))}: dpia.toml lists them")
    working = [p for p in law.purposes.values() if isinstance(standing[p.id], Permit)]
    idle = [(p, no) for p in law.purposes.values() if isinstance(no := standing[p.id], Deny)]
    body: Json = {
        "document": "register-of-processing",
        "on": on.isoformat(),
        "policy": {"id": law.version.id, "sha256": law.version.sha256},
        "commit": commit,
        "controller": [_entry(purpose, law) for purpose in working],
        "processor": [_processor_entry(purpose, law) for purpose in working if purpose.processor],
        "switched_off": [{**_entry(purpose, law), "why": [_said(text) for text in no.why]} for purpose, no in idle],
        "assessment": _assessment(law, figures),
        "rules": [_rule(law, rule) for rule in law.rules],
        "open_questions": _open_questions(law),
    }
    return {**body, "sha256": digest(body)}


def digest(document: Json) -> str:
    """SHA-256 of a document in canonical form, its own hash left out."""
    body = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _said(text: Text | None) -> Json | None:
    return None if text is None else {"nl": text.nl, "en": text.en}


def _words(law: Law, codes: Iterable[str]) -> list[Json | None]:
    return [_said(law.vocabulary.value(str(code))) for code in sorted(codes)]


def _entry(purpose: Purpose, law: Law) -> Json:
    """Art. 30(1)(a) to (g); what else the purpose file says comes with it, so that a change of it can be told."""
    word = law.in_force.get(purpose.id)
    return {
        "id": purpose.id,
        "purpose": _said(purpose.title),
        "plain": _said(purpose.plain),
        "status": purpose.status.value,
        "in_force_by": None if word is None else {"from": word.from_date.isoformat(), "citation": word.citation},
        "valid_from": purpose.valid_from.isoformat(),
        "valid_until": None if purpose.valid_until == NEVER else purpose.valid_until.isoformat(),
        "controller": _said(purpose.controller),
        "processor": _said(purpose.processor),
        "data_subjects": _said(purpose.data_subjects),
        "data": _words(law, purpose.data),
        "special_category": any(category.health for category in purpose.data) or "illness_counts" in purpose.data,
        "senders": _words(law, purpose.senders),
        "recipients": _words(law, purpose.recipients),
        "third_countries": [],
        "collections": sorted(purpose.collections),
        "flows": list(purpose.flows),
        "retention": _retention(purpose),
        "four_eyes": {"approvals": purpose.four_eyes.approvals, "blind": purpose.four_eyes.blind},
        "release": _release(purpose),
        "show": [line.model_dump(mode="json") for line in purpose.release.show] if purpose.release else [],
        "noise": _noise(purpose),
        "legal_basis": [_citation(cited, law) for cited in purpose.legal_basis],
    }


def _processor_entry(purpose: Purpose, law: Law) -> Json:
    """Art. 30(2): what is processed on whose behalf."""
    return {
        "id": purpose.id,
        "processor": _said(purpose.processor),
        "on_behalf_of": _said(purpose.controller),
        "processing": _said(purpose.title),
        "data": _words(law, purpose.data),
        "third_countries": [],
    }


def _retention(purpose: Purpose) -> Json | None:
    kept = purpose.retention
    return None if kept is None else {"days": kept.days, "after": kept.after, "decided_by": _said(kept.decided_by)}


def _release(purpose: Purpose) -> Json | None:
    release = purpose.release
    if release is None:
        return None
    return {
        "minimum": release.minimum,
        "min_denominator": release.min_denominator,
        "levels": sorted(release.levels),
        "methods": dict(sorted(release.methods.items())),
        "approvals": purpose.four_eyes.approvals,
    }


def _noise(purpose: Purpose) -> Json | None:
    noise = purpose.release and purpose.release.noise
    return None if noise is None else noise.model_dump(mode="json")


def _citation(cited: Citation, law: Law) -> Json:
    source = law.purposes.sources[cited.source]
    return {
        "article": _said(cited.article),
        "source": _said(source.title),
        "kind": source.kind,
        "paragraph": cited.paragraph,
        "url": source.url,
    }


def _assessment(law: Law, figures: Sequence[Measured]) -> Json:
    """Art. 35(7)(c) and (d): risks, measures, and what was measured of them."""
    measures = law.assessment.measures
    return {
        "risks": [
            {"id": key, "risk": _said(risk.text), "measures": list(risk.measures)}
            for key, risk in law.assessment.risks.items()
        ],
        "measures": [
            {
                "id": key,
                "measure": _said(measure.text),
                "rules": list(measure.rules),
                "figure": _said(measure.measured),
                "measured": [
                    {"value": f.value, "at": f.at.isoformat(timespec="seconds"), "evidence": f.evidence}
                    for f in figures
                    if f.measure == key
                ],
            }
            for key, measure in measures.items()
        ],
    }


def _rule(law: Law, key: str) -> Json:
    rule = law.rules[key]
    source, _, paragraph = rule.annotations["source"].partition(" par. ")
    return {
        "id": rule.id,
        "effect": rule.effect,
        "status": rule.annotations["status"],
        "explanation": _said(rule.explanation),
        "sentence": _said(rule_sentence(rule, law.vocabulary)),
        "legal_basis": rule.legal_basis.nl,
        "legal_basis_en": rule.legal_basis.en,
        "source": _said(law.purposes.sources[source].title),
        "paragraph": paragraph or None,
        "where": f"{rule.file}:{rule.line}",
    }


def _open_questions(law: Law) -> list[Json]:
    """What the law leaves undecided, and what only the operator's word made law."""
    rules = [rule for rule in law.rules.values() if rule.annotations["status"] == Status.UNDECIDED]
    return [
        *(
            {"id": purpose.id, "question": _said(purpose.title), "why": _said(purpose.reason)}
            for purpose in law.purposes.values()
            if purpose.status is Status.UNDECIDED
        ),
        *({"id": rule.id, "question": _said(rule.explanation), "why": None} for rule in rules),
        *(
            {"id": key, "question": _said(law.purposes[key].title), "why": {"nl": word.citation, "en": word.citation}}
            for key, word in sorted(law.in_force.items())
        ),
    ]
