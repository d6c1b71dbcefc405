"""Who was told what: recorded after the packets were written, so that a crash in between tells twice, not never."""

from msgspec import Struct

from onlycare_socket.calls.call import Call, Leg, LegState, Step, replace, with_leg
from onlycare_socket.calls.ids import DeviceId, Millis, UserId

TERMINAL_EVENTS = frozenset({"call:ended", "call:rejected", "call:timeout", "call:busy"})
"""Events after which a device knows that the call is over for it."""


class Told(Struct, frozen=True, gc=False):
    """An event was written to the newest live socket of these devices of a party."""

    user: UserId
    devices: tuple[DeviceId, ...]
    what: str

    def __call__(self, now: Millis, call: Call) -> tuple[Call, Step] | None:
        """Returns the call with the legs that know of it, and the line of its timeline; None for a stranger."""
        role = call.role(self.user)
        if role is None:
            return None
        legs = call.legs
        for device in self.devices:
            leg = _knowing(call.leg(self.user, device), self.user, device, self.what)
            if leg is not None:
                legs = with_leg(legs, leg)
        step = Step(now, "told", "", "", "", self.what, self.devices, call.party(role).shown)
        if legs is not call.legs:
            call = replace(call, version=call.version + 1, legs=legs)
        return call, step


def _knowing(leg: Leg | None, user: UserId, device: DeviceId, what: str) -> Leg | None:
    """Returns the leg of a device that has heard an event; None when that makes no difference to it."""
    if what == "call:incoming":
        if leg is None:
            return Leg(user, device, LegState.OFFERED)
        state = LegState.OFFERED if leg.state is LegState.PUSHED else leg.state
        return replace(leg, state=state, missed=False)
    if what == "call:accepted":
        return replace(leg, accepted=True) if leg else None
    if what in TERMINAL_EVENTS:
        return replace(leg, ended=True) if leg else Leg(user, device, LegState.STOPPED, ended=True)
    return None
