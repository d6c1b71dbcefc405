"""What the backend said of tokens lately, by the SHA-256 of the token: the token itself is never kept.

Three ages (contract section 1): a yes younger than 5 min is used as it is; an older one, up to 24 h, counts only
when the backend does not answer; a no is remembered for 5 s and takes a yes with it at once.

Each yes is kept among the facts, too, so that the next process takes it up; the facts never know more than memory
does. Within a process the age of a yes is monotonic time, from one to the next it is counted by the wall clock.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NewType

import msgspec
from msgspec import Struct, msgpack

from onlycare_socket.adapters.absent import AbsentFacts
from onlycare_socket.calls.ids import Millis, UserId
from onlycare_socket.clock import SystemClock
from onlycare_socket.ports import Facts, Identity

TokenHash = NewType("TokenHash", bytes)

KIND: Final = "verdict"
"""What verdicts are among the facts; their key is the hash in hexadecimal digits."""
_HASH_BYTES: Final = 32


def token_hash(token: str) -> TokenHash:
    """Returns the 32 bytes a token is known by; they cannot be turned back."""
    return TokenHash(hashlib.sha256(token.encode()).digest())


class Yes(Struct, frozen=True, gc=False):
    """Whose token it is, and when the backend said so: seconds of the monotonic clock."""

    identity: Identity
    at: float
    former: bool = False
    """Whether the backend said so to a former process, and nothing since."""


class KeptYes(Struct, frozen=True, gc=False, array_like=True):
    """A yes as it stands among the facts. Another version may add fields at the end."""

    user: UserId
    id: str
    name: str
    gender: str
    at: Millis
    """When the backend said so, by the wall clock."""


_encode: Final = msgpack.Encoder().encode
_decode: Final = msgpack.Decoder(KeptYes).decode


class Verdicts:
    """A bounded memory of yes and no; the yes unused for the longest time is dropped first.

    A flood of wrong tokens cannot push out the good ones: the two are counted apart.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        facts: Facts | None = None,
        wall: Callable[[], Millis] | None = None,
        fresh: float = 300.0,
        kept: float = 86_400.0,
        refused: float = 5.0,
        most: int = 20_000,
    ) -> None:
        """`clock` is monotonic; times are seconds; `most` counts each of yes and no. Without `facts` none are kept."""
        self._clock = clock
        self._facts = facts or AbsentFacts()
        self._wall = wall or SystemClock().wall
        self._fresh = fresh
        self._kept = kept
        self._refused = refused
        self._most = most
        self._yes: OrderedDict[TokenHash, Yes] = OrderedDict()
        self._no: OrderedDict[TokenHash, float] = OrderedDict()

    def take_up(self) -> int:
        """Takes up what a former process was told, the newest of it if it is too much; returns how many.

        A yes from the future was given before the wall clock was set back, nobody knows when: it counts as given now.
        """
        wall, now = self._wall(), self._clock()
        found = sorted(self._read(wall), key=lambda entry: entry[1].at)
        surplus = max(0, len(found) - self._most)
        for token, _ in found[:surplus]:
            self._drop(token)
        for token, kept in found[surplus:]:
            identity = Identity(user=kept.user, id=kept.id, name=kept.name, gender=kept.gender)
            self._yes[token] = Yes(identity, now - max(0, wall - kept.at) / 1000, former=True)
            if kept.at > wall:
                self._keep(token, identity)
        return len(self._yes)

    def fresh(self, token: TokenHash) -> Identity | None:
        """Returns whose token it is, if the backend said so within the last 5 min."""
        yes = self._younger_than(self._fresh, token)
        return None if yes is None else yes.identity

    def stale(self, token: TokenHash) -> Identity | None:
        """Returns whose token it was, if the backend said so within the last 24 h."""
        yes = self._younger_than(self._kept, token)
        return None if yes is None else yes.identity

    def former(self, token: TokenHash) -> Identity | None:
        """Returns whose token it was, if all that is known of it was said to a former process in the last 24 h."""
        yes = self._younger_than(self._kept, token)
        return None if yes is None or not yes.former else yes.identity

    def refused(self, token: TokenHash) -> bool:
        """Says whether the backend refused this token within the last 5 s."""
        at = self._no.get(token)
        return at is not None and self._clock() - at < self._refused

    def accept(self, token: TokenHash, identity: Identity) -> None:
        """Remembers a yes of the backend's."""
        self._no.pop(token, None)
        self._yes[token] = Yes(identity, self._clock())
        self._yes.move_to_end(token)
        self._keep(token, identity)
        if len(self._yes) > self._most:
            unused, _ = self._yes.popitem(last=False)
            self._drop(unused)

    def refuse(self, token: TokenHash) -> None:
        """Remembers a no of the backend's; a yes from before is forgotten at once."""
        if self._yes.pop(token, None) is not None:
            self._drop(token)
        self._no[token] = self._clock()
        self._no.move_to_end(token)
        if len(self._no) > self._most:
            self._no.popitem(last=False)

    def forget(self, user: UserId) -> None:
        """Drops every yes of a user. Looks through all of them, a few ms at the most: log-outs are rare."""
        for token in [token for token, yes in self._yes.items() if yes.identity.user == user]:
            del self._yes[token]
            self._drop(token)

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return len(self._yes) + len(self._no)

    def _younger_than(self, seconds: float, token: TokenHash) -> Yes | None:
        yes = self._yes.get(token)
        if yes is None or self._clock() - yes.at >= seconds:
            return None
        self._yes.move_to_end(token)
        return yes

    # The facts -------------------------------------------------------------------------------------------------------

    def _read(self, wall: Millis) -> list[tuple[TokenHash, KeptYes]]:
        """Returns what counts of the former facts; what is too old or makes no sense is dropped."""
        found = []
        for key, body in self._facts.former(KIND).items():
            kept = _readable(key, body)
            if kept is None or wall - kept.at >= self._kept * 1000:
                self._facts.drop(KIND, key)
            else:
                found.append((TokenHash(bytes.fromhex(key)), kept))
        return found

    def _keep(self, token: TokenHash, identity: Identity) -> None:
        at = self._wall()
        body = _encode(KeptYes(identity.user, identity.id, identity.name, identity.gender, at))
        self._facts.keep(KIND, token.hex(), body, Millis(at + round(self._kept * 1000)))

    def _drop(self, token: TokenHash) -> None:
        self._facts.drop(KIND, token.hex())


def _readable(key: str, body: bytes) -> KeptYes | None:
    try:
        return _decode(body) if len(bytes.fromhex(key)) == _HASH_BYTES else None
    except (msgspec.DecodeError, ValueError):
        return None
