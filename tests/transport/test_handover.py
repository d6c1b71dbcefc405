"""The hand-over uses what aiohttp and picows do not promise: a new version of either must be looked at first."""

from importlib.metadata import version

import picows.picows
from aiohttp.web_protocol import RequestHandler

from onlycare_socket.transport import handover

ADVICE = "read transport/handover.py again with the new version, run Autobahn, then change the pin in both places"


def test_aiohttp_is_the_version_the_hand_over_was_written_for() -> None:
    assert version("aiohttp") == handover.AIOHTTP_VERSION, ADVICE


def test_picows_is_the_version_the_hand_over_was_written_for() -> None:
    assert version("picows") == handover.PICOWS_VERSION, ADVICE


def test_what_is_used_of_aiohttp_is_there() -> None:
    names = {name for cls in RequestHandler.__mro__ for name in (*getattr(cls, "__slots__", ()), *vars(cls))}
    assert not set(handover.PRIVATE_AIOHTTP) - names, ADVICE
    assert {"_request_count", "_current_request", "_messages"} <= names, "transport/listener.py reads these"


def test_what_is_used_of_picows_is_there() -> None:
    protocol = vars(picows.picows)["WSProtocol"]
    assert {"connection_made", "connection_lost", "get_buffer", "buffer_updated"} <= set(dir(protocol)), ADVICE
    assert "is_close_frame_sent" in dir(picows.WSTransport), ADVICE
