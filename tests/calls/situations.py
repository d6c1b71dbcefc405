"""Where a call may stand when somebody says something: one function a situation, and who is around in it.

Ana (`USR_5`) dials Bea (`USR_7`) from her phone `a1`; `a2` is her other device. `b1` and `b2` are Bea's, and where
one of them won the call it is `b1`. `s` is a stranger, in no call at all. `c` makes Bea busy where she has to be.
"""

from collections.abc import Callable
from typing import Final

from tests.phones import Exchange, Phone

ANA: Final = "USR_5"
BEA: Final = "USR_7"
STRANGER: Final = "USR_9"
OTHER: Final = "USR_11"

PHONES: Final = ("a1", "a2", "b1", "b2", "s")


class Scene:
    """An exchange with everybody connected, and the phones by their names."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.phones: dict[str, Phone] = {
            name: self.exchange.phone(user, name[1:] or "1", name)
            for name, user in (("a1", ANA), ("a2", ANA), ("b1", BEA), ("b2", BEA), ("s", STRANGER))
        }

    def __getitem__(self, name: str) -> Phone:
        return self.phones[name]

    def dial(self, call_type: str = "audio") -> None:
        assert self["a1"].dial(BEA, call_type=call_type)["success"] is True

    def answer(self) -> None:
        self.dial()
        assert self["b1"].accept()["success"] is True

    def forget(self) -> None:
        """What was heard so far is old, and a second passes, so that times tell the steps apart."""
        self.exchange.wait(1)
        for phone in self.phones.values():
            phone.new()
        self.exchange.reports()


def unknown(scene: Scene) -> None:
    """nobody dialled"""


def ringing(scene: Scene) -> None:
    """a1 dials, b1 and b2 ring"""
    scene.dial()


def shown(scene: Scene) -> None:
    """b1 shows the call"""
    scene.dial()
    scene["b1"].ringing()


def accepted(scene: Scene) -> None:
    """b1 accepted"""
    scene.answer()


def winner_gone(scene: Scene) -> None:
    """b1 accepted and has no socket any more"""
    scene.answer()
    scene["b1"].leave()


def winner_open(scene: Scene) -> None:
    """the backend accepted and named no device"""
    scene.dial()
    scene.exchange.accepted(ANA, BEA)


def video(scene: Scene) -> None:
    """a video call that b1 accepted"""
    scene.dial("video")
    scene["b1"].accept()


def asked(scene: Scene) -> None:
    """accepted, a1 asked for video"""
    scene.answer()
    scene["a1"].upgrade()


def asked_by_receiver(scene: Scene) -> None:
    """accepted, b1 asked for video"""
    scene.answer()
    scene["b1"].upgrade()


def cancelled(scene: Scene) -> None:
    """a1 cancelled"""
    scene.dial()
    scene["a1"].cancel()


def declined(scene: Scene) -> None:
    """b1 declined"""
    scene.dial()
    scene["b1"].reject()


def no_answer(scene: Scene) -> None:
    """it rang for 30 s"""
    scene.dial()
    scene.exchange.wait(31)


def completed(scene: Scene) -> None:
    """a1 hung up"""
    scene.answer()
    scene["a1"].end()


def busy(scene: Scene) -> None:
    """refused, since Bea was in a call with somebody else, which is over now"""
    other = scene.exchange.phone(OTHER)
    other.dial(BEA, "CALL_3")
    scene["a1"].dial(BEA)
    other.cancel("CALL_3")


def lost(scene: Scene) -> None:
    """a1 and a2 went away while it rang, and came back too late"""
    scene.dial()
    scene["a1"].leave()
    scene["a2"].leave()
    scene.exchange.wait(16)
    for name in ("a1", "a2"):
        scene.phones[name] = scene.exchange.phone(ANA, name[1:], name)


def terminated(scene: Scene) -> None:
    """the operator ended it"""
    scene.answer()
    scene.exchange.terminate()


SITUATIONS: Final[dict[str, Callable[[Scene], None]]] = {
    "unknown": unknown,
    "ringing": ringing,
    "shown": shown,
    "accepted": accepted,
    "winner gone": winner_gone,
    "winner open": winner_open,
    "video": video,
    "asked": asked,
    "asked by receiver": asked_by_receiver,
    "cancelled": cancelled,
    "declined": declined,
    "no_answer": no_answer,
    "completed": completed,
    "busy": busy,
    "connection_lost": lost,
    "terminated_by_server": terminated,
}

OVER: Final = ("cancelled", "declined", "no_answer", "completed", "busy", "connection_lost", "terminated_by_server")
"""Ended calls: the situation is named for the code."""
TALKING: Final = ("accepted", "winner gone", "winner open", "video", "asked", "asked by receiver")


def set_up(name: str) -> Scene:
    """Returns the scene of a situation, with nothing unread."""
    scene = Scene()
    SITUATIONS[name](scene)
    scene.forget()
    return scene


def around(name: str) -> tuple[str, ...]:
    """The phones that have a socket in a situation."""
    return tuple(phone for phone in PHONES if (name, phone) != ("winner gone", "b1"))
