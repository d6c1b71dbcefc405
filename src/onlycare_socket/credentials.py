"""What every authenticator says of credentials before, and after, it looks at the token itself.

Contract section 1. The Android client gives up for good on a CONNECT_ERROR, so a refusal is for what no retry
can mend: absent, over-long, or wrong credentials. A backend in trouble is never one (`ports.Unavailable`).
"""

from typing import Final

from onlycare_socket.calls.ids import MAX_ID, canonical_user, is_user
from onlycare_socket.ports import Identity, Refused

MAX_TOKEN: Final = 4096
"""Characters of a token at the most."""
MAX_NAME: Final = 256
"""Characters of a name or a gender that are kept."""

REQUIRED: Final = Refused(message="Authentication required", code="auth_required")
FAILED: Final = Refused(message="Authentication failed", code="auth_failed")
INVALID: Final = Refused(message="Invalid token", code="invalid_token")


def malformed(token: str, user_id: str) -> Refused | None:
    """Returns the refusal of credentials that no backend needs to be asked about, else None.

    A token outside printable ASCII cannot be put in a header, so nobody can have issued it.
    """
    if not token or not user_id:
        return REQUIRED
    if len(token) > MAX_TOKEN or len(user_id) > MAX_ID:
        return FAILED
    if not (token.isascii() and token.isprintable()) or token != token.strip():
        return INVALID
    return None


def claimed(identity: Identity, user_id: str) -> Identity | Refused:
    """Returns the identity if `user_id`, what the client said, names the same user, else the refusal."""
    return identity if canonical_user(user_id) == identity.user else INVALID


def identity_of(subject: object, name: object, gender: object) -> Identity | None:
    """Returns the identity a backend or a token speaks of, or None when its id names no user.

    An id is text or an integer; a name or a gender that is missing or no text reads as "".
    """
    if isinstance(subject, bool) or not isinstance(subject, int | str):
        return None
    written = str(subject)
    if not is_user(written):
        return None
    return Identity(
        user=canonical_user(written),
        id=written,
        name=_text(name),
        gender=_text(gender),
    )


def _text(value: object) -> str:
    """Returns text that can be written as UTF-8: the JSON of a JWT may hold halves of characters."""
    return value[:MAX_NAME].encode("utf-8", "replace").decode() if isinstance(value, str) else ""
