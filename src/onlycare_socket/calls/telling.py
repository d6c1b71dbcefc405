"""Who was told what: recorded after the packets were written, so that a crash in between tells twice, not never."""

from typing import Final

from onlycare_socket.calls.call import MAX_LEGS, Call, Leg, Step
from onlycare_socket.calls.ids import DeviceId, Millis, UserId
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import OFFERED, STOPPED, LegState

TERMINAL_EVENTS: Final = frozenset({"call:ended", "call:rejected", "call:timeout", "call:busy"})
"""Events after which a device knows that the call is over for it."""


class Told:
    """An event was written to the newest live socket of these devices of a party."""

    __slots__ = ("devices", "user", "what")

    def __init__(self, user: UserId, devices: tuple[DeviceId, ...], what: str) -> None:
        self.user = user
        self.devices = devices
        self.what = what

    def __call__(self, now: Millis, call: Call) -> tuple[Call, Step] | None:
        """Returns the call with the legs that know of it, and the line of its timeline; None for a stranger."""
        user, what, to = self.user, self.what, call.caller
        if user != to.user:
            to = call.receiver
            if user != to.user:
                return None
        legs = before = call.legs
        for device in self.devices:
            legs = _heard(legs, user, device, what)
        if legs is not before:
            call = replace(call, version=call.version + 1, legs=legs)
        return call, Step(now, "told", "", "", "", what, self.devices, to.shown)


def _heard(legs: tuple[Leg, ...], user: UserId, device: DeviceId, what: str) -> tuple[Leg, ...]:
    """Returns the legs after a device has heard an event: the same ones when that makes no difference."""
    for index, leg in enumerate(legs):
        if leg.device == device and leg.user == user:
            knowing = _knowing(leg, what)
            return legs if knowing is leg else (*legs[:index], knowing, *legs[index + 1 :])
    if len(legs) >= MAX_LEGS:
        return legs
    if what == "call:incoming":
        return (*legs, Leg(user, device, OFFERED))
    if what in TERMINAL_EVENTS:
        return (*legs, Leg(user, device, STOPPED, ended=True))
    return legs


def _knowing(leg: Leg, what: str) -> Leg:
    if what == "call:incoming":
        return replace(leg, state=OFFERED if leg.state is LegState.PUSHED else leg.state, missed=False)
    if what == "call:accepted":
        return replace(leg, accepted=True)
    return replace(leg, ended=True) if what in TERMINAL_EVENTS else leg
