"""What a client may say over its socket, turned into commands; what comes back, turned into acks.

Contract section 2. One short function an event: look at the payload, count it against the user's budget, build the
command, hand it to the switchboard, which answers before it returns when the store is in memory. Who somebody is
comes from his connection, never from a payload. No rule of calls is decided here.

A payload that does not fit is refused (`invalid_payload`) and the socket stays open; without an ack silently, and
never with a line in the log, so that no client can fill it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import Struct, UnsetType

from onlycare_socket.calls.call import Call
from onlycare_socket.calls.errors import CallError, Internal, InvalidPayload, RateLimited, Unavailable
from onlycare_socket.calls.ids import canonical_user, is_user
from onlycare_socket.calls.messages import (
    CallPayload,
    InitiatePayload,
    ReasonPayload,
    Reply,
    SyncPayload,
    SyncReply,
    UpgradeAnswerPayload,
    WatchPayload,
    WatchReply,
)
from onlycare_socket.calls.parts import role_of
from onlycare_socket.calls.records import UNSET
from onlycare_socket.calls.telling import Observed
from onlycare_socket.calls.user_commands import (
    Accept,
    AnswerVideo,
    AskVideo,
    Cancel,
    Decline,
    Dial,
    HangUp,
    Show,
    UserCommand,
)
from onlycare_socket.calls.words import clip
from onlycare_socket.clock import Clock
from onlycare_socket.limits import EventBudget
from onlycare_socket.ports import CallLog, CallStore, Directory
from onlycare_socket.presence import MAX_WATCHED, Presence, TooManyWatches
from onlycare_socket.socket_payloads import initiate_problem, misfit, readable_call, refusal, sync_row, written_call_id
from onlycare_socket.sockets import Connection
from onlycare_socket.switchboard import Switchboard
from onlycare_socket.transport.namespace import Namespace, Socket
from onlycare_socket.wire.socketio import ack_packet

MAX_SYNC: Final = 20
"""Calls in the answer of `call:sync`."""
UPGRADE_NAMES: Final = ("call:upgrade", "call:switchToVideo", "call:switch_to_video")
"""Asking for video, as the contract, the app and its older version name it."""


class Answer:
    """Takes the reply to one command: counts it, and acks it if the client asked for an ack."""

    __slots__ = ("_ack_id", "_results", "_socket", "given")

    def __init__(self, socket: Socket, ack_id: int | None, results: dict[str, int]) -> None:
        self._socket = socket
        self._ack_id = ack_id
        self._results = results
        self.given = False

    def __call__(self, reply: Reply) -> None:
        self.given = True
        _count(self._results, "ok" if reply.success else "offline" if reply.code is UNSET else str(reply.code))
        if self._ack_id is not None:
            self._socket.send(ack_packet(self._ack_id, reply))


def _count(results: dict[str, int], result: str) -> None:
    results[result] = results.get(result, 0) + 1


class SocketApi:
    """The events of clients. `results` counts them by name and by how they were answered."""

    def __init__(
        self,
        *,
        switchboard: Switchboard,
        store: CallStore,
        log: CallLog,
        directory: Directory,
        presence: Presence,
        budget: EventBudget,
        clock: Clock,
    ) -> None:
        self._switchboard = switchboard
        self._store = store
        self._log = log
        self._directory = directory
        self._presence = presence
        self._budget = budget
        self._clock = clock
        self._payloads: dict[str, type[Struct]] = {}
        self.results: dict[str, dict[str, int]] = {"unknown": {}}

    def register(self, namespace: Namespace) -> None:
        """Makes a namespace understand every event of the contract."""
        self._on(namespace, "call:initiate", InitiatePayload, self._initiate)
        self._on(namespace, "call:accept", CallPayload, self._accept)
        self._on(namespace, "call:reject", ReasonPayload, self._reject)
        self._on(namespace, "call:cancel", ReasonPayload, self._cancel)
        self._on(namespace, "call:end", CallPayload, self._end)
        self._on(namespace, "call:ringing", CallPayload, self._ringing)
        for name in UPGRADE_NAMES:
            self._on(namespace, name, CallPayload, partial(self._upgrade, name))
        self._on(namespace, "call:upgrade:response", UpgradeAnswerPayload, self._upgrade_response)
        self._on(namespace, "call:sync", SyncPayload, self._sync)
        self._on(namespace, "presence:watch", WatchPayload, self._watch)
        namespace.on_invalid = self._invalid
        namespace.on_unknown = self._unknown

    def _on(
        self, namespace: Namespace, name: str, payload: type[Any], handler: Callable[[Socket, Any, int | None], None]
    ) -> None:
        self._payloads[name] = payload
        self.results[name] = {}
        namespace.on(name, payload, handler)

    # ---------------------------------------------------------------- calls

    def _initiate(self, socket: Socket, payload: InitiatePayload, ack_id: int | None) -> None:
        me: Connection = socket.data
        now = self._clock.monotonic()
        within = self._budget.allow(me.user, now)
        if (problem := initiate_problem(payload)) is not None:
            self._refuse(socket, "call:initiate", ack_id, payload.call_id, InvalidPayload(problem))
            return
        receiver = canonical_user(payload.receiver_id)
        sent = payload.timestamp
        command = Dial(
            me.user,
            me.device,
            payload.call_id,
            me.shown,
            socket=socket.id,
            here=self._directory.devices(me.user),
            name=me.identity.name,
            receiver=receiver,
            receiver_shown=self._directory.shown(receiver) or payload.receiver_id,
            call_type=payload.call_type,
            channel_name=payload.channel_name,
            agora_token=payload.agora_token,
            sent=None if isinstance(sent, UnsetType) else int(sent),
            since_connect=int((now - me.since) * 1000),
            over_budget=not within,
        )
        self._command("call:initiate", socket, ack_id, command)

    def _accept(self, socket: Socket, payload: CallPayload, ack_id: int | None) -> None:
        if (me := self._admitted(socket, "call:accept", payload.call_id, ack_id)) is not None:
            command = Accept(me.user, me.device, payload.call_id, me.shown)
            self._command("call:accept", socket, ack_id, command)

    def _reject(self, socket: Socket, payload: ReasonPayload, ack_id: int | None) -> None:
        if (me := self._admitted(socket, "call:reject", payload.call_id, ack_id, forced=True)) is not None:
            command = Decline(me.user, me.device, payload.call_id, me.shown, clip(payload.reason))
            self._command("call:reject", socket, ack_id, command)

    def _cancel(self, socket: Socket, payload: ReasonPayload, ack_id: int | None) -> None:
        if (me := self._admitted(socket, "call:cancel", payload.call_id, ack_id, forced=True)) is not None:
            command = Cancel(me.user, me.device, payload.call_id, me.shown, clip(payload.reason))
            self._command("call:cancel", socket, ack_id, command)

    def _end(self, socket: Socket, payload: CallPayload, ack_id: int | None) -> None:
        if (me := self._admitted(socket, "call:end", payload.call_id, ack_id, forced=True)) is not None:
            here = self._directory.devices(me.user)
            command = HangUp(me.user, me.device, payload.call_id, me.shown, here)
            self._command("call:end", socket, ack_id, command)

    def _ringing(self, socket: Socket, payload: CallPayload, ack_id: int | None) -> None:
        if (me := self._admitted(socket, "call:ringing", payload.call_id, ack_id, forced=True)) is not None:
            command = Show(me.user, me.device, payload.call_id, me.shown)
            self._command("call:ringing", socket, ack_id, command)

    def _upgrade(self, name: str, socket: Socket, payload: CallPayload, ack_id: int | None) -> None:
        if (me := self._admitted(socket, name, payload.call_id, ack_id)) is not None:
            command = AskVideo(me.user, me.device, payload.call_id, me.shown)
            self._command(name, socket, ack_id, command)

    def _upgrade_response(self, socket: Socket, payload: UpgradeAnswerPayload, ack_id: int | None) -> None:
        if (me := self._admitted(socket, "call:upgrade:response", payload.call_id, ack_id)) is not None:
            reason = clip(payload.reason)
            command = AnswerVideo(
                me.user, me.device, payload.call_id, me.shown, accepted=payload.accepted, reason=reason
            )
            self._command("call:upgrade:response", socket, ack_id, command)

    def _command(self, name: str, socket: Socket, ack_id: int | None, command: UserCommand) -> None:
        """Hands a command over. A fault of ours is acked `internal`; the server logs it."""
        answer = Answer(socket, ack_id, self.results[name])
        try:
            self._switchboard.command(command, answer)
        except Exception:
            if not answer.given:
                answer(refusal(Internal(), command.call_id))
            raise

    def _admitted(
        self, socket: Socket, name: str, call_id: str, ack_id: int | None, *, forced: bool = False
    ) -> Connection | None:
        """Counts an event and looks at its call id; answers by itself, and returns None, when it may not go on."""
        me: Connection = socket.data
        within = self._budget.allow(me.user, self._clock.monotonic(), forced=forced)
        if readable_call(call_id) is None:
            self._refuse(socket, name, ack_id, None, InvalidPayload("Invalid callId"))
            return None
        if not within:
            self._refuse(socket, name, ack_id, call_id, RateLimited())
            return None
        return me

    # ---------------------------------------------------------------- asking

    def _sync(self, socket: Socket, payload: SyncPayload, ack_id: int | None) -> None:
        me: Connection = socket.data
        self._budget.allow(me.user, self._clock.monotonic(), forced=True)
        _count(self.results["call:sync"], "ok")

        def answer(calls: tuple[Call, ...]) -> None:
            rows = tuple(sync_row(call, me.user, me.device) for call in calls)
            if ack_id is not None:
                socket.ack(ack_id, SyncReply(success=True, server_time=self._clock.wall(), calls=rows))

        self._log.of_user(me.user, MAX_SYNC, answer)

    def _watch(self, socket: Socket, payload: WatchPayload, ack_id: int | None) -> None:
        connection: Connection = socket.data
        if not self._budget.allow(connection.user, self._clock.monotonic()):
            self._refuse(socket, "presence:watch", ack_id, None, RateLimited())
        elif len(payload.user_ids) > MAX_WATCHED or not all(map(is_user, payload.user_ids)):
            problem = f"userIds has at most {MAX_WATCHED} user ids"
            self._refuse(socket, "presence:watch", ack_id, None, InvalidPayload(problem))
        else:
            try:
                online = self._presence.watch(connection, payload.user_ids)
            except TooManyWatches:
                self._refuse(socket, "presence:watch", ack_id, None, Unavailable())
                return
            _count(self.results["presence:watch"], "ok")
            if ack_id is not None:
                socket.ack(ack_id, WatchReply(success=True, online=online))

    # ---------------------------------------------------------------- refusing

    def _invalid(self, socket: Socket, name: str, args: list[object], ack_id: int | None) -> None:
        """A known event whose payload does not fit its type."""
        self._budget.allow(socket.data.user, self._clock.monotonic(), forced=True)
        self._refuse(socket, name, ack_id, written_call_id(args), InvalidPayload(misfit(args, self._payloads[name])))

    def _unknown(self, socket: Socket, name: str, args: list[object], ack_id: int | None) -> None:
        """An event that the contract does not know."""
        self._budget.allow(socket.data.user, self._clock.monotonic(), forced=True)
        self._refuse(socket, "unknown", ack_id, written_call_id(args), InvalidPayload("Unknown event"))

    def _refuse(self, socket: Socket, name: str, ack_id: int | None, call_id: object, why: CallError) -> None:
        """Acks a refusal that needed no decision; a party is told the state of his call all the same."""
        answer = Answer(socket, ack_id, self.results[name])
        readable = readable_call(call_id)
        if ack_id is None or readable is None:
            answer(refusal(why))
            return
        user = socket.data.user

        def found(call: Call | None) -> None:
            is_party = call is not None and role_of(call, user) is not None
            if is_party and isinstance(why, RateLimited):
                line = Observed(user, name, socket.data.device, f"refused: {why.code}", "socket")
                self._store.note(readable, line)
            answer(refusal(why, str(call_id), call.state if call is not None and is_party else None))

        self._store.find(readable, found)
