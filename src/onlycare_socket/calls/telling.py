"""What became of a decision: who was told what, who was there, who was pushed.

Recorded after the packets were written, so that a crash in between tells twice, not never.
"""

from typing import Final

from onlycare_socket.calls.call import MAX_LEGS, Call, Leg, Step
from onlycare_socket.calls.ids import DeviceId, Millis, UserId
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import ACCEPTED, OFFERED, RINGING, RUNG_LEGS, STOPPED, LegState

TERMINAL_EVENTS: Final = frozenset({"call:ended", "call:rejected", "call:timeout", "call:busy"})
"""Events after which a device knows that the call is over for it."""


NOBODY_PUSHES: Final = "nobody pushes"
"""The detail of a push that was never sent, since neither this server nor the backend does."""


STOP: Final = "call:cancelled, call:ended"
"""What a device is told to stop a ring, as the timeline shows it."""


class Told:
    """An event was written to the newest live socket of these devices of a party; `shown` stands for it in the line."""

    __slots__ = ("devices", "shown", "user", "what")

    def __init__(self, user: UserId, devices: tuple[DeviceId, ...], what: str, shown: str) -> None:
        self.user = user
        self.devices = devices
        self.what = what
        self.shown = shown

    def __call__(self, now: Millis, call: Call) -> tuple[Call, Step] | None:
        """Returns the call with the legs that know of it, and the line of its timeline; None for a stranger."""
        user, what, to = self.user, self.what, call.caller
        if user != to.user:
            to = call.receiver
            if user != to.user:
                return None
        legs = before = call.legs
        for device in self.devices:
            legs = _heard(legs, user, device, what, call)
        if legs is not before:
            call = replace(call, version=call.version + 1, legs=legs)
        return call, Step(now, "told", "", "", "", self.shown, self.devices, to.shown)


class Observed:
    """What the server saw or did about the phones of a party: a line of the timeline, and nothing else."""

    __slots__ = ("channel", "detail", "device", "user", "what")

    def __init__(self, user: UserId, what: str, device: DeviceId | None, detail: str = "", channel: str = "") -> None:
        self.user = user
        self.what = what
        self.device = device
        self.detail = detail
        self.channel = channel

    def __call__(self, now: Millis, call: Call) -> tuple[Call, Step] | None:
        """Returns the call as it is, and the line."""
        party = call.caller if self.user == call.caller.user else call.receiver
        return call, Step(now, self.what, party.shown, self.device or "", self.channel, self.detail)


def _heard(legs: tuple[Leg, ...], user: UserId, device: DeviceId, what: str, call: Call) -> tuple[Leg, ...]:
    """Returns the legs after a device has heard an event: the same ones when that makes no difference."""
    for index, leg in enumerate(legs):
        if leg.device == device and leg.user == user:
            knowing = _knowing(leg, what)
            return legs if knowing is leg else (*legs[:index], knowing, *legs[index + 1 :])
    if len(legs) >= MAX_LEGS:
        return legs
    if what == "call:incoming":
        # A ring whose commit took its time may come when the call rings no more: its stop is on the way behind it.
        return (*legs, Leg(user, device, OFFERED if _may_ring(call) else STOPPED))
    if what in TERMINAL_EVENTS:
        return (*legs, Leg(user, device, STOPPED, ended=True))
    return legs


def _may_ring(call: Call) -> bool:
    return call.state is RINGING or (call.state is ACCEPTED and call.receiver.device is None)


def _knowing(leg: Leg, what: str) -> Leg:
    if what == "call:incoming":
        return replace(leg, state=OFFERED if leg.state is LegState.PUSHED else leg.state, missed=False)
    if what == "call:accepted":
        return replace(leg, accepted=True)
    if what in TERMINAL_EVENTS:
        return replace(leg, state=STOPPED if leg.state in RUNG_LEGS else leg.state, ended=True)
    return leg
