"""What the switchboard needs of the outside, and what each port promises.

An adapter is named for its backend and its port (`MemoryCallStore`); the promises below are what the shared
contract tests of a port check on every adapter. Calls that may wait take a callback instead of being
coroutines: an adapter that has the answer at hand calls back before it returns, and the hot path stays
synchronous from frame to frame.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

from msgspec import Struct

from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.decision import Decide, Decision, Note
from onlycare_socket.calls.effects import Report
from onlycare_socket.calls.ids import CallId, DeviceId, Millis, UserId
from onlycare_socket.calls.states import DeadlineKind
from onlycare_socket.delivery import Delivery
from onlycare_socket.pauses import Buckets


class StoreUnavailable(Struct, frozen=True, gc=False):
    """The store could not keep its promise: nothing was changed."""

    reason: str


class CallStore(Protocol):
    """Keeps calls, and runs decisions on them one after the other."""

    def transact(
        self,
        call: CallId | None,
        users: tuple[UserId, ...],
        decide: Decide,
        done: Callable[[Decision | StoreUnavailable], object],
    ) -> None:
        """Decides on what is there now, makes it durable, then calls `done` exactly once.

        Atomic: all calls of a decision or none; a lost race decides again.
        Order: `done` runs in version order per call on this node; a transaction begun inside a `done` runs after it.
        Durable when `done` runs: memory no; sqlite survives kill -9; redis: the primary has it.
        Memory calls `done` before it returns.
        """

    def note(self, call: CallId, note: Note) -> None:
        """Adds what became of a decision (who was told) to the call as it is now. Nobody waits for it.

        Changes no state, deadline or party. Runs before any later transaction on this node; a call that is not kept
        is left alone. Durable with the next commit: a crash before it forgets it, so that a device is told again.
        """

    def due(self, limit: int, each: Callable[[CallId, DeadlineKind], None]) -> None:
        """Names the deadlines that have passed, at most `limit`; again after a second if nothing was decided on one."""

    def find(self, call: CallId, done: Callable[[Call | None], None]) -> None:
        """Looks up one call as it was last decided; an ended one for 24 hours at most."""


class CallLog(Protocol):
    """Reads what happened. May lag behind the store by the commit that is on its way; never blocks it."""

    def of_user(
        self, user: UserId, limit: int, done: Callable[[tuple[Call, ...]], None], since: Millis | None = None
    ) -> None:
        """A user's live call and those ended within 24 hours, or not before `since`, newest first."""

    def recent(self, limit: int, done: Callable[[tuple[Call, ...]], None]) -> None:
        """Live calls first, then ended ones, newest first."""

    def timeline(self, call: CallId, done: Callable[[tuple[Step, ...]], None]) -> None:
        """Every step of a call in order; empty when it is no longer kept."""

    def live(self, done: Callable[[tuple[CallId, ...]], None]) -> None:
        """The ids of all live calls."""

    def live_count(self) -> int:
        """How many calls are live now, at once."""


class Facts(Protocol):
    """Small facts that the next process is to know, by kind and key; memory keeps none. Synchronous: it enqueues.

    Durable with the next commit, in the order of the words: a crash before it may forget the last ones.
    """

    def former(self, kind: str) -> Mapping[str, bytes]:
        """What a former process left of a kind and whose time is not over; to be asked once, after storage started."""

    def keep(self, kind: str, key: str, body: bytes, until: Millis | None = None) -> None:
        """Keeps a fact in the place of what its key had, until a time (wall-clock ms) or until it is dropped."""

    def drop(self, kind: str, key: str) -> None:
        """Forgets a fact; one that is not there is no error."""

    def settled(self, done: Callable[[], object]) -> None:
        """Calls `done` when all that was kept and dropped so far is durable, as far as the store keeps anything."""


class StorageError(Exception):
    """Calls cannot be kept where the setting says; the text says why, in one line."""


async def _nothing() -> None:
    pass


class Storage(Struct, frozen=True, kw_only=True):
    """A store, its log and the facts beside. `start` before anything else; it raises StorageError."""

    store: CallStore
    log: CallLog
    facts: Facts
    start: Callable[[], Awaitable[None]] = _nothing
    stop: Callable[[], Awaitable[None]] = _nothing
    trouble: Callable[[], str | None] = lambda: None
    """Says in a word why calls are not kept as promised, or None."""
    commit_seconds: Buckets = Buckets()
    """How long the commits took; empty where there are none."""
    failures: Callable[[], int] = lambda: 0
    """Commits that failed so far."""


class Directory(Protocol):
    """Who is connected, and with which devices. Synchronous: answers from what this node knows now.

    Local: exact. Cluster: as stale as a lease at the most.
    """

    def devices(self, user: UserId) -> tuple[DeviceId, ...]:
        """The devices of a user that have a live socket."""

    def online(self, user: UserId) -> bool:
        """Whether a user has a live socket."""

    def shown(self, user: UserId) -> str | None:
        """The backend's spelling of a user's id, if he was seen lately."""


class Bus(Protocol):
    """Carries deliveries to the nodes that hold the sockets. Synchronous: it enqueues.

    Local: delivered before it returns. Cluster: at least once, deduplicated by call and version, in order per node.
    """

    def send(self, delivery: Delivery) -> None:
        """Hands over one delivery; failure shows in the health of the node, not here."""


class Push(Protocol):
    """Wakes phones that have no live socket. At most once per device and call; may be late or lost. Never raises."""

    @property
    def can_wake(self) -> bool:
        """Whether anybody pushes at all: this server, or the backend inside its own initiate."""

    def wake(self, call: Call, device: DeviceId | None) -> None:
        """Asks for a push for one device that is silent, or for all of the receiver (None). Enqueues."""

    def cancel(self, call: Call) -> None:
        """Takes back the pushes of a call that no longer rings. Enqueues."""


class Backend(Protocol):
    """Is told how calls went, after the clients. At least once within its own time limits; enqueues, never raises."""

    def report(self, report: Report) -> None:
        """Hands over one report."""


class Identity(Struct, frozen=True, gc=False):
    """Who a token belongs to: all that is kept of the backend's answer.

    `user` is canonical; `id` is the backend's own spelling, which answers and events show.
    """

    user: UserId
    id: str
    name: str = ""
    gender: str = ""


RefusalMessage = Literal["Authentication required", "Invalid token", "Authentication failed"]


class Refused(Struct, frozen=True, gc=False):
    """A final no: the client gets CONNECT_ERROR and the Android library gives up (contract section 1)."""

    message: RefusalMessage
    code: str
    retry_after_ms: int | None = None


class Unavailable(Struct, frozen=True, gc=False):
    """No verdict is to be had now: the transport is closed without CONNECT_ERROR, so that the client tries again."""

    reason: str


Verdict = Identity | Refused | Unavailable


class Authenticator(Protocol):
    """Says who a token belongs to."""

    def verify(self, token: str, user_id: str, address: str, done: Callable[[Verdict], None]) -> None:
        """Calls `done` exactly once: before it returns when a verdict is at hand, else within 8 s."""

    def forget(self, user: UserId) -> None:
        """Drops the verdicts of a user, also one that is on its way (log-out, token revoked)."""

    async def start(self) -> None:
        """Begins a start-up check that holds nothing up."""

    async def stop(self) -> None:
        """Ends what is on its way."""

    def health(self) -> dict[str, object]:
        """Facts for the operator: reachable or not, counters."""
