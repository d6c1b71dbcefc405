"""Servers, lanes and phones for the stories told by foreign clients."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol

import pytest

from .libraries import LIBRARIES, TRANSPORTS, Library, prepare
from .phones import Phone, Program
from .server_process import Server

_users: Final = itertools.count(random.randrange(10_000, 90_000) * 1_000)
_calls: Final = itertools.count(1)


class Lane(NamedTuple):
    """One library on one choice of transports."""

    library: Library
    program: Program
    transports: str

    @property
    def lost(self) -> tuple[str, ...]:
        """What this library calls it when the server ends the connection below Socket.IO."""
        return self.library.lost_poll if self.transports == "polling" else self.library.lost_websocket


OpenLane = Callable[[str, str], Lane]


class Dial(Protocol):
    """Opens a phone and, unless told otherwise, waits until it is connected (and upgraded, where it upgrades)."""

    def __call__(
        self,
        user: str,
        *,
        at: Server | None = None,
        device: str = "phone",
        acks: bool = True,
        wait: bool = True,
        lane: Lane | None = None,
        **auth: Any,
    ) -> Phone: ...


@pytest.fixture(scope="session")
def open_lane() -> Iterator[OpenLane]:
    """Gives the lane of a library on these transports; its program is built and started when first asked for."""
    running: dict[str, Program] = {}

    def opened(name: str, transports: str) -> Lane:
        library = LIBRARIES[name]
        if name not in running:
            running[name] = Program(list(library.run), prepare(library))
        return Lane(library, running[name], transports)

    yield opened
    for one in running.values():
        one.close()


@pytest.fixture(params=[f"{library}-{transports}" for library in LIBRARIES for transports in TRANSPORTS])
def lane(request: pytest.FixtureRequest, open_lane: OpenLane) -> Iterator[Lane]:
    """Each library on polling alone, on WebSocket alone, and on polling with the upgrade."""
    library, _, transports = str(request.param).rpartition("-")
    lane = open_lane(library, transports)
    yield lane
    lane.program.hang_up()


@pytest.fixture(params=list(LIBRARIES))
def library_lane(request: pytest.FixtureRequest, open_lane: OpenLane) -> Iterator[Lane]:
    """Each library once, as the Android app connects: polling, then the upgrade."""
    lane = open_lane(str(request.param), "upgrade")
    yield lane
    lane.program.hang_up()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A development server with the settings an operator gets by default."""
    yield from _serve(Server("--dev", AUTH="static"))


@pytest.fixture(scope="session")
def impatient_server() -> Iterator[Server]:
    """A development server on which a ring lasts two seconds."""
    yield from _serve(Server("--dev", AUTH="static", RING_TIMEOUT="2"))


@pytest.fixture(scope="session")
def plain_server() -> Iterator[Server]:
    """A development server on aiohttp's own WebSocket instead of picows."""
    yield from _serve(Server("--dev", AUTH="static", WEBSOCKET_ENGINE="aiohttp"))


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A development server that the test may stop and start."""
    yield from _serve(Server("--dev", AUTH="static"))


def _serve(server: Server) -> Iterator[Server]:
    server.start()
    yield server
    server.close()


@pytest.fixture
def user() -> Callable[[], str]:
    """Makes user ids that no other story has, in the backend's form."""
    return lambda: f"USR_{next(_users)}"


@pytest.fixture
def call_id() -> Callable[[], str]:
    """Makes call ids as the app does: the second it was dialled in, and four digits."""
    return lambda: f"CALL_{int(time.time())}{next(_calls) % 10_000:04d}"


def dialler(lane: Lane, server: Server) -> Dial:
    """Returns what opens phones of this lane at this server."""

    def dial(
        user: str,
        *,
        at: Server | None = None,
        device: str = "phone",
        acks: bool = True,
        wait: bool = True,
        lane: Lane | None = None,
        **auth: Any,
    ) -> Phone:
        _, program, transports = lane or home
        told = {"token": f"dev:{user}:{device}", "userId": user, "platform": "android", **auth}
        phone = program.open((at or server).url, TRANSPORTS[transports], told, acks=acks)
        if wait:
            phone.connected()
            if transports == "upgrade":
                phone.upgraded()
        return phone

    home = lane
    return dial


@pytest.fixture
def dial(lane: Lane, server: Server) -> Dial:
    """Opens phones of the lane at the ordinary server."""
    return dialler(lane, server)


@pytest.fixture
def dial_once(library_lane: Lane, server: Server) -> Dial:
    """Opens phones of the library, on its one lane, at the ordinary server."""
    return dialler(library_lane, server)
