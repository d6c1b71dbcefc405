"""A whole server: what is started in which order, and how it stops.

Everything starts in the order written in `Application.start`, and stops in reverse. The port is opened last, and on the
way down the sockets and the port are closed first: who can connect finds everything there.
"""

import structlog

from onlycare_socket import __version__
from onlycare_socket.collector import Collector
from onlycare_socket.compiled import COMPILED
from onlycare_socket.config import Settings
from onlycare_socket.connecting import Entrance
from onlycare_socket.http_api import Condition
from onlycare_socket.pauses import GcPauses, LoopLag
from onlycare_socket.ports import Authenticator, Storage
from onlycare_socket.presence import Presence
from onlycare_socket.pulse import Pulse
from onlycare_socket.switchboard import Switchboard
from onlycare_socket.transport.listener import Listener
from onlycare_socket.transport.server import SocketServer

log = structlog.get_logger("onlycare_socket")


class Application:
    """A whole server, built by `app.build`. `port` is the real one once it has started."""

    def __init__(
        self,
        *,
        settings: Settings,
        listener: Listener,
        server: SocketServer,
        entrance: Entrance,
        condition: Condition,
        storage: Storage,
        authenticator: Authenticator,
        switchboard: Switchboard,
        presence: Presence,
        pulse: Pulse,
        lag: LoopLag,
        gc_pauses: GcPauses,
        collector: Collector,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._server = server
        self._entrance = entrance
        self.condition = condition
        self._storage = storage
        self.authenticator = authenticator
        self._lag = lag
        self._gc_pauses = gc_pauses
        self.collector = collector
        """Not started with the rest: it is the process's, which may hold several applications."""
        self._stopped = False
        self.switchboard = switchboard
        self.presence = presence
        self.pulse = pulse

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    @property
    def address(self) -> str:
        """The web address that is listened on."""
        host = self._settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def start(self) -> None:
        """Opens for clients. Raises OSError without a port and StorageError without a store, and has stopped it all."""
        try:
            self._gc_pauses.start()
            self._lag.start()
            await self._storage.start()
            await self.authenticator.start()
            self.presence.start()
            self.pulse.start()
            await self._listener.start()
        except BaseException:
            await self._stop_all_but_the_port()
            raise
        log.info(
            "listening",
            address=self.address,
            auth=self._settings.auth,
            version=__version__,
            compiled=COMPILED,
        )

    @property
    def sessions(self) -> int:
        """Open Engine.IO sessions."""
        return self._server.sessions

    def drain(self) -> None:
        """Lets nobody in any more; who is here stays."""
        self.condition.draining = True
        self._entrance.closed = True

    async def stop(self) -> None:
        """Closes every connection without a word that would keep clients from coming back, then everything else."""
        if self._stopped:
            return
        self._stopped = True
        self.drain()
        await self._listener.stop(self._settings.drain_spread if self._server.sessions else 0.0)
        await self._stop_all_but_the_port()

    async def _stop_all_but_the_port(self) -> None:
        self.pulse.stop()
        await self.authenticator.stop()
        await self._storage.stop()
        self.collector.stop()
        self._lag.stop()
        self._gc_pauses.stop()
