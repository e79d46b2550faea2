"""The API as a client sees it: real HTTP, problems with a way out, and the same headers on every answer."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from audit.quorum import parse_policy
from audit.receipt import Verdict, verify_receipt
from gateway.formats.sheet import MAX_BYTES
from gateway.http.edge import API_VERSION
from gateway.messages import LANGUAGES, catalogue
from gateway.oversight import policy_text

from .conftest import Site


def about(site: Site, index: int = 0, **changes: str) -> dict[str, str]:
    return site.world.about(index) | changes


def test_a_school_delivers_confirms_and_keeps_a_proven_receipt(site: Site) -> None:
    """201 with own counts, 200 on confirmation, and within a second a receipt that verifies offline."""
    body = site.world.counts(0)
    with site.client(site.world.region.sites[0].code) as http:
        made = http.post("/v1/submissions", params=about(site), content=body)
        assert made.status_code == 201
        link = made.headers["location"]
        confirmed = http.post(f"{link}/confirmation")
        assert (confirmed.status_code, confirmed.json()["state"]) == (200, "confirmed")
        receipt = http.get(f"{link}/receipt")
        while receipt.status_code == 503:
            receipt = http.get(f"{link}/receipt")
    policy = parse_policy(policy_text(site.world.gateway))
    assert verify_receipt(receipt.text, policy, body).verdict is Verdict.PROVEN
    assert sum(row["pupils"] for row in made.json()["counts"] if row["kind"] == "all") > 0


def test_faults_come_as_a_problem_in_the_callers_language(site: Site) -> None:
    """400 with every fault at its place, in Dutch by default and in English when asked."""
    body = site.world.counts(0).replace(b"upto5", b"lt5", 1)
    with site.client(site.world.region.sites[0].code) as http:
        answers = {
            lang: http.post("/v1/submissions", params=about(site), content=body, headers={"Accept-Language": lang})
            for lang in LANGUAGES
        }
    for lang, answer in answers.items():
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["content-language"] == lang
        assert answer.json()["errors"][0].keys() == {"row", "column", "rule", "message"}
    assert answers["nl"].json()["title"] != answers["en"].json()["title"]


def test_the_same_key_gives_the_same_answer(site: Site) -> None:
    """A repeated Idempotency-Key answers 200 with the same receipt; with other bytes 409."""
    with site.client(site.world.region.sites[0].code) as http:
        send = [
            http.post("/v1/submissions", params=about(site), content=body, headers={"Idempotency-Key": "k"})
            for body in (site.world.counts(0), site.world.counts(0), site.world.counts(0, period=2))
        ]
    assert [answer.status_code for answer in send] == [201, 200, 409]
    assert send[0].json()["receipt"] == send[1].json()["receipt"]


def test_a_dry_run_stores_nothing(site: Site) -> None:
    """`dryRun=true` answers 200 and leaves no submission."""
    with site.client(site.world.region.sites[0].code) as http:
        checked = http.post("/v1/submissions", params=about(site, dryRun="true"), content=site.world.counts(0))
        assert (checked.status_code, http.get("/v1/submissions").json()) == (200, [])


@pytest.mark.parametrize(
    ("path", "method", "token", "status"),
    [
        ("/v1/submissions", "GET", None, 401),
        ("/v1/submissions", "GET", "vp_x", 401),
        ("/v1/submissions/0", "GET", "own", 404),
        ("/v1/nothing", "GET", None, 404),
        ("/v1", "GET", None, 404),
        ("/v1/purposes", "POST", None, 405),
        ("/v1/submissions", "POST", "own", 400),
        ("/v1/releases/0/table", "GET", None, 404),
        ("/v1/audit/proofs/inclusion?leaf=x", "GET", None, 400),
        (f"/v1/audit/checkpoint?log={10**20}", "GET", None, 400),
        (f"/v1/audit/proofs/consistency?old=1&new={10**20}", "GET", None, 400),
        (f"/v1/audit/tiles/{10**20}/0/000", "GET", None, 400),
    ],
)
def test_refusals_are_problems(site: Site, path: str, method: str, token: str | None, status: int) -> None:
    """Every refusal is problem+json with type, title, status and detail; 401 and 405 keep their own headers."""
    with site.client(site.world.region.sites[0].code if token == "own" else None) as http:
        headers = {"Authorization": f"Bearer {token}"} if token and token != "own" else {}
        answer = http.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= answer.json().keys()
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert ("allow" in answer.headers) is (status == 405)


def test_a_report_lists_the_rules_of_its_form_only(site: Site) -> None:
    """Counts were not held against the rules of records, nor against those of the register."""
    with site.client(site.world.region.sites[0].code) as http:
        made = http.post("/v1/submissions", params=about(site), content=site.world.counts(0))
        rules = http.get(f"{made.headers['location']}/report").json()["rules"]
    assert {"COLUMN-MISSING", "COUNT-TOTAL"} <= set(rules)
    assert not {"HOURS-SUM", "PSEUDONYM-FORM", "OIN"} & set(rules)


@pytest.mark.parametrize("body", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\x89PNG\r\n\x1a\n\0\x8d", b"%PDF-1.7\n1 0 obj"])
def test_a_file_of_another_kind_is_415(site: Site, body: bytes) -> None:
    """A picture or a PDF is told by its content; a readable file with faults stays 400."""
    with site.client(site.world.region.sites[0].code) as http:
        answers = [http.post("/v1/submissions", params=about(site), content=each) for each in (body, b"x;y\n")]
    assert [each.status_code for each in answers] == [415, 400]
    assert answers[0].json()["type"] == "/problems/unsupported-media"


@pytest.mark.parametrize(
    "path", ["/v1/decisions", "/v1/access-requests", "/v1/consents", "/v1/releases", "/v1/releases/x/withdrawal"]
)
def test_a_key_that_was_sent_is_not_repeated(site: Site, path: str) -> None:
    """What is wrong is said by place and code; a pupil's number that was used as a key stays out of the answer."""
    with site.client(site.world.region.sites[0].code) as http:
        answer = http.post(path, json={"naam 123456782": 1})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-request")
    assert "missing" in answer.json()["fields"]
    assert "123456782" not in answer.text


