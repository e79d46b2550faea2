"""What a correction replaced, what was withdrawn, and a period that was corrected: pages say how it stands."""

from datetime import timedelta

from gateway.messages import text
from gateway.periods import find_period
from gateway.store import Period, ReleaseState
from gateway.web.sheets import published as listed
from tests.web.conftest import OPEN_PERIOD, PERIOD, TABLE, Stage, csrf, published

GONE = "f" * 32


def test_a_period_that_was_corrected_says_that_nothing_more_can_be_built(stage: Stage, correction: str) -> None:
    """The operator is offered no build, reads so where a late school is let in, and hears it who asks all the same."""
    address = f"/operator/periods/{TABLE}/{PERIOD}"
    with stage.client("builder") as operator:
        shown = operator.get(address).text
        form = {"csrf": csrf(shown), "act": "build"}
        refused = operator.post(address, data=form, headers={"Origin": stage.url})
    assert f"/operator/releases/{correction}" in shown
    assert 'value="build"' not in shown
    assert "komt in geen uitlevering meer" in shown
    assert (refused.status_code, "Deze periode is al verbeterd" in refused.text) == (409, True)


def test_a_corrected_table_says_so_and_the_newest_is_of_the_newest_period(stage: Stage, correction: str) -> None:
    """Both pages of what was corrected lead to what holds; a late correction is not the newest national picture."""
    with stage.client() as public, stage.client("swv") as swv:
        for client, page in ((public, "/national?release="), (swv, "/releases/")):
            assert f'Gebruik <a href="{page}{correction}">' in client.get(f"{page}{stage.release}").text
            assert "is verbeterd" not in client.get(f"{page}{correction}").text
        assert f"/national?release={stage.release}" not in public.get(f"/national?release={correction}").text
        assert "is verbeterd" in swv.get("/releases").text
    with stage.gateway.reading() as session:
        period = find_period(session, TABLE, OPEN_PERIOD)
        assert period is not None
    with published(stage, "d" * 32, period_id=period.id, later=timedelta(hours=1)):
        assert [each.release.id for each in listed(stage.gateway, None)] == ["d" * 32, correction, stage.release]


def test_a_table_whose_correction_was_withdrawn_says_so(stage: Stage) -> None:
    """It is out again: its pages say of both what became of them, and promise no other correction."""
    told = {"corrects": stage.release, "state": ReleaseState.WITHDRAWN}
    with published(stage, "c" * 32, later=timedelta(hours=2), **told), stage.client("swv") as swv:
        every, first = swv.get("/releases").text, swv.get(f"/releases/{stage.release}").text
    assert [page.count("De verbetering van deze tabel is ingetrokken") for page in (every, first)] == [1, 1]
    assert "Een verbeterde komt niet meer" in every
    assert "dan staat die hier" not in every


def test_a_table_whose_term_is_over_is_not_told_as_withdrawn(stage: Stage) -> None:
    """Its page and the interface say that it was erased in time, and of what it corrected that nothing was undone."""
    told = {"corrects": stage.release, "state": ReleaseState.WITHDRAWN, "failure": "expired"}
    with published(stage, GONE, later=timedelta(hours=2), **told), stage.client("swv") as swv:
        shown, listed_too = swv.get("/releases").text, swv.get("/v1/releases").json()
    words = [text("pages", f"releases.{each}", "nl") for each in ("expired", "withdrawn")]
    assert [*(each in shown for each in words), "is ingetrokken" in shown] == [True, False, False]
    assert {each["id"]: each["expired"] for each in listed_too} == {GONE: True, stage.release: False}


def test_a_filter_stays_on_the_table_it_was_set_on(stage: Stage, correction: str) -> None:
    """Whoever looks at an older national table and filters it gets lines of that table."""
    with stage.client() as public:
        shown = public.get("/national", params={"release": stage.release}).text
        assert f'name="release" value="{stage.release}"' in shown
        assert 'name="release"' not in public.get("/national").text


def test_an_unknown_release_is_not_told_as_no_release(stage: Stage) -> None:
    """There is a national table, but not that one: 404, and the way to the newest."""
    with stage.client() as public:
        answer = public.get("/national", params={"release": GONE})
    assert answer.status_code == 404
    assert "of bestaat niet" in answer.text
    assert "nu geen landelijke tabel" not in answer.text
    assert 'href="/national"' in answer.text.split("<h1>")[1]


def test_an_exercise_beside_a_real_period_is_marked_and_frames_no_page(stage: Stage) -> None:
    """Over real figures no page says that everything is invented; the exercise among them says so itself."""
    frame, tag = text("pages", "notice.exercise", "nl"), f">{text('pages', 'notice.exercise.short', 'nl')}<"
    with stage.gateway.writing() as session:
        period = find_period(session, TABLE, OPEN_PERIOD)
        assert period is not None
        period.exercise, period_id = False, period.id
    with published(stage, GONE, period_id=period_id, later=timedelta(hours=1)), stage.client("swv") as swv:
        pages = [swv.get(address).text for address in ("/releases/trend", "/national")]
    with stage.gateway.writing() as session:
        session.get_one(Period, period_id).exercise = True
    assert [(frame in page, page.count(tag)) for page in pages] == [(False, 2), (False, 1)]
