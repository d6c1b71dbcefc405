"""Turning an audio call into a video call."""

from typing import Any

from onlycare_socket.cli.compare.moves import ABSENT, CALLER, RECEIVER, accept, command, dial
from onlycare_socket.cli.compare.reasons import section
from onlycare_socket.cli.compare.steps import Say, Story

_ACK = section(2, "an accepted command is acked with the call's state")


def _ask(event: str) -> Say:
    return command(
        CALLER,
        event,
        answer={"success": True, "state": "accepted", "message": ABSENT},
        hears={RECEIVER: ("call:upgrade:request",)},
        why={"answer": _ACK},
        receiverId="<receiver>",
        senderId="<caller>",
        timestamp="<now>",
    )


def _answer(accepted: bool, **fields: Any) -> Say:
    return command(
        RECEIVER,
        "call:upgrade:response",
        answer={"success": True, "state": "accepted"},
        hears={CALLER: ("call:upgrade:response",)},
        why={},
        receiverId="<caller>",
        senderId="<receiver>",
        accepted=accepted,
        **fields,
    )


STORIES = (
    Story(
        name="video",
        about="the caller asks for video, the receiver agrees",
        steps=(dial(), accept(), _ask("call:upgrade"), _answer(True)),
    ),
    Story(
        name="video-declined",
        about="the caller asks for video, the receiver does not want it",
        steps=(dial(), accept(), _ask("call:upgrade"), _answer(False, reason="Not now")),
    ),
    Story(
        name="video-alias",
        about="the caller asks by the other name of the event",
        steps=(dial(), accept(), _ask("call:switchToVideo")),
    ),
)
