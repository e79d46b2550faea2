"""The NL GOV API Design Rules, each as a test on our own OpenAPI document, and on live answers where it shows."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.demo.people import IN_FORCE
from gateway.http.api import create_api
from gateway.messages import LANGUAGES, catalogue
from gateway.settings import Settings

from .conftest import Site, World, build_world

METHODS = {"get", "post", "put", "patch", "delete"}
SUBMISSION_MOMENTS = ("receivedAt", "confirmedAt")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of a production deployment."""
    settings = Settings(in_force=IN_FORCE, base_url="https://poort.example")
    world = build_world(tmp_path_factory.mktemp("document") / "data", settings=settings)
    made = create_api(world.gateway).openapi()
    world.gateway.database.dispose()
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, each in document["paths"].items():
        for method, operation in each.items():
            yield path, method, operation


def properties(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for schema in document["components"]["schemas"].values():
        yield from schema.get("properties", {}).items()


def test_the_document_is_openapi_3_with_semantic_version(document: dict[str, Any]) -> None:
    """doc-openapi, semver: version 3 of the specification, a version of three numbers."""
    assert re.fullmatch(r"3(\.\d+){1,2}", document["openapi"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", document["info"]["version"])


def test_the_document_names_a_contact(document: dict[str, Any]) -> None:
    """doc-openapi-contact: name, address and e-mail."""
    assert all(document["info"]["contact"][part] for part in ("name", "url", "email"))


def test_the_address_has_the_major_version_over_tls(document: dict[str, Any]) -> None:
    """uri-version, transport/tls: https, and /v1 in the server's address, not in the paths."""
    assert [re.fullmatch(r"https://.+/v\d+", server["url"]) is not None for server in document["servers"]] == [True]
    assert not [path for path in document["paths"] if path.startswith("/v1")]


def test_paths_are_kebab_case_without_slash_at_the_end(document: dict[str, Any]) -> None:
    """path-segments-kebab-case, no-trailing-slash."""
    segment = r"/([a-z0-9]+(-[a-z0-9]+)*|\{[^}]+\})"
    assert not [path for path in document["paths"] if not re.fullmatch(f"({segment})+", path)]


def test_collections_are_plural(document: dict[str, Any]) -> None:
    """naming-collections: what an id follows is a plural noun."""
    before = [re.findall(r"/([a-z-]+)/\{[a-z]+_id\}", path) for path in document["paths"]]
    assert all(name.endswith("s") for names in before for name in names)


def test_query_keys_are_camel_case(document: dict[str, Any]) -> None:
    """query-keys-camel-case."""
    keys = [p["name"] for _, _, one in operations(document) for p in one.get("parameters", []) if p["in"] == "query"]
    assert keys
    assert not [key for key in keys if not re.fullmatch(r"[a-z][a-z\d]*([A-Z][a-z\d]*)*", key)]


def test_what_a_query_may_hold_is_what_the_document_lists(document: dict[str, Any], world: World) -> None:
    """doc-openapi: the names that an operation does not refuse are those described, and none may stand twice."""
    listed = {
        one["operationId"]: {p["name"]: p["schema"] for p in one.get("parameters", []) if p["in"] == "query"}
        for _, _, one in operations(document)
    }
    assert {name: set(keys) for name, keys in listed.items()} == create_api(world.gateway).state.queries
    assert "array" not in str(list(listed.values()))


def test_schemas_are_upper_camel_case(document: dict[str, Any]) -> None:
    """schema-camel-case."""
    assert not [name for name in document["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)]


def test_only_standard_methods_and_safe_ones_have_no_body(document: dict[str, Any]) -> None:
    """http-methods, http-safety: a GET has no body, a POST has a description of who may do what."""
    for _, method, operation in operations(document):
        assert method in METHODS
        assert "requestBody" not in operation or method != "get"
        assert operation["summary"]
        assert operation["description"]


def test_every_body_that_is_read_is_described(document: dict[str, Any], world: World) -> None:
    """doc-openapi: an operation that reads its body says what it has to hold."""
    parts = create_api(world.gateway).state.parts
    read = {part.operation_id for part in parts if {"read_body", "read_json"} & set(part.endpoint.__code__.co_names)}
    described = {one["operationId"] for _, _, one in operations(document) if "requestBody" in one}
    assert {"submit", "changeNumbers"} <= read <= described


def test_every_answer_names_the_version_header(document: dict[str, Any]) -> None:
    """version-header: API-Version on every response in the document."""
    for _, _, operation in operations(document):
        assert all("API-Version" in response["headers"] for response in operation["responses"].values())


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ("submit", "200"),  # the same bytes
        ("registerConsent", "200"),  # a key used before
        ("sendConsentedRecord", "200"),
        ("downloadTable", "304"),  # bytes that are there already
        ("downloadTable", "409"),  # withdrawn meanwhile
        ("continueFromCheckpoint", "410"),  # of a log that is over
        ("continueFromCheckpoint", "413"),
    ],
)
def test_every_status_a_call_can_answer_with_is_in_the_document(
    document: dict[str, Any], operation: str, status: str
) -> None:
    """doc-openapi: also what a call answers rarely, and no walk through the document need meet."""
    described = {one["operationId"]: one["responses"] for _, _, one in operations(document)}
    assert status in described[operation]


def test_errors_are_problems_and_never_422(document: dict[str, Any]) -> None:
    """error-handling/problem-details, error-handling/invalid-input: problem+json with status, title and detail; 400."""
    assert {"status", "title", "detail"} <= set(document["components"]["schemas"]["Problem"]["required"])
    for _, _, operation in operations(document):
        assert "400" in operation["responses"]
        assert "422" not in operation["responses"]
        errors = [response for status, response in operation["responses"].items() if status[0] in "45"]
        assert all(list(response["content"]) == ["application/problem+json"] for response in errors)


def test_dates_and_times_say_their_format(document: dict[str, Any]) -> None:
    """date-time/format, date-time/date-omit-time-portion: a field called a date is one, a moment has a time zone."""
    for name, schema in properties(document):
        if re.search(r"(\w+D|_[dD])(ate|atum)", name):
            assert schema["format"] == "date"
        forms = [schema, *schema.get("anyOf", [])]
        if re.search(r"(At|_at)$", name):
            assert "date-time" in [form.get("format") for form in forms]


def test_every_operation_says_who_may_call(document: dict[str, Any]) -> None:
    """Each operation names its credentials, and each scheme it names is described."""
    for _, _, operation in operations(document):
        named = {name for choice in operation["security"] for name in choice}
        assert named <= document["components"]["securitySchemes"].keys()
    locked = {operation["operationId"] for _, _, operation in operations(document) if {} not in operation["security"]}
    assert {"submit", "listSubmissions", "approveRelease", "listEntries", "exportLog", "listConsents"} <= locked


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    """No `$ref` points at a schema that is not there."""
    wanted = set(re.findall(r"'#/components/schemas/([^']+)'", str(document)))
    assert wanted <= document["components"]["schemas"].keys()


def test_the_document_is_public_and_open_to_other_origins(site: Site) -> None:
    """publish-openapi, transport/cors: at the base of the API, without login, for every origin; nothing else is."""
    with site.client() as http:
        answers = [http.get(path) for path in ("/v1/openapi.json", "/v1/purposes")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers.get("access-control-allow-origin") for answer in answers] == ["*", None]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/purposes", 200),
        ("GET", "/v1/submissions", 401),
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/purposes", 405),
        ("GET", "/v1/purposes/", 404),
        ("GET", "/v1/audit/proofs/inclusion", 400),
        ("GET", "/", 200),
        ("GET", "/nothing", 404),
        ("PUT", "/", 405),
        ("GET", "/v1/submissions/%0A", 404),
        ("GET", "/health/ready", 200),
    ],
)
def test_every_live_answer_has_the_headers(site: Site, method: str, path: str, status: int) -> None:
    """transport/security-headers, version-header: on pages, API, health checks and errors alike."""
    with site.client() as http:
        answer = http.request(method, path)
    assert answer.status_code == status
    headers = {"api-version", "cache-control", "content-security-policy", "content-type", "x-content-type-options"}
    assert headers | {"x-frame-options", "referrer-policy"} <= answer.headers.keys()
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert ("allow" in answer.headers) is (status == 405)


def test_over_tls_browsers_are_told_to_stay_there(new_world: Any) -> None:  # noqa: ANN401  a factory fixture
    """transport/security-headers: a year of HSTS where the gateway is reached over TLS."""
    from gateway.asgi import create_app  # noqa: PLC0415  the application is made here only

    from .asgi import ask  # noqa: PLC0415  likewise

    world = new_world(settings=Settings(in_force=IN_FORCE, base_url="https://poort.example"))
    assert "max-age=31536000" in ask(create_app(world.gateway), "/v1/purposes")["strict-transport-security"]


def test_every_fault_of_a_request_is_named_at_once(site: Site) -> None:
    """error-handling/all-errors: three wrong parameters give three fields."""
    with site.client(site.world.region.sites[0].code) as http:
        wrong = {"collection": "a b", "party": "", "period": "x" * 99}
        answer = http.post("/v1/submissions", params=wrong, content=b"x")
    assert answer.status_code == 400
    assert all(f"query.{name}" in answer.json()["fields"] for name in wrong)


def test_moments_are_utc(site: Site) -> None:
    """date-time/timezone: what goes out is UTC, with its offset."""
    with site.client(site.world.region.sites[0].code) as http:
        about = site.world.about(0)
        at = http.post("/v1/submissions", params=about, content=site.world.counts(0)).json()["receivedAt"]
    moment = datetime.fromisoformat(at)
    assert moment.utcoffset() == timedelta(0)
    assert abs(site.world.gateway.clock() - moment) < timedelta(minutes=5)


def test_moments_have_milliseconds(site: Site) -> None:
    """As the design says, in what is delivered, confirmed and listed."""
    with site.client(site.world.region.sites[0].code) as http:
        made = http.post("/v1/submissions", params=site.world.about(0), content=site.world.counts(0))
        confirmed = http.post(f"{made.headers['location']}/confirmation").json()
        listed = http.get("/v1/submissions").json()[0]
    moments = [made.json()["receivedAt"], *(each[name] for each in (confirmed, listed) for name in SUBMISSION_MOMENTS)]
    assert [each for each in moments if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each)] == []


