"""`docs/contract.md` names everything that the code knows, its examples are what the code sends, and links lead on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import pytest

from onlycare_socket import credentials
from onlycare_socket.calls import errors, messages, words
from onlycare_socket.calls.states import Code
from onlycare_socket.config.fields import FIELDS
from onlycare_socket.connecting import read_credentials
from onlycare_socket.http_api import Access, Condition, HttpApi
from onlycare_socket.http_api.calls import CallRow, Timeline
from onlycare_socket.limits import EventBudget
from onlycare_socket.ports import Refused
from onlycare_socket.socket_api import SocketApi
from onlycare_socket.transport.namespace import Namespace
from tests import test_section7
from tests.in_process import InProcess, initiate, new_call_id, talk
from tests.phones import Exchange

ROOT: Final = Path(__file__).parent.parent
CONTRACT: Final = (ROOT / "docs" / "contract.md").read_text()
PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EVENTS: Final = {event.name: event for event in messages.Event.__subclasses__()}
WORDS: Final[dict[type, str]] = {str: "string", int: "int", bool: "bool"}
NOBODY: Final = cast(Any, None)


def registered() -> dict[str, type[msgspec.Struct]]:
    """Returns the payload of every event that a client may send."""
    namespace = Namespace("/")
    SocketApi(
        switchboard=Exchange().switchboard,
        store=NOBODY,
        log=NOBODY,
        directory=NOBODY,
        presence=NOBODY,
        budget=EventBudget(0),
        clock=NOBODY,
    ).register(namespace)
    return {name.decode(): event.payload for name, event in namespace.events.items()}


def routes() -> set[str]:
    """Returns every request that is answered, as `GET /health`."""
    api = HttpApi(
        access=Access((), open_on_loopback=False),
        condition=Condition(0.0),
        switchboard=NOBODY,
        store=NOBODY,
        log=NOBODY,
        facts=NOBODY,
        sockets=NOBODY,
        authenticator=NOBODY,
        clock=NOBODY,
        metrics=NOBODY,
        test_page=True,
    )
    found = [(route.method, route.resource) for route in api.application().router.routes()]
    return {f"{method} {resource.canonical}" for method, resource in found if resource and method != "HEAD"}


PAYLOADS: Final = registered()
ROUTES: Final = routes()


def examples() -> list[tuple[str, str]]:
    """Returns the JSON examples of the page with what each is an example of."""
    return re.findall(r"^```json ([^\n]+)\n(.*?)\n```$", CONTRACT, re.MULTILINE | re.DOTALL)


def examples_of(kind: str) -> Iterator[tuple[str, Any]]:
    """Returns the examples of one kind with the name that follows it."""
    for label, text in examples():
        if label.startswith(f"{kind} "):
            yield label.removeprefix(f"{kind} "), json.loads(text)


def fits(value: Any, shape: type) -> None:
    """Asserts that a value has the fields of a struct, none besides, and each of its type."""
    assert isinstance(value, dict)
    fields = msgspec.structs.fields(shape)
    assert set(value) <= {field.encode_name for field in fields}
    msgspec.convert(value, shape)
    assert None not in value.values()


def in_code(text: str) -> bool:
    """Says whether the page has this text as code."""
    return f"`{text}`" in CONTRACT


# ---------------------------------------------------------------- everything is named


@pytest.mark.parametrize("name", [*EVENTS, *PAYLOADS])
def test_every_event_is_named(name: str) -> None:
    assert in_code(name)


def test_every_code_is_named() -> None:
    refusals = {kind.code for kind in vars(credentials).values() if isinstance(kind, Refused)}
    acks = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CallError)
    }
    assert len(refusals) == 3
    cells = [cell for row in re.findall(r"^\| .+", CONTRACT, re.MULTILINE) for cell in row.split(" | ")[:2]]
    explained = {code for cell in cells for code in re.findall(r"`([a-z_]+)`", cell)}
    assert {*refusals, *acks, *map(str, Code)} - explained == set()


def test_the_words_of_every_code_are_there() -> None:
    table = CONTRACT.partition("### How calls end")[2].partition("###")[0]
    for code in Code:
        for side in ("caller", "receiver"):
            assert words.reason_of(code, side=side) in table


def test_every_request_is_named_and_no_other() -> None:
    written = set(re.findall(r"`((?:GET|POST) /(?!api/v1)[^`]*)`", CONTRACT.partition("## 4. HTTP")[2]))
    assert written == ROUTES


def test_every_setting_stands_there_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| .+ \|$", CONTRACT.partition("## 6.")[2], re.MULTILINE)
    assert [(name, default.strip()) for name, default in rows] == [(f.variable, f.default_text()) for f in FIELDS]


def test_every_row_names_its_tests() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (`test_.*`) \|$", CONTRACT.partition("## 7.")[2], re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 21))
    for number, tests in rows:
        assert all(f"test_row_{int(number):02}_" in name for name in tests.split(", "))
    named = [name.strip("`") for _, tests in rows for name in tests.split(", ")]
    assert named == [name for name in vars(test_section7) if name.startswith("test_row_")]


# ---------------------------------------------------------------- fields and examples


def says(kind: Any) -> str:
    """Returns the word that the page has for a type."""
    return next(WORDS[each] for each in (str, bool, int) if kind is each or each in getattr(kind, "__args__", ()))


@pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))
def test_the_fields_of_every_event_are_listed(event: type[messages.Event]) -> None:
    (paragraph,) = re.findall(rf"^\*\*`{event.name}`\*\*(.*?)\n\n", CONTRACT, re.MULTILINE | re.DOTALL)
    listed = re.findall(r"`(\w+\??)`\s+(string|ms|int|bool)\b", paragraph.partition("Fields:")[2])
    fields = msgspec.structs.fields(event)
    hints = {field.name: field.type for field in fields}
    assert [name for name, _ in listed] == [field.encode_name + ("" if field.required else "?") for field in fields]
    for field, (_, word) in zip(fields, listed, strict=True):
        time = field.name in ("timestamp", "expires_at")
        assert word == ("ms" if time else says(hints[field.name])), field.name


def test_each_event_has_one_example_as_it_is_sent() -> None:
    shown = list(examples_of("event"))
    assert sorted(name for name, _ in shown) == sorted(EVENTS)
    for name, payload in shown:
        fits(payload, EVENTS[name])


def test_the_fields_of_every_payload_are_listed() -> None:
    for name, shape in PAYLOADS.items():
        row = next(line for line in CONTRACT.splitlines() if line.startswith("| ") and f"`{name}`" in line)
        fields = re.findall(r"`(\w+\??)`", row.split(" | ")[1])
        wanted = [field.encode_name + ("" if field.required else "?") for field in msgspec.structs.fields(shape)]
        assert fields == wanted, name


def test_the_examples_of_payloads_are_understood() -> None:
    for name, payload in examples_of("payload"):
        fits(payload, PAYLOADS[name])


def test_the_examples_of_acks_are_acks() -> None:
    shapes: dict[str, type] = {"call:sync": messages.SyncReply, "presence:watch": messages.WatchReply}
    shown = list(examples_of("ack"))
    assert {name for name, _ in shown} >= {"call:initiate", "call:accept", "call:end", *shapes}
    for name, ack in shown:
        assert name in PAYLOADS
        fits(ack, shapes.get(name, messages.Reply))
        for call in ack.get("calls", ()):
            fits(call, messages.SyncCall)


def test_the_examples_of_a_connect_are_understood() -> None:
    shown = {label: json.loads(text) for label, text in examples()}
    assert not isinstance(read_credentials(shown["connect"]), Refused)
    error = shown["connect error"]
    assert (error["message"], error["data"]["code"]) == (credentials.INVALID.message, credentials.INVALID.code)
    assert set(shown["handshake"]) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


def test_every_json_example_says_of_what() -> None:
    assert CONTRACT.count("```json") == len(examples())
    kinds = {label.split(" ")[0] for label, _ in examples()}
    assert kinds == {"handshake", "connect", "event", "payload", "ack", "answer"}


async def test_the_answers_over_http_have_the_fields_of_the_examples(server: InProcess) -> None:
    """Optional fields aside: they are told by the structs."""
    shown = dict(examples_of("answer"))
    assert set(shown) == {route for route in ROUTES if "test-client" not in route} - {"GET /metrics"}
    caller, receiver, call = await server.phone("USR_5"), await server.phone("USR_7"), new_call_id()
    await talk(caller, receiver, "USR_7", call)
    for path in ("/health", "/ready", "/api/users/{userId}/online", "/api/connected-users", "/api/calls"):
        _, body = await server.get(path.format(userId="USR_7"))
        assert set(body) == set(shown[f"GET {path}"]), path
    for row in (*shown["GET /api/calls"]["calls"], shown["GET /api/calls/{callId}"]):
        fits(row, CallRow)
    fits(shown["GET /api/calls/{callId}/timeline"], Timeline)
    body = {"callId": call, "callerId": "USR_5", "receiverId": "USR_7"}
    _, accepted = await server.post("/api/emit/call-accepted", body)
    assert (accepted["emitted"], accepted["duplicate"]) == (False, True)
    _, ended = await server.post("/api/emit/call-ended", body)
    assert ended == shown["POST /api/emit/call-ended"]
    _, cancelled = await server.post("/api/emit/call-cancelled", body)
    assert set(cancelled) == set(shown["POST /api/emit/call-cancelled"])
    _, unknown = await server.post("/api/emit/call-rejected", {"callId": "1", "callerId": "98", "receiverId": "99"})
    assert unknown == shown["POST /api/emit/call-rejected"]
    second = new_call_id()
    await caller.ask("call:initiate", initiate("USR_7", second))
    _, accepted = await server.post("/api/emit/call-accepted", {**body, "callId": second})
    assert accepted == shown["POST /api/emit/call-accepted"]
    _, over = await server.post(f"/api/calls/{second}/end")
    assert set(over) == set(shown["POST /api/calls/{callId}/end"])
    _, online = await server.post("/api/users/online", {"userIds": ["USR_7", 8]})
    assert online == shown["POST /api/users/online"]
    _, gone = await server.post("/api/users/USR_7/disconnect")
    assert gone == shown["POST /api/users/{userId}/disconnect"]


# ---------------------------------------------------------------- links and sections


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_files_that_the_design_names_are_there() -> None:
    text = (ROOT / "docs" / "design.md").read_text()
    source = ROOT / "src" / "onlycare_socket"
    named = re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", text)
    assert len(named) > 30
    places = (ROOT, source, source / "calls", source / "adapters")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_cited_sections_exist() -> None:
    cited: set[tuple[str, str]] = set()
    for folder in ("src", "tests", "bench", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            found = re.findall(r"(contract|design)\s+sections?\s+([0-9]+(?:(?:, | and )[0-9]+)*)", path.read_text())
            cited |= {(page, number) for page, numbers in found for number in re.findall(r"\d+", numbers)}
    assert len(cited) > 6
    for page, number in cited:
        text = (ROOT / "docs" / f"{page}.md").read_text()
        assert re.search(rf"^## {number}\. \S", text, re.MULTILINE), f"{page} section {number}"
