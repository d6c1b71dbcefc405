"""What the backend said of tokens lately, by the SHA-256 of the token: the token itself is never kept.

Three ages (contract section 1): a yes younger than 5 min is used as it is; an older one, up to 24 h, counts only
when the backend does not answer; a no is remembered for 5 s and takes a yes with it at once.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import NewType

from onlycare_socket.calls.ids import UserId
from onlycare_socket.ports import Identity

TokenHash = NewType("TokenHash", bytes)


def token_hash(token: str) -> TokenHash:
    """Returns the 32 bytes a token is known by; they cannot be turned back."""
    return TokenHash(hashlib.sha256(token.encode()).digest())


class Verdicts:
    """A bounded memory of yes and no; the yes unused for the longest time is dropped first.

    A flood of wrong tokens cannot push out the good ones: the two are counted apart.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        fresh: float = 300.0,
        kept: float = 86_400.0,
        refused: float = 5.0,
        most: int = 20_000,
    ) -> None:
        """`clock` is monotonic; times are seconds; `most` counts each of yes and no."""
        self._clock = clock
        self._fresh = fresh
        self._kept = kept
        self._refused = refused
        self._most = most
        self._yes: OrderedDict[TokenHash, tuple[Identity, float]] = OrderedDict()
        self._no: OrderedDict[TokenHash, float] = OrderedDict()

    def fresh(self, token: TokenHash) -> Identity | None:
        """Returns whose token it is, if the backend said so within the last 5 min."""
        return self._younger_than(self._fresh, token)

    def stale(self, token: TokenHash) -> Identity | None:
        """Returns whose token it was, if the backend said so within the last 24 h."""
        return self._younger_than(self._kept, token)

    def refused(self, token: TokenHash) -> bool:
        """Says whether the backend refused this token within the last 5 s."""
        at = self._no.get(token)
        return at is not None and self._clock() - at < self._refused

    def accept(self, token: TokenHash, identity: Identity) -> None:
        """Remembers a yes of the backend's."""
        self._no.pop(token, None)
        self._yes[token] = (identity, self._clock())
        self._yes.move_to_end(token)
        if len(self._yes) > self._most:
            self._yes.popitem(last=False)

    def refuse(self, token: TokenHash) -> None:
        """Remembers a no of the backend's; a yes from before is forgotten at once."""
        self._yes.pop(token, None)
        self._no[token] = self._clock()
        self._no.move_to_end(token)
        if len(self._no) > self._most:
            self._no.popitem(last=False)

    def forget(self, user: UserId) -> None:
        """Drops every yes of a user. Looks through all of them: about 1 ms at the most, and log-outs are rare."""
        for token in [token for token, (identity, _) in self._yes.items() if identity.user == user]:
            del self._yes[token]

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return len(self._yes) + len(self._no)

    def _younger_than(self, seconds: float, token: TokenHash) -> Identity | None:
        held = self._yes.get(token)
        if held is None or self._clock() - held[1] >= seconds:
            return None
        self._yes.move_to_end(token)
        return held[0]
