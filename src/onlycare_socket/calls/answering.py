"""The rules of a receiver's devices against each other: one wins, the others stop."""

from onlycare_socket.calls.call import Call, Leg, Party
from onlycare_socket.calls.draft import Draft
from onlycare_socket.calls.effects import Tell
from onlycare_socket.calls.ending import TellEnd
from onlycare_socket.calls.errors import AnsweredElsewhere
from onlycare_socket.calls.ids import DeviceId
from onlycare_socket.calls.messages import Accepted, RejectConfirmed
from onlycare_socket.calls.parts import leg_of, with_leg
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import ACCEPTED, ANSWERED, ANSWERED_ELSEWHERE, RECEIVER, STOPPED
from onlycare_socket.calls.user_commands import UserCommand


def accepted(draft: Draft, call: Call, device: DeviceId | None, *, grace: bool = False) -> Call:
    """Makes a ringing call an accepted one, won by a device or (None) by one that is not known yet.

    `grace`: nobody may be connected, so the grace of the call begins now; whoever has a socket when it ends clears it.
    """
    receiver, legs = (call.receiver, call.legs) if device is None else _won(call, device)
    changed = replace(
        call,
        version=draft.version(call),
        state=ACCEPTED,
        receiver=receiver,
        legs=legs,
        accepted=draft.now,
        ring_at=None,
        caller_grace_at=None,
        call_grace_at=draft.after(draft.terms.call_grace) if grace else None,
        max_duration_at=draft.after(draft.terms.max_duration),
    )
    return draft.keep(changed)


def accepted_event(draft: Draft, call: Call) -> Accepted:
    """Returns what the caller is told of it."""
    return Accepted(call_id=call.caller.call_id, receiver_id=call.receiver.shown, timestamp=draft.now)


def name_winner(draft: Draft, call: Call, device: DeviceId) -> Call:
    """Gives the call to a device of the receiver."""
    receiver, legs = _won(call, device)
    return draft.change(call, receiver=receiver, legs=legs)


def _won(call: Call, device: DeviceId) -> tuple[Party, tuple[Leg, ...]]:
    receiver = call.receiver
    mine = Leg(receiver.user, device, ANSWERED)
    return replace(receiver, device=device), with_leg(call.legs, mine)


def elsewhere(draft: Draft, call: Call, command: UserCommand) -> None:
    """Refuses one device because another has the call, and stops its ring."""
    leg = leg_of(call, command.user, command.device)
    if leg is not None and leg.state is not STOPPED:
        call = draft.change(call, legs=with_leg(call.legs, replace(leg, state=STOPPED)))
    draft.refuse(command.call_id, AnsweredElsewhere, call)
    draft.do(TellEnd(call, RECEIVER, draft.now, ANSWERED_ELSEWHERE, stops=True, device=command.device))


def confirm(draft: Draft, call: Call, command: UserCommand) -> None:
    """Tells the device that rejected that its word was taken."""
    draft.do(
        Tell(
            user=command.user,
            call=call.id,
            events=(RejectConfirmed(call_id=command.call_id),),
            device=command.device,
        )
    )
