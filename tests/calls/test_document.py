"""`docs/calls.md` says what the rule book says, and the rule book says what happens."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onlycare_socket.calls.rules import EVENT_NAMES, TABLE
from onlycare_socket.calls.states import DeadlineKind, Role, State
from onlycare_socket.calls.user_commands import UserCommand
from tests.calls.situations import set_up
from tests.phones import Phone

DOCS = Path(__file__).parents[2] / "docs"
SAY: dict[str, Callable[[Phone], Any]] = {
    "call:accept": Phone.accept,
    "call:reject": Phone.reject,
    "call:cancel": Phone.cancel,
    "call:end": Phone.end,
    "call:ringing": Phone.ringing,
    "call:upgrade": Phone.upgrade,
    "call:upgrade:response": lambda phone: phone.answer_upgrade(True),
}
GIVEN = {State.RINGING: "ringing", State.ACCEPTED: "accepted", State.ENDED: "cancelled"}
PHONE = {Role.CALLER: "a1", Role.RECEIVER: "b1"}


NO_DOCSTRINGS = "the page is made from the docstrings of the rules, which mypyc leaves out"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "make_calls.py"))


@pytest.mark.uncompiled(NO_DOCSTRINGS)
def test_the_page_is_what_the_rule_book_prints(document: dict[str, Any]) -> None:
    assert (DOCS / "calls.md").read_text() == document["page"](), "run `make docs`"


@pytest.mark.uncompiled(NO_DOCSTRINGS)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("command", EVENT_NAMES)
@pytest.mark.parametrize("role", Role)
def test_a_rule_leads_where_its_first_line_says(
    document: dict[str, Any], state: State, command: type[UserCommand], role: Role
) -> None:
    rule = TABLE[state][command].get(role)
    scene = set_up(GIVEN[state])
    ack = SAY[EVENT_NAMES[command]](scene[PHONE[role]])
    call = scene.exchange.call()
    leads_to = document["leads_to"](rule) if rule else None
    if leads_to is None:
        assert call.state is state
        assert (ack.get("code") == "forbidden") is (rule is None)
    else:
        assert (call.state, f" ({call.code})" if call.code else "") == leads_to


def test_every_command_is_in_every_state() -> None:
    assert set(TABLE) == set(State)
    for events in TABLE.values():
        assert set(events) == set(EVENT_NAMES)


def test_every_deadline_is_explained(document: dict[str, Any]) -> None:
    assert set(document["MEANING"]) == set(DeadlineKind)
