"""When a difference is an intended one, and when it is a surprise."""

import re
from pathlib import Path
from typing import Any

import pytest

from onlycare_socket.cli.compare.moves import ABSENT, PRESENT, accept
from onlycare_socket.cli.compare.people import Role
from onlycare_socket.cli.compare.reasons import ADDED, ROWS, Reason, row
from onlycare_socket.cli.compare.records import Heard, Take
from onlycare_socket.cli.compare.steps import Say, Story
from onlycare_socket.cli.compare.stories import STORIES
from onlycare_socket.cli.compare.verdicts import Outcome, Verdict, broken_promises, judge

DONE = {"success": True, "state": "accepted"}
TOLD = [Heard("call:accepted", {"callId": "<call>"})]
WRONG = [Heard("call:ended", {"callId": "<call>"})]


def judged(step: Say, old: Take, new: Take) -> Verdict:
    return judge(Story(name="one", about="one step", steps=(step,)), [old], [new])


def take(answer: dict[str, Any] | None = DONE, **heard: list[Heard]) -> Take:
    return Take(answer, {Role(name): events for name, events in heard.items()})


def reasons(verdict: Verdict) -> list[Reason | None]:
    return [difference.reason for difference in verdict.differences]


def test_no_difference_is_the_same_whatever_the_contract_says() -> None:
    assert judged(accept(), take(None), take(None)).outcome is Outcome.SAME


def test_what_the_contract_adds_is_no_change() -> None:
    verdict = judged(accept(), take(None), take(caller=TOLD))
    assert (verdict.outcome, reasons(verdict)) == (Outcome.MORE, [ADDED, ADDED])


def test_a_promise_that_is_broken_is_never_excused() -> None:
    step = accept(why={"answer": row(4), "caller": row(4)})
    broken = judged(step, take(caller=TOLD), take({"success": False}, caller=WRONG))
    assert (broken.outcome, set(reasons(broken))) == (Outcome.SURPRISE, {None})


@pytest.mark.parametrize("heard", [[], TOLD * 2, TOLD + WRONG, WRONG])
def test_other_events_than_promised_are_a_surprise(heard: list[Heard]) -> None:
    assert judged(accept(), take(caller=TOLD), take(caller=heard)).outcome is Outcome.SURPRISE


def test_an_event_to_somebody_who_was_promised_none_is_a_surprise() -> None:
    assert judged(accept(), take(caller=TOLD), take(caller=TOLD, third=WRONG)).outcome is Outcome.SURPRISE


def test_what_the_new_server_leaves_out_needs_an_excuse() -> None:
    old, new = take(caller=TOLD, receiver=WRONG), take(caller=TOLD)
    assert judged(accept(), old, new).outcome is Outcome.SURPRISE
    excused = judged(accept(why={"receiver": row(9)}), old, new)
    assert (excused.outcome, reasons(excused)) == (Outcome.INTENDED, [row(9)])


def test_an_excuse_covers_promised_fields_of_an_answer_only() -> None:
    step = accept(why={"answer": row(4)})
    old = take({"success": False, "state": "ringing", "error": "no"}, caller=TOLD)
    found = judged(step, old, take(caller=TOLD))
    assert {one.field: one.reason for one in found.differences} == {
        "success": row(4),
        "state": row(4),
        "error": None,
    }
    promised = accept(answer=DONE | {"error": ABSENT}, why={"answer": row(4)})
    assert judged(promised, old, take(caller=TOLD)).outcome is Outcome.INTENDED


def test_an_excuse_of_a_role_covers_no_value_of_an_event() -> None:
    old, new = take(caller=[Heard("call:accepted", {"callId": "<call, bare>"})]), take(caller=TOLD)
    assert judged(accept(why={"caller": row(4)}), old, new).outcome is Outcome.SURPRISE
    assert judged(accept(why={"caller.callId": row(4)}), old, new).outcome is Outcome.INTENDED


def test_a_number_is_not_a_flag() -> None:
    verdict = judged(accept(why={"answer": row(4)}), take(caller=TOLD), take(DONE | {"success": 1}, caller=TOLD))
    assert verdict.outcome is Outcome.SURPRISE


def test_promises_of_presence_and_absence() -> None:
    step = accept(answer={"error": PRESENT, "message": ABSENT}, hears={})
    assert list(broken_promises(step, take({"error": "no"}))) == []
    assert list(broken_promises(step, take({"error": None}))) == ["answer"]
    assert list(broken_promises(step, take({"error": "no", "message": ""}))) == ["answer"]


def test_every_story_excuses_only_what_its_steps_have() -> None:
    """A slip in a name would excuse nothing, unseen."""
    known = {"answer", *Role}
    names = {key.partition(".")[0] for story in STORIES for step in story.steps for key in step.why}
    assert names <= known
    assert len({story.name for story in STORIES}) == len(STORIES)


def test_every_row_of_the_contract_has_its_words() -> None:
    contract = (Path(__file__).parents[2] / "docs" / "contract.md").read_text()
    section = contract.partition("## 7.")[2]
    assert [str(number) for number in ROWS] == re.findall(r"^\| (\d+) \|", section, re.MULTILINE)
