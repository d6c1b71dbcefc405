"""Development tokens: whoever writes one is who it says. For `--dev` and tests only.

A token reads `dev:<user id>` or `dev:<user id>:<anything>`; the second form lets one user have several
devices, since a socket without a `deviceId` belongs to the device (user, token). There is no secret in it, so
the settings refuse this mode unless the server listens on loopback (`config.is_loopback`).
"""

import secrets
from collections.abc import Callable
from typing import Final

from onlycare_socket.credentials import INVALID, claimed, identity_of, malformed
from onlycare_socket.ports import Identity, Refused, Verdict

_SCHEME: Final = "dev:"
_GENDERS: Final = ("MALE", "FEMALE")


def dev_token(user_id: str, device: str | None = None) -> str:
    """Returns a development token of this user; without `device` a new device each time.

    Raises ValueError when the id cannot be told from what follows it.
    """
    if not user_id or ":" in user_id:
        raise ValueError("a development token is made for a user id that is not empty and has no ':' in it")
    return f"{_SCHEME}{user_id}:{device or secrets.token_hex(4)}"


class StaticAuthenticator:
    """The `Authenticator` of development: at once, without I/O, and with nothing to forget."""

    def verify(self, token: str, user_id: str, address: str, done: Callable[[Verdict], None]) -> None:
        """Calls `done` before it returns."""
        done(_verdict(token, user_id))

    def forget(self, user: str) -> None:
        """Does nothing: a development token holds for as long as it can be typed."""

    async def start(self) -> None:
        """Does nothing."""

    async def stop(self) -> None:
        """Does nothing."""

    def health(self) -> dict[str, object]:
        return {"auth": "static"}


def _verdict(token: str, user_id: str) -> Identity | Refused:
    refused = malformed(token, user_id)
    if refused is not None:
        return refused
    if not token.startswith(_SCHEME):
        return INVALID
    subject = token.removeprefix(_SCHEME).partition(":")[0]
    identity = identity_of(subject, f"User {subject}", _GENDERS[ord(subject[-1:] or "0") % 2])
    return INVALID if identity is None else claimed(identity, user_id)