def test_every_problem_has_a_page_in_both_languages(site: Site) -> None:
    """error-handling/problem-details: each type is an address with a page, Dutch and English."""
    with site.client() as http:
        for code, entry in catalogue("problems").items():
            page = http.get(f"/problems/{code}")
            assert page.status_code == 200
            assert all(entry["title"][language].split("(")[0][:20] in page.text for language in LANGUAGES)


def test_a_list_comes_in_pages(site: Site) -> None:
    """Three versions in pages of two: the first page links to the next, the last to the one before."""
    with site.client(site.world.region.sites[0].code) as http:
        about = site.world.about(0)
        for period in (1, 2, 3):
            http.post("/v1/submissions", params=about, content=site.world.counts(0, period=period))
        first = http.get("/v1/submissions", params={"pageSize": 2})
        last = http.get(first.links["next"]["url"])
        assert [len(page.json()) for page in (first, last)] == [2, 1]
        assert list(last.links) == ["prev"]
        assert http.get("/v1/submissions", params={"pageSize": 5000}).status_code == 400


def test_security_txt_says_how_long_it_holds(site: Site) -> None:
    """RFC 9116: a contact of this deployment and an expiry in the future, within a year."""
    lines = dict(line.split(": ", 1) for line in httpx.get(f"{site.url}/.well-known/security.txt").text.splitlines())
    left = datetime.fromisoformat(lines["Expires"]) - site.world.gateway.clock()
    assert timedelta(days=30) < left < timedelta(days=366)
    assert lines["Contact"] == f"mailto:{site.world.gateway.settings.contact}"


def test_the_document_has_no_foreign_host(document: dict[str, Any], world: World) -> None:
    """hide-implementation: the document names no product of others and no address but our own."""
    assert not re.findall(r"fastapi|starlette|uvicorn|pydantic", str(document), re.IGNORECASE)
    assert world.gateway.settings.base_url not in str(document)
