"""What the comparison finds between a server with the old one's faults and the new one."""

import pytest

from .conftest import QUICK, SLOW, Json

ROWS = {
    "accept-after-cancel": {15},
    "busy-caller": {7},
    "busy-talking": {7},
    "call-blips": {9},
    "call-id-forms": {4},
    "call-id-forms-reject": {4},
    "caller-accepts": {12},
    "caller-blips": {9},
    "caller-rejects": {12},
    "caller-vanishes": {10},
    "early-accept": {3},
    "early-reject": {3},
    "end-twice": {16},
    "no-answer-offline": {1},
    "offline": {1},
    "offline-cancel": {1},
    "old-socket-closes": {8},
    "online-forms": {5},
    "receiver-blips": {9},
    "receiver-cancels": {12},
    "receiver-id-forms": {5},
    "rest-accept-outlives-ring": {6},
    "rest-reject": {2},
    "stranger-accepts": {12},
    "stranger-cancels": {12},
    "stranger-ends": {12},
    "stranger-rejects": {12},
    "timeline": {20},
    "two-sockets": {8},
    "user-id-forms": {5},
}
"""The rows of contract section 7 that each story shows; the others show none."""


def rows(story: Json) -> set[int]:
    return {difference["reason"]["row"] for difference in story["differences"] if "row" in difference["reason"]}


def test_nothing_is_unexplained(side_by_side: dict[str, Json]) -> None:
    assert {name for name, story in side_by_side.items() if story["outcome"] == "surprise"} == set()
    assert side_by_side.keys() == {*QUICK, *SLOW}


def test_each_story_shows_its_rows_and_no_other(side_by_side: dict[str, Json]) -> None:
    assert {name: found for name, story in side_by_side.items() if (found := rows(story))} == ROWS
    assert {side_by_side[name]["outcome"] for name in ROWS} == {"intended"}


@pytest.mark.parametrize("name", ["accept", "reject", "cancel", "glare", "no-answer", "polling", "bad-token"])
def test_what_went_right_is_the_same_and_more(name: str, side_by_side: dict[str, Json]) -> None:
    assert side_by_side[name]["outcome"] == "more"
    assert {difference["kind"] for difference in side_by_side[name]["differences"]} == {"added"}


def test_both_sides_of_a_difference_are_told(side_by_side: dict[str, Json]) -> None:
    (lost,) = [one for one in side_by_side["stranger-accepts"]["differences"] if one["item"] == "caller hears"]
    assert lost == {
        "step": "third: call:accept",
        "item": "caller hears",
        "kind": "removed",
        "old": {"event": "call:accepted", "fields": {"callId": "<call>", "timestamp": "<time>"}},
        "reason": {"row": 12, "text": "anybody could accept, end or reject anybody's call"},
        "surprising": False,
    }
