"""The aiohttp application that answers everything but `/socket.io/`."""

from collections.abc import Callable

from aiohttp import web

from onlycare_socket.clock import Clock
from onlycare_socket.http_api.access import Access
from onlycare_socket.http_api.calls import CallRequests
from onlycare_socket.http_api.exchange import MAX_BODY, failures_as_json
from onlycare_socket.http_api.monitoring import Condition, Monitoring
from onlycare_socket.http_api.page import TestPage
from onlycare_socket.http_api.users import UserRequests
from onlycare_socket.http_api.words import BackendWords
from onlycare_socket.ports import Authenticator, CallLog, CallStore, Facts
from onlycare_socket.sockets import NodeSockets
from onlycare_socket.switchboard import Switchboard

ENGINE_PATH = "/socket.io/"
"""Where Engine.IO answers in its own way."""


class HttpApi:
    """Puts the families of requests together."""

    def __init__(
        self,
        *,
        access: Access,
        condition: Condition,
        switchboard: Switchboard,
        store: CallStore,
        log: CallLog,
        facts: Facts,
        sockets: NodeSockets,
        authenticator: Authenticator,
        clock: Clock,
        metrics: Callable[[], tuple[bytes, str]],
        test_page: bool,
    ) -> None:
        self._access = access
        self._routes = [
            *Monitoring(condition=condition, sockets=sockets, log=log, clock=clock, metrics=metrics).routes(),
            *UserRequests(sockets, authenticator, facts).routes(),
            *BackendWords(switchboard, sockets).routes(),
            *CallRequests(switchboard=switchboard, store=store, log=log).routes(),
            *(TestPage().routes() if test_page else ()),
        ]

    def application(self) -> web.Application:
        """Returns a new application; `/socket.io/` is for others to add."""
        app = web.Application(
            middlewares=[failures_as_json(self._access, but=ENGINE_PATH)],
            client_max_size=MAX_BODY,
        )
        app.add_routes(self._routes)
        return app
