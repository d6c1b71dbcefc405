"""Why a command is refused: one tree, each class with the code that a client sees and the status of HTTP.

An edge maps these in one function; anything else that is raised reaches a client as `internal` without detail.
"""

from typing import ClassVar


class CallError(Exception):
    """A command that is refused. `sentence` is what the client reads; `retryable` says if trying again may help."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    sentence: ClassVar[str] = "Internal error"

    def __init__(self, sentence: str | None = None) -> None:
        self.text = sentence or self.sentence
        super().__init__(self.text)


class InvalidPayload(CallError):
    """Missing, null or mistyped fields."""

    code = "invalid_payload"
    http_status = 422
    sentence = "Invalid payload"


class Forbidden(CallError):
    """The wrong role, or calling oneself."""

    code = "forbidden"
    http_status = 403
    sentence = "Not allowed"


class NotFound(CallError):
    """An unknown call; a call of others answers exactly like one."""

    code = "not_found"
    http_status = 404
    sentence = "Call not found"


class Conflict(CallError):
    """The call is not in a state for this command."""

    code = "conflict"
    http_status = 409
    sentence = "Not possible in this state of the call"


class PartiesMismatch(Conflict):
    """The backend named other parties than those of the call."""

    sentence = "Parties do not match"


class Stale(CallError):
    """An initiate from a send buffer: it was meant for a time that is over."""

    code = "stale"
    http_status = 409
    sentence = "Call is too old"


class RateLimited(CallError):
    """More events than the budget of a user allows."""

    code = "rate_limited"
    http_status = 429
    retryable = True
    sentence = "Too many requests"


class AnsweredElsewhere(CallError):
    """Another device of the same user has the call."""

    code = "answered_elsewhere"
    http_status = 409
    sentence = "Answered on another device"


class Unavailable(CallError):
    """The store could not make the decision durable."""

    code = "unavailable"
    http_status = 503
    retryable = True
    sentence = "Service unavailable"


class Internal(CallError):
    """A fault of the server; the log has all of it."""
