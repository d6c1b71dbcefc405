"""Canonical forms of the ids that clients and the backend write in several ways.

Contract sections 1 and 2: `USR_USR_5`, `USR_5` and `5` name one user; `CALL_17` and `17` name one call.
Everything inside the server uses the canonical form; what is shown to a party is kept beside it.
"""

import re
from typing import Final, NewType

UserId = NewType("UserId", str)
"""A canonical user id."""
CallId = NewType("CallId", str)
"""A canonical call id."""
DeviceId = NewType("DeviceId", str)
"""A device of one user: `d:<deviceId>`, or `t:<short hash of the token>` for a socket without one."""
Millis = NewType("Millis", int)
"""Wall-clock milliseconds since 1970."""

MAX_ID: Final = 128
"""Characters of a user id or a call id at the most (contract section 2)."""

_NUMBERED_USER: Final = re.compile(r"(?:USR_)+([0-9]+)", re.ASCII)
_CALL: Final = re.compile(rf"[0-9A-Za-z._~-]{{1,{MAX_ID}}}", re.ASCII)
_DATED_CALL: Final = re.compile(r"CALL_([0-9]{10})[0-9]{4}", re.ASCII)


def canonical_user(text: str) -> UserId:
    """Returns the one name of a user: the bare number of `USR_5` and `USR_USR_5`, else the text as it is."""
    match = _NUMBERED_USER.fullmatch(text) if text.startswith("USR_") else None
    return UserId(match[1] if match else text)


def is_user(text: str) -> bool:
    """Says whether a text can name a user: not empty, not over-long, printable."""
    return 0 < len(text) <= MAX_ID and text.isprintable()


def canonical_call(text: str) -> CallId:
    """Returns the one name of a call: without its `CALL_` prefix.

    Raises ValueError when the text is no call id.
    """
    bare = bare_call(text)
    if bare.isalnum() and bare.isascii() and len(text) <= MAX_ID:  # nearly always, and quicker
        return bare
    if not _CALL.fullmatch(text):
        raise ValueError(f"a call id has 1 to {MAX_ID} characters of 0-9 A-Z a-z . _ ~ -")
    return bare


def bare_call(text: str) -> CallId:
    """Returns the one name of a call by what is known to be a call id."""
    return CallId(text.removeprefix("CALL_") or text)


def dialled_at(written: str) -> int | None:
    """Returns the unix seconds in an id of the form `CALL_<10 digits of seconds><4 digits>`, else None.

    The backend makes its ids so; any other id says nothing about time (contract section 2).
    """
    match = _DATED_CALL.fullmatch(written)
    return int(match[1]) if match else None
