"""What a user says about a call over a socket, named for what happened. Compiled classes: every call makes some.

A command says who (`user`, from the token, never from the payload), on which device, and by the form of the call id
that he wrote; where a rule asks for it, also which of his devices have a live socket (`here`).
"""

from typing import Final

from onlycare_socket.calls.ids import DeviceId, UserId


class UserCommand:
    """By one of the two users, over a socket. `shown` is how the backend spells him."""

    __slots__ = ("call_id", "device", "shown", "user")

    def __init__(self, user: UserId, device: DeviceId, call_id: str, shown: str = "") -> None:
        self.user: Final = user
        self.device: Final = device
        self.call_id: Final = call_id
        self.shown: Final = shown


class Dial(UserCommand):
    """`call:initiate`.

    `name` is the caller's, `socket` the one he dialled on; `receiver_shown` is the backend's spelling of the receiver,
    or the caller's when he was never seen. `sent` is the client's own time (ms), `since_connect` the age of the
    connection (ms).
    `here`: the caller's devices that have a live socket. `over_budget`: he has used up his events for this minute.
    """

    __slots__ = (
        "agora_token",
        "call_type",
        "channel_name",
        "here",
        "name",
        "over_budget",
        "receiver",
        "receiver_shown",
        "sent",
        "since_connect",
        "socket",
    )

    def __init__(
        self,
        user: UserId,
        device: DeviceId,
        call_id: str,
        shown: str = "",
        *,
        name: str,
        receiver: UserId,
        receiver_shown: str,
        call_type: str,
        channel_name: str,
        agora_token: str,
        sent: int | None = None,
        since_connect: int = 0,
        over_budget: bool = False,
        socket: str = "",
        here: tuple[DeviceId, ...] = (),
    ) -> None:
        super().__init__(user, device, call_id, shown)
        self.name: Final = name
        self.receiver: Final = receiver
        self.receiver_shown: Final = receiver_shown
        self.call_type: Final = call_type
        self.channel_name: Final = channel_name
        self.agora_token: Final = agora_token
        self.sent: Final = sent
        self.since_connect: Final = since_connect
        self.over_budget: Final = over_budget
        self.socket: Final = socket
        self.here: Final = here


class Accept(UserCommand):
    """`call:accept`."""

    __slots__ = ()


class Decline(UserCommand):
    """`call:reject`."""

    __slots__ = ("reason",)

    def __init__(self, user: UserId, device: DeviceId, call_id: str, shown: str = "", reason: str = "") -> None:
        super().__init__(user, device, call_id, shown)
        self.reason: Final = reason


class Cancel(UserCommand):
    """`call:cancel`."""

    __slots__ = ("reason",)

    def __init__(self, user: UserId, device: DeviceId, call_id: str, shown: str = "", reason: str = "") -> None:
        super().__init__(user, device, call_id, shown)
        self.reason: Final = reason


class HangUp(UserCommand):
    """`call:end`. `here`: the user's devices that have a live socket."""

    __slots__ = ("here",)

    def __init__(
        self, user: UserId, device: DeviceId, call_id: str, shown: str = "", here: tuple[DeviceId, ...] = ()
    ) -> None:
        super().__init__(user, device, call_id, shown)
        self.here: Final = here


class Show(UserCommand):
    """`call:ringing`: this device shows the call."""

    __slots__ = ()


class AskVideo(UserCommand):
    """`call:upgrade`."""

    __slots__ = ()


class AnswerVideo(UserCommand):
    """`call:upgrade:response`."""

    __slots__ = ("accepted", "reason")

    def __init__(
        self, user: UserId, device: DeviceId, call_id: str, shown: str = "", *, accepted: bool, reason: str = ""
    ) -> None:
        super().__init__(user, device, call_id, shown)
        self.accepted: Final = accepted
        self.reason: Final = reason
