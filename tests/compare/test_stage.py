"""How stories are played: names instead of ids, promises that the real server keeps, and a pace."""

import asyncio
import time

import pytest

from onlycare_socket.cli.compare.names import Names
from onlycare_socket.cli.compare.pace import Pace
from onlycare_socket.cli.compare.people import People, Person, people_of
from onlycare_socket.cli.compare.stage import Manner, Stage
from onlycare_socket.cli.compare.stories import STORIES
from onlycare_socket.cli.compare.verdicts import broken_promises
from tests.interop.server_process import SECRET

PEOPLE = People(Person("USR_5", "17|a"), Person("9", "18|b"), Person("ann", "19|c"))


async def broken(url: str, names: list[str], users: int) -> list[tuple[str, str, str]]:
    """Plays stories and returns the promises that the server did not keep."""
    people = people_of([f"{user}=dev:{user}" for user in range(users, users + 3)], None, ".env")
    manner = Manner(patience=10, settle=0.03)
    stage = Stage("new", url, SECRET, people=people, manner=manner, pace=Pace(0))
    try:
        await stage.open()
        return [
            (story.name, step.title, item)
            for story in STORIES
            if story.name in names
            for step, taken in zip(story.steps, await stage.play(story), strict=True)
            for item in broken_promises(step, taken)
        ]
    finally:
        await stage.close()


async def test_the_server_keeps_what_the_stories_promise(new: str) -> None:
    names = [story.name for story in STORIES if not story.slow and not story.risky]
    parts = [broken(new, names[start::6], 8000 + 10 * start) for start in range(6)]
    assert [one for part in await asyncio.gather(*parts) for one in part] == []


def test_names_stand_for_what_varies() -> None:
    names = Names(PEOPLE)
    filled = names.fill({"callId": "<call>", "receiverId": "<receiver>", "token": "<token of third>", "n": [1, "x"]})
    assert filled["receiverId"] == "9"
    assert filled["token"] == "19|c"
    assert filled["callId"].startswith("CALL_compare-")
    assert names.hide(filled | {"timestamp": 1_790_000_000_000, "socketId": "abc", "code": None}) == {
        "callId": "<call>",
        "receiverId": "<receiver>",
        "token": "19|c",
        "n": [1, "x"],
        "timestamp": "<time>",
        "socketId": "<socket>",
        "code": None,
    }


def test_other_forms_of_an_id_have_names_of_their_own() -> None:
    names = Names(PEOPLE)
    call = names.fill("<call>")
    assert names.hide([call, call.removeprefix("CALL_"), "5", "USR_USR_5", "USR_9", "ann"]) == [
        "<call>",
        "<call, bare>",
        "<caller, bare>",
        "<caller, doubled>",
        "<receiver, prefixed>",
        "<third>",
    ]
    assert names.path("/api/users/<receiver, doubled>/online") == "/api/users/USR_USR_9/online"


def test_users_without_numbers_have_one_form() -> None:
    assert not Names(People(Person("ann", "a"), Person("bob", "b"))).numbered


def test_other_people_are_not_taken_down() -> None:
    assert Names(PEOPLE).hide({"users": ["77", "9", "USR_5"]}) == {"users": ["<caller>", "<receiver>"]}


def test_calls_of_an_earlier_story_are_not_of_this_one() -> None:
    names = Names(PEOPLE)
    earlier = names.fill("<call 2>")
    assert names.is_of_story(earlier)
    names.next_story()
    assert not names.is_of_story(earlier)
    assert names.fill("<call 2>") != earlier


@pytest.mark.parametrize(("per_minute", "held_back"), [(0, False), (2, True)])
async def test_who_does_too_much_waits(per_minute: int, held_back: bool) -> None:
    pace = Pace(per_minute, window=0.2)
    begun = time.monotonic()
    for _ in range(3):
        await pace.turn("5")
        await pace.turn("6")
    assert (time.monotonic() - begun > 0.19) is held_back  # a timer may be a tick early
