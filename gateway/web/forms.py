"""Routes of pages and of forms: the gate of the role in front, and what a form must prove before it is believed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from gateway.collections import MAX_CELLS
from gateway.formats.sheet import MAX_BYTES
from gateway.http.callers import same_origin
from gateway.http.edge import WAIT_SECONDS, is_kept
from gateway.http.limits import Hold, limits_of, take_person
from gateway.messages import language_of
from gateway.outcome import Refused
from gateway.web.pages import Visitor, page, refusal, remember_language, see_other, token_fits, visitor

EVERYBODY = ""
_MAX_FIELDS = MAX_CELLS + 100  # and what a form has beside its cells
_MAX_FIELD_BYTES = 64_000
_ENVELOPE = 64_000
_FIELDS_ONLY = "application/x-www-form-urlencoded"
# What is above the limit is read and thrown away up to here: a browser shows an answer only when it has sent its form.
_READ_ON = 4 * MAX_BYTES

PageHandler = Callable[[Request, Visitor], Response]


@dataclass(frozen=True, slots=True)
class Form:
    """What a person filled in.

    Attributes:
        values: Fields of the form, white space around them removed.
        file: Bytes of the chosen file, None when none was chosen.
    """

    values: Mapping[str, str]
    file: bytes | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> str:
        """A field; empty when the form did not have it."""
        return self.values.get(name, "")


FormHandler = Callable[[Request, Visitor, Form], Response]


def show(path: str, roles: str, handler: PageHandler) -> Route:
    """A page that people of these roles may open.

    Args:
        path: Its address.
        roles: Roles joined by a space, or `EVERYBODY`.
        handler: Makes the page.
    """

    def endpoint(request: Request) -> Response:
        who, closed = _gate(request, roles)
        return closed or handler(request, who)

    return Route(path, endpoint, methods=["GET"])


def act(path: str, roles: str, handler: FormHandler, *, file: bool = False, again: FormHandler | None = None) -> Route:
    """A form that people of these roles may send from a page of this site, with a file only where one is asked for.

    Steps: (1) who is it, and may this role; (2) read the form under the limits of an upload, and look again who it is,
    for a session can end while its form is under way; (3) it came from a page of this site, and with a session it
    carries that session's token; (4) act, or, where only another language is asked for, show the form `again` with
    what it holds. What was typed is kept with the request: whatever refuses it shows it.
    """

    async def endpoint(request: Request) -> Response:
        who, closed = await run_in_threadpool(_gate, request, roles)  # (1)
        if closed is not None and (who.identity is not None or not _is_typed(request)):
            return closed
        with limits_of(request).bodies.of(who.known.party if who.identity else "") as hold:
            form = await _read(request, hold, file=file)  # (2)
            request.state.typed = form.values if isinstance(form, Form) and same_origin(request) else {}
            who, closed = await run_in_threadpool(_look_again, request, roles)
            if closed is not None:
                return closed
            if isinstance(form, Form) and not (same_origin(request) and (not roles or token_fits(who, form["csrf"]))):
                form = Refused("csrf")  # (3)
            if isinstance(form, Refused):
                return await run_in_threadpool(refusal, request, who, form)
            if again is not None and form["speak"]:  # (4)
                return await run_in_threadpool(_spoken, request, who, form, again)
            turn = limits_of(request).receiving if file else None
            return await to_thread.run_sync(handler, request, who, form, limiter=turn)

    return Route(path, endpoint, methods=["POST"])


def then(request: Request, who: Visitor, outcome: object, path: str) -> Response:
    """After an act: the page that shows its result, or why it did not happen."""
    return refusal(request, who, outcome) if isinstance(outcome, Refused) else see_other(path)


def _spoken(request: Request, who: Visitor, form: Form, again: FormHandler) -> Response:
    """A form in the other language, with what is filled in."""
    language = language_of(form["speak"])
    response = again(request, replace(who, language=language), form)
    remember_language(request, response, language)
    return response


def day_of(text: str) -> date | None:
    """The day in a field, None when it holds none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _is_typed(request: Request) -> bool:
    """Whether a form holds fields only, and no more than a person types: that much is read of a stranger."""
    kind, length = request.headers.get("content-type", ""), request.headers.get("content-length", "")
    return kind.startswith(_FIELDS_ONLY) and length.isdecimal() and int(length) <= _MAX_FIELD_BYTES


def _gate(request: Request, roles: str) -> tuple[Visitor, Response | None]:
    who = visitor(request)
    limited = take_person(request, who.known.party) if who.identity is not None else None
    return who, refusal(request, who, limited) if limited is not None else _closed(request, who, roles)


def _look_again(request: Request, roles: str) -> tuple[Visitor, Response | None]:
    who = visitor(request)
    return who, _closed(request, who, roles)


def _closed(request: Request, who: Visitor, roles: str) -> Response | None:
    """The answer to somebody for whom this page is not; None when it is."""
    if not roles:
        return None
    if who.identity is None:
        return page(request, who, "login_needed.html", 401, closed=request.method == "POST")
    return None if who.role in roles.split() else refusal(request, who, Refused("not-found"))


class _NotTaken(Exception):  # noqa: N818  carries an outcome out of the form parser
    """More bytes than an upload may have, or than there is room for now."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code)
        self.refused = refused


async def _read(request: Request, hold: Hold, *, file: bool) -> Form | Refused:
    large = Refused("too-large" if file else "body-too-large")
    most = (MAX_BYTES if file else _MAX_FIELD_BYTES) + _ENVELOPE
    taken, whole = 0, False

    async def receive() -> Message:
        nonlocal taken, whole
        message = await request.receive()
        taken, whole = taken + len(message.get("body", b"")), not message.get("more_body", False)
        if taken > most:
            raise _NotTaken(large)
        if not hold(len(message.get("body", b""))):
            raise _NotTaken(Refused("busy", retry_after=WAIT_SECONDS))
        return message

    limited, declared = Request(request.scope, receive), request.headers.get("content-length", "")
    try:
        if declared.isdecimal() and int(declared) > most:
            raise _NotTaken(large)
        async with limited.form(max_files=int(file), max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES) as parts:
            values = {name: value.strip() for name, value in parts.items() if isinstance(value, str)}
            if not all(is_kept(text) for pair in values.items() for text in pair):
                return Refused("invalid-request")
            files = [value for value in parts.values() if isinstance(value, UploadFile) and value.filename]
            return Form(values, await files[0].read() if files else None)
    except UnicodeError:  # of a charset that can say no text
        return Refused("invalid-request")
    except _NotTaken as error:
        if not whole:
            await _throw_away(request, taken)
        return error.refused


async def _throw_away(request: Request, taken: int) -> None:
    while taken < _READ_ON:
        message = await request.receive()
        taken += len(message.get("body", b"")) or 1
        if not message.get("more_body", False):
            return
