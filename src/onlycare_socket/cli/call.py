"""A whole call between two virtual phones, each step with its latency: the quickest proof that a deployment works."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from onlycare_socket.cli.virtual_phone import Transport, VirtualPhone

Outcome = Literal["accept", "reject", "cancel"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What call to make."""

    url: str
    caller: str
    callee: str
    caller_token: str
    callee_token: str
    outcome: Outcome = "accept"
    transport: Transport = "upgrade"
    call_type: str = "audio"
    hold: float = 0.0
    """Seconds an accepted call lasts."""
    timeout: float = 10.0
    """Seconds each step may take."""


class Step(msgspec.Struct, frozen=True, rename="camel"):
    """One thing that happened."""

    who: str
    what: str
    ms: float
    """Since the command that caused it was sent."""


class ScriptedCall:
    """One run of a plan. `said` is called with each step as it happens."""

    def __init__(self, plan: Plan, said: Callable[[Step], None]) -> None:
        self._plan = plan
        self._said = said
        self.call_id = new_call_id()
        self._caller = VirtualPhone("caller", plan.caller, plan.caller_token, self.call_id)
        self._callee = VirtualPhone("receiver", plan.callee, plan.callee_token, self.call_id)
        self._sent = 0.0

    async def run(self) -> None:
        """Makes the call. Raises a Failure on the first step that fails, having left no call behind."""
        try:
            await self._connect(self._callee)
            await self._connect(self._caller)
            await self._ring()
            await {"accept": self._accept, "reject": self._reject, "cancel": self._cancel}[self._plan.outcome]()
        finally:
            await asyncio.gather(self._caller.hang_up(), self._callee.disconnect())

    async def _connect(self, phone: VirtualPhone) -> None:
        self._sent = time.perf_counter()
        transport = await phone.connect(self._plan.url, self._plan.transport, self._plan.timeout)
        self._say(phone, f"connected as user {phone.user} by {transport}", time.perf_counter())

    async def _ring(self) -> None:
        await self._command(
            self._caller,
            "call:initiate",
            receiverId=self._plan.callee,
            callType=self._plan.call_type,
            channelName=f"channel_{self.call_id}",
            agoraToken="",
            timestamp=time.time_ns() // 1_000_000,
        )
        await self._hear(self._callee, "call:incoming")
        await self._command(self._callee, "call:ringing")
        await self._hear(self._caller, "call:ringing")

    async def _accept(self) -> None:
        await self._command(self._callee, "call:accept")
        await self._hear(self._caller, "call:accepted")
        await asyncio.sleep(self._plan.hold)
        await self._command(self._caller, "call:end")
        await self._hear(self._callee, "call:ended")

    async def _reject(self) -> None:
        await self._command(self._callee, "call:reject", reason="User declined")
        await self._hear(self._callee, "call:reject:confirmed")
        await self._hear(self._caller, "call:rejected")

    async def _cancel(self) -> None:
        await self._command(self._caller, "call:cancel", reason="Caller ended call")
        await self._hear(self._callee, "call:cancelled")
        await self._hear(self._callee, "call:ended")

    async def _command(self, phone: VirtualPhone, event: str, **fields: Any) -> None:
        self._sent = time.perf_counter()
        await phone.command(event, self._plan.timeout, **fields)
        self._say(phone, f"sent {event}, acknowledged", time.perf_counter())

    async def _hear(self, phone: VirtualPhone, event: str) -> None:
        at = await phone.hear(event, self._plan.timeout)
        self._say(phone, f"got {event}", at)

    def _say(self, phone: VirtualPhone, what: str, at: float) -> None:
        self._said(Step(phone.name, what, round((at - self._sent) * 1000, 2)))


def make_call(plan: Plan, said: Callable[[Step], None]) -> str:
    """Runs a plan to its end and returns the call's id. Raises a Failure on the first step that fails."""
    call = ScriptedCall(plan, said)
    asyncio.run(call.run())
    return call.call_id


def new_call_id() -> str:
    """Returns an id of the backend's form: `CALL_`, ten digits of unix seconds, four more."""
    return f"CALL_{int(time.time()):010}{random.randrange(10_000):04}"
