"""Consents that end without anybody withdrawing them."""

from dataclasses import replace

from gateway.consent_ends import expire
from gateway.consented import Sent, read_all, send
from gateway.consents import PURPOSE, Standing, append, ask, load
from gateway.context import Gateway
from gateway.notices import answer_notice, notices_of
from gateway.outcome import Refused
from policies.consent import Giver, Withdrawn
from policies.engine import Engine
from policies.purpose import Purposes
from policies.withdrawal import Answer

from .conftest import NOW, World
from .test_consents import HOURS, care, given, sealed, terms


def over(gateway: Gateway) -> Gateway:
    """The same gateway, whose law ended the purpose the day before."""
    law, engine = gateway.law, gateway.engine
    known = law.purposes.by_id
    ended = known[PURPOSE].model_copy(update={"valid_until": gateway.today})
    purposes = Purposes({**known, PURPOSE: ended}, law.purposes.sources)
    return replace(gateway, engine=Engine(replace(law, purposes=purposes), engine._schema))


def test_a_consent_is_withdrawn_after_its_purpose_ended(world: World) -> None:
    """Nothing is passed on under it any more, and whoever gave it can still take it back."""
    care(world)
    standing, later = given(world), over(world.gateway)
    assert isinstance(send(later, world.site(0), standing.id, sealed(), HOURS), Refused)
    ended = append(later, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    assert isinstance(ended, Standing)
    assert ended.state.closed


def test_a_consent_ends_with_its_purpose(world: World) -> None:
    """Once, with its records and key and a notice that can be answered; a question waits for its own last day."""
    recipient, standing = care(world), given(world)
    assert isinstance(send(world.gateway, world.site(0), standing.id, sealed(), HOURS), Sent)
    asked, later = ask(world.gateway, world.site(0), terms()), over(world.gateway)
    assert isinstance(asked, Standing)
    assert (expire(later), expire(later)) == (1, 0)
    assert [event.event for event in load(later, standing.id).events] == ["asked", "given", "narrowed", "expired"]
    assert len(notices_of(later, recipient)) == 1
    assert isinstance(answer_notice(later, recipient, standing.id, Answer(at=NOW, outcome="erased")), Standing)
    assert (read_all(world.gateway, recipient), load(later, asked.id).state.closed) == ([], False)