def test_a_token_works_within_its_scope(site: Site) -> None:
    """A token for downloads does not deliver."""
    with site.client(site.world.region.sites[0].code, scopes=("download",)) as http:
        answer = http.post("/v1/submissions", params=about(site), content=site.world.counts(0))
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/scope")


@pytest.mark.parametrize("declared", [True, False])
def test_seventeen_megabytes_are_refused(site: Site, declared: bool) -> None:
    """A body above 16 MB is 413, whether its length is declared or it is sent in chunks."""
    size = MAX_BYTES + 1_000_000
    content: object = b"x" * size if declared else iter([b"x" * 100_000] * (size // 100_000))
    with site.client(site.world.region.sites[0].code) as http:
        answer = http.post("/v1/submissions", params=about(site), content=content)  # type: ignore[arg-type]
    assert answer.status_code == 413


def test_a_json_body_is_small_and_read_after_the_credential(lite: Site) -> None:
    """Nobody has a body parsed: 401, whatever it holds; with a credential it is 413 above 64 kB, but for files."""
    document = httpx.get(f"{lite.url}/v1/openapi.json").json()
    paths = [
        re.sub(r"{\w+}", "x", f"/v1{path}")
        for path, each in document["paths"].items()
        for one in each.values()
        if "application/json" in one.get("requestBody", {}).get("content", {})
        and one["operationId"] not in ("submit", "changeNumbers")
    ]
    assert {"/v1/releases", "/v1/releases/x/withdrawal", "/v1/consents", "/v1/decisions"} <= {*paths}
    head = {"Content-Type": "application/json"}
    with lite.client() as nobody, lite.client(lite.world.region.sites[0].code) as site:
        unread = {path: nobody.post(path, content=b"[" * 1_000_000, headers=head).status_code for path in paths}
        large = {path: site.post(path, content=b"[" * 65_000, headers=head).json()["type"] for path in paths}
    assert (unread, large) == (dict.fromkeys(paths, 401), dict.fromkeys(paths, "/problems/body-too-large"))


@pytest.mark.parametrize("path", ["/v1/purposes", "/v1/nothing", "/health/live", "/v1/openapi.json", "/nothing"])
def test_every_answer_has_version_and_security_headers(site: Site, path: str) -> None:
    """API-Version, nosniff, DENY, no-referrer and a content security policy stand on every response."""
    with site.client() as http:
        headers = http.get(path).headers
    assert headers["api-version"] == API_VERSION
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_an_unhandled_error_is_a_problem_without_detail(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the product answers 500 with a reference, the usual headers, and nothing of the error."""
    monkeypatch.setattr("gateway.http.public.language", lambda _: 1 / 0)
    with site.client() as http:
        answer = http.get("/v1/purposes")
    assert answer.status_code == 500
    assert answer.json()["instance"].startswith("urn:trace:")
    assert "division" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_malformed_request_names_the_field_and_not_its_value(site: Site) -> None:
    """A wrong parameter is 400 with its place; what was sent is not repeated."""
    with site.client(site.world.region.sites[0].code) as http:
        answer = http.post("/v1/submissions", params=about(site, period="Jan Jansen"), content=b"x")
    assert answer.status_code == 400
    assert "query.period" in answer.text
    assert "Jansen" not in answer.text


TWICE = [("dryRun", "true"), ("dryRun", "false")]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([("dryrun", "true")], "query.dryrun: unknown_parameter"),
        (TWICE, "query.dryRun: repeated_parameter"),
        ([("dry_run", "Jansen"), *TWICE], "query.dry_run: unknown_parameter; query.dryRun: repeated_parameter"),
        ([("naam 123456782", "Jansen")], "query: unknown_parameter"),
        ([("dryrun", "true"), ("dryRun", "maybe")], "query.dryrun: unknown_parameter; query.dryRun: bool_parsing"),
    ],
)
def test_a_parameter_that_is_unknown_or_stands_twice_delivers_nothing(
    lite: Site, more: list[tuple[str, str]], told: str
) -> None:
    """400 with every fault at once and never a value, instead of a delivery that was meant to be a check."""
    with lite.client(lite.world.region.sites[0].code) as http:
        answer = http.post("/v1/submissions", params=[*about(lite).items(), *more], content=lite.world.counts(0))
        assert (answer.status_code, answer.json().get("fields")) == (400, told)
        assert http.get("/v1/submissions").json() == []


def test_who_may_not_ask_hears_that_before_what_is_malformed(lite: Site) -> None:
    """An unknown parameter of a caller without a credential is 401, as a malformed one is."""
    with lite.client() as http:
        codes = [http.get("/v1/submissions", params={name: "x" * 99}).status_code for name in ("period", "nothing")]
    assert codes == [401, 401]


def test_the_document_describes_what_is_served(site: Site) -> None:
    """The OpenAPI document is public, names the version in its server, and uses no 422 and no path with underscores."""
    with site.client() as http:
        answer = http.get("/v1/openapi.json")
    document = answer.json()
    assert answer.headers["access-control-allow-origin"] == "*"
    assert document["servers"][0]["url"].endswith("/v1")
    assert "/submissions" in document["paths"]
    assert not [path for path in document["paths"] if "_" in re.sub(r"\{[a-z_]+\}", "", path)]
    statuses = {s for path in document["paths"].values() for act in path.values() for s in act["responses"]}
    assert "422" not in statuses


def test_every_problem_has_its_texts() -> None:
    """Each problem has status, title and detail in both languages."""
    for entry in catalogue("problems").values():
        assert 400 <= entry["status"] < 600
        assert all(entry[part][language] for part in ("title", "detail") for language in LANGUAGES)


def test_checkpoints_and_proofs_are_public(site: Site) -> None:
    """Anybody can fetch the newest checkpoint and prove that an older one was only appended to."""
    with site.client() as public, site.client(site.world.region.sites[0].code) as http:
        first = _size(_checkpoint(public))
        http.post("/v1/submissions", params=about(site), content=site.world.counts(0))
        second = first
        while second == first:
            second = _size(_checkpoint(public))
        proof = public.get("/v1/audit/proofs/consistency", params={"old": first, "new": second})
    assert proof.status_code == 200
    assert all(len(line) == 44 for line in proof.text.splitlines())


def test_duplicate_deliveries_at_once_make_one_version(site: Site) -> None:
    """Eight identical uploads at the same moment give one submission and one receipt."""
    with site.client(site.world.region.sites[0].code) as http, ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: http.post("/v1/submissions", params=about(site), content=site.world.counts(0)), range(8))
        )
        listed = http.get("/v1/submissions").json()
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["receipt"] for answer in answers}) == 1
    assert len(listed) == 1


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/submissions", "GET, POST"),
        ("/v1/purposes", "GET"),
        ("/v1/openapi.json", "GET, HEAD"),
        ("/operator", "GET, HEAD, POST"),
    ],
)
def test_a_wrong_method_is_told_all_that_there_are(site: Site, path: str, allow: str) -> None:
    """Over every route of the address, of the API and of the pages."""
    with site.client() as http:
        assert http.put(path).headers["allow"] == allow


def test_health_means_something(site: Site) -> None:
    """`live` answers without the database, `ready` by reading it."""
    with site.client() as http:
        assert json.loads(http.get("/health/live").text) == {"status": "ok"}
        assert json.loads(http.get("/health/ready").text) == {"status": "ok"}
        assert [http.head(f"/health/{name}").status_code for name in ("live", "ready")] == [200, 200]


def _checkpoint(http: httpx.Client) -> str:
    answer = http.get("/v1/audit/checkpoint")
    while answer.status_code != 200:
        answer = http.get("/v1/audit/checkpoint")
    return answer.text


def _size(checkpoint: str) -> int:
    return int(checkpoint.split("\n")[1])


def test_checks_are_limited_per_party(site: Site) -> None:
    """The sixty-first dry run in a minute is told to wait; another party is not."""
    with site.client(site.world.region.sites[0].code) as http, site.client(site.world.region.sites[1].code) as other:
        params = about(site, dryRun="true")
        codes = [http.post("/v1/submissions", params=params, content=b"x").status_code for _ in range(61)]
        elsewhere = other.post("/v1/submissions", params=about(site, 1, dryRun="true"), content=b"x")
    assert codes == [400] * 60 + [429]
    assert elsewhere.status_code == 400


def test_tiles_are_public_and_entries_are_not(site: Site) -> None:
    """Hash tiles are served to anybody; entries need an officer's credential."""
    with site.client() as http:
        size = _size(_checkpoint(http))
        tile = http.get(f"/v1/audit/tiles/1/0/000.p/{size}")
        assert (tile.status_code, len(tile.content)) == (200, 32 * size)
        assert http.get("/v1/audit/entries").status_code == 401
        assert http.get("/v1/audit/export").status_code == 401
    with site.client(site.world.region.sites[0].code) as school:
        assert school.get("/v1/audit/entries").status_code == 403
