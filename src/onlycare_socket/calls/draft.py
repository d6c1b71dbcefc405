"""A decision in the making: the rules change calls, say what is to be done, and note steps; the draft keeps order."""

from collections.abc import Callable

from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.decision import Decision, View
from onlycare_socket.calls.effects import Ack, Effect, Tell
from onlycare_socket.calls.errors import CallError
from onlycare_socket.calls.ids import CallId, DeviceId, Millis
from onlycare_socket.calls.messages import Reply
from onlycare_socket.calls.parts import party_of
from onlycare_socket.calls.records import UNSET, replace
from onlycare_socket.calls.states import Code, EarlyKind, Role, State
from onlycare_socket.calls.terms import Terms


class Draft:
    """Collects one decision. `change` raises a call's version once, however often it is changed here.

    `do` says what is to be done, after what was said before; `steps` are lines for the timelines of calls.
    """

    __slots__ = ("_calls", "_early", "_effects", "do", "now", "steps", "terms", "view")

    def __init__(self, terms: Terms, view: View) -> None:
        self.terms = terms
        self.view = view
        self.now: Millis = view.now
        self.steps: list[tuple[CallId, Step]] = []
        self._calls: dict[CallId, Call] = {}
        self._effects: list[Effect] = []
        self._early: list[Early] = []
        self.do: Callable[[Effect], None] = self._effects.append

    def after(self, ms: int) -> Millis:
        """Returns the time so many ms from now."""
        return Millis(self.now + ms)

    def change(self, call: Call, **fields: object) -> Call:
        """Returns the call with these fields changed, as it will be kept."""
        return self.keep(replace(call, version=self.version(call), **fields))

    def version(self, call: Call) -> int:
        """Returns the version of the call once it is changed here."""
        return call.version if call.id in self._calls else call.version + 1

    def keep(self, call: Call) -> Call:
        """Keeps a call that is new, or was changed and given the `version` it has here."""
        self._calls[call.id] = call
        return call

    def remember(self, early: Early) -> None:
        """Keeps a command whose initiate has not come yet."""
        self._early.append(early)

    def step(
        self,
        call: CallId,
        what: str,
        by: str = "",
        device: DeviceId | None = None,
        channel: str = "",
        detail: str = "",
        *,
        place: int | None = None,
    ) -> None:
        """Adds a line to a call's timeline, at its end or at a `place` before: the length that `steps` had then."""
        line = (call, Step(self.now, what, by, device or "", channel, detail))
        if place is None:
            self.steps.append(line)
        else:
            self.steps.insert(place, line)

    def outcome(self) -> str:
        """Returns what became of the command, in a word for the timeline: empty when it took effect."""
        for effect in self._effects:
            if isinstance(effect, Ack):
                reply = effect.reply
                if not reply.success:
                    return f"refused: {reply.code}"
                return "duplicate" if reply.duplicate is True else ""
        return ""

    def accept(self, call_id: str, state: State, code: Code | None = None, *, duplicate: bool = False) -> None:
        """Acks a command that took effect, now or (`duplicate`) before; `code` is how the call had ended already."""
        self.do(
            Ack(Reply(True, call_id, state=state, duplicate=True if duplicate else UNSET, code=code if code else UNSET))
        )

    def refuse(self, call_id: str, why: type[CallError], call: Call | None = None, text: str | None = None) -> None:
        """Acks a refusal. `call` is given when the sender is a party of it: he may see its state."""
        self.do(
            Ack(
                Reply(
                    success=False,
                    error=text or why.sentence,
                    code=why.code,
                    call_id=call_id,
                    state=call.state if call else UNSET,
                )
            )
        )

    def refuse_unknown(self, call_id: str) -> None:
        """Acks a command on a call that does not exist for its sender."""
        self.do(
            Ack(
                Reply(
                    success=False,
                    error="Call not found",
                    code="not_found",
                    state="unknown",
                    call_id=call_id,
                )
            )
        )

    def decision(self) -> Decision:
        """Returns what was collected."""
        calls, effects = tuple(self._calls.values()), tuple(self._effects)
        known = self.view.call
        if (known is not None and known.forms) or any(call.forms for call in calls):
            spelled = {call.id: call for call in (known, *calls) if call is not None and call.forms}
            for effect in effects:
                _add_forms(effect, spelled)
        return Decision(calls, effects, tuple(self.steps), tuple(self._early))


def _add_forms(effect: Effect, calls: dict[CallId, Call]) -> None:
    """Adds to what is told the forms of the call id that some devices write."""
    if isinstance(effect, Tell) and (call := calls.get(effect.call)) is not None:
        effect.forms = tuple([(form.device, form.call_id) for form in call.forms if form.user == effect.user])


def note_early(draft: Draft, call: Call, early: Early) -> None:
    """Adds to a call's timeline a command that came before it was dialled, at the time when it was said last."""
    names = _SAID_BY_THE_BACKEND if early.device is None else _SAID_BY_A_PHONE
    channel = "backend" if early.device is None else "socket"
    by = (call.caller if early.user == call.caller.user else call.receiver).shown
    at = Millis(early.until - draft.terms.remember)
    step = Step(at, names[early.kind], by, early.device or "", channel, "before it was dialled")
    draft.steps.append((call.id, step))


def note_gave_way(draft: Draft, call: Call, why: str) -> None:
    """Adds to a call's timeline that another one takes its place."""
    draft.step(call.id, "gave way", channel="server", detail=why)


_SAID_BY_A_PHONE: dict[EarlyKind, str] = {
    EarlyKind.ACCEPT: "call:accept",
    EarlyKind.REJECT: "call:reject",
    EarlyKind.CANCEL: "call:cancel",
    EarlyKind.END: "call:end",
}
_SAID_BY_THE_BACKEND: dict[EarlyKind, str] = {
    EarlyKind.ACCEPT: "call-accepted",
    EarlyKind.REJECT: "call-rejected",
    EarlyKind.CANCEL: "call-cancelled",
    EarlyKind.END: "call-ended",
}


def spell(draft: Draft, call: Call, role: Role, shown: str) -> Call:
    """Takes over the backend's spelling of a party's id once he was seen; until then it is the other one's."""
    party = party_of(call, role)
    if not shown or party.shown == shown:
        return call
    return draft.change(call, **{role.value: replace(party, shown=shown)})
