"""The words for what happened: the reasons in events, the sentences in acks (contract section 3)."""

from typing import Final, Literal

from msgspec import UnsetType

from onlycare_socket.calls.states import Code

MAX_REASON = 200
"""Characters of a client's reason that are passed on."""

INITIATED: Final = "Call initiated successfully"
OFFLINE: Final = "User offline - FCM notification sent"
USER_BUSY: Final = "User is busy"

_REASONS: Final[dict[Code, str]] = {
    Code.COMPLETED: "Remote user ended call",
    Code.CANCELLED: "Caller ended call",
    Code.DECLINED: "User declined",
    Code.NO_ANSWER: "Timeout",
    Code.UNREACHABLE: "Timeout",
    Code.CONNECTION_LOST: "User disconnected",
    Code.ANSWERED_ELSEWHERE: "Answered on another device",
    Code.DECLINED_ELSEWHERE: "Declined on another device",
    Code.BUSY: USER_BUSY,
    Code.GLARE: USER_BUSY,
}


def reason_of(code: Code, given: str = "", side: Literal["caller", "receiver"] = "receiver") -> str:
    """Returns the reason that goes with a code; `given` is the text of the one who ended the call, if any."""
    if given and code in (Code.CANCELLED, Code.DECLINED):
        return given
    if side == "caller" and code in (Code.NO_ANSWER, Code.UNREACHABLE):
        return "No answer"
    return _REASONS.get(code) or code.value.replace("_", " ").capitalize()


def reason_given(reason: str) -> str:
    """Returns a reason as a timeline shows it: empty when none was given."""
    return f"reason: {reason}" if reason else ""


def clip(reason: str | UnsetType) -> str:
    """Returns a client's reason, cut; empty when there is none."""
    return "" if isinstance(reason, UnsetType) else reason[:MAX_REASON]
