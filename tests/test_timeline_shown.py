"""A timeline on a terminal: what is told in it, and nothing that a terminal would obey."""

from typing import Any

import pytest

from onlycare_socket.cli import show


def timeline(**step: Any) -> dict[str, Any]:
    first = {"at": 1_790_000_000_000, "what": "call:initiate", "by": "USR_5", "device": "d:1", "channel": "socket"}
    return {
        "callId": "CALL_17",
        "steps": [first, {"at": 1_790_000_001_500, "what": "told", **step}],
        "summary": "USR_5 called USR_7 (audio): ringing.",
    }


def test_who_was_told_what_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    show.timeline(timeline(to="USR_7", told=["d:1", "d:2"], detail="call:incoming"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[-7:] == ["1500", "ms", "told", "USR_7", "d:1,", "d:2", "call:incoming"]
    assert lines[-1] == "Call CALL_17: USR_5 called USR_7 (audio): ringing."


@pytest.mark.parametrize("where", ["detail", "device", "by", "channel"])
def test_a_users_words_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str], where: str) -> None:
    show.timeline(timeline(**{where: "reason: \x1b[2Jgone\x07\x9b\ud800"}))
    shown = capsys.readouterr().out
    assert "reason: ?[2Jgone???" in shown
    assert all(letter.isprintable() or letter == "\n" for letter in shown)


def test_neither_can_those_in_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    show.timeline(timeline() | {"summary": 'USR_7 declined: "\x1b]0;x\x07".'})
    assert 'declined: "?]0;x?".' in capsys.readouterr().out
