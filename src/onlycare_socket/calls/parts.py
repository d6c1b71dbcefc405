"""What a call says of its parties, its legs and its timers. Functions, so that they are compiled with the rules."""

from onlycare_socket.calls.call import MAX_LEGS, Call, Leg, Party
from onlycare_socket.calls.ids import DeviceId, Millis, UserId
from onlycare_socket.calls.states import CALLER, MAX_DURATION, RECEIVER, RING, DeadlineKind, Role


def role_of(call: Call, user: UserId) -> Role | None:
    """Says what a user is in a call; None for a stranger."""
    if user == call.caller.user:
        return CALLER
    return RECEIVER if user == call.receiver.user else None


def party_of(call: Call, role: Role) -> Party:
    """Returns the party of a role."""
    return call.caller if role is CALLER else call.receiver


def written_for(call: Call, user: UserId, device: DeviceId | None) -> str:
    """Returns the form of the call id that a device of a party is answered in (contract section 2)."""
    if call.forms:
        for form in call.forms:
            if form.device == device and form.user == user:
                return form.call_id
    caller = call.caller
    return (caller if user == caller.user else call.receiver).call_id


def leg_of(call: Call, user: UserId, device: DeviceId | None) -> Leg | None:
    """Returns the part of one device, if it has one."""
    for leg in call.legs:
        if leg.device == device and leg.user == user:
            return leg
    return None


def with_leg(legs: tuple[Leg, ...], leg: Leg) -> tuple[Leg, ...]:
    """Returns the legs of a call with one put in place of, or behind, the others."""
    user, device = leg.user, leg.device
    for index, old in enumerate(legs):
        if old.device == device and old.user == user:
            return (*legs[:index], leg, *legs[index + 1 :])
    return legs if len(legs) >= MAX_LEGS else (*legs, leg)


def same_deadlines(call: Call, other: Call) -> bool:
    """Whether the timers of two versions of a call are the same."""
    return (
        call.ring_at == other.ring_at
        and call.max_duration_at == other.max_duration_at
        and call.call_grace_at == other.call_grace_at
        and call.caller_grace_at == other.caller_grace_at
        and call.upgrade_at == other.upgrade_at
    )


def deadlines_of(call: Call) -> list[tuple[DeadlineKind, Millis]]:
    """Returns the timers that run."""
    running: list[tuple[DeadlineKind, Millis]] = []
    if (at := call.ring_at) is not None:
        running.append((RING, at))
    if (at := call.max_duration_at) is not None:
        running.append((MAX_DURATION, at))
    if (at := call.call_grace_at) is not None:
        running.append((DeadlineKind.CALL_GRACE, at))
    if (at := call.caller_grace_at) is not None:
        running.append((DeadlineKind.CALLER_GRACE, at))
    if (at := call.upgrade_at) is not None:
        running.append((DeadlineKind.UPGRADE, at))
    return running
