"""No token and no session id is in any log of nginx, however a request goes: well, wrong, too large, to nobody."""

import contextlib
import json
import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from ..interop.server_process import Server
from .nginx import DOMAIN, LARAVEL_SITE, Nginx, needs_nginx, serving
from .nginx_phones import dial
from .nginx_requests import OPENING, exchange, polling, request
from .nginx_upstream import Upstream

pytestmark = needs_nginx

SECRET_WORD = "s3cr3t-5d1a-of-a-phone"
TOKEN = f"17|{SECRET_WORD}"
HEADERS = (f"Authorization: Bearer {TOKEN}", f"Cookie: token={TOKEN}", f"Referer: https://{DOMAIN}/?token={TOKEN}")


@pytest.fixture
def server() -> Iterator[Server]:
    """A server behind nginx."""
    with serving() as server:
        yield server


PATHS = (
    f"{OPENING}&token={TOKEN}",
    f"/socket.io/?token={SECRET_WORD}&EIO=4&transport={SECRET_WORD}",
    f"/socket.io/?EIO=4&transport=polling&sid={SECRET_WORD}",
    f"/socket.io/%3Ftoken={TOKEN}",
    f"/socket.io/&token={TOKEN}",
    f"/socket.io?token={TOKEN}",
    f"/socket-health?token={TOKEN}",
    f"/api/users?token={TOKEN}",
)


def talk_of_a_token(nginx: Nginx) -> None:
    """Asks for everything there is with a token in each place where a client may put one."""
    for path in PATHS:
        requests = [
            request(path, *HEADERS, host=DOMAIN),
            request(path, *HEADERS, host=DOMAIN, method="POST", body=f'40{{"token":"{TOKEN}"}}'),
            request(path, *HEADERS, "Content-Length: 9000000", host=DOMAIN, method="POST"),
            request(path, *HEADERS, host=DOMAIN, version="HTTP/1.0"),
            request(path, *HEADERS, "no header", host=DOMAIN),
        ]
        for sent in requests:
            for tls in (True, False):
                with contextlib.suppress(HTTPException):  # no sense may come back
                    exchange(nginx.connect(tls=tls), sent)
        leave_early(nginx, path, tls=True)
        leave_early(nginx, path, tls=False)


def leave_early(nginx: Nginx, path: str, *, tls: bool) -> None:
    """Sends a request whose body never comes, and goes."""
    with contextlib.suppress(OSError), nginx.connect(tls=tls) as wire:
        wire.sendall(request(path, *HEADERS, "Content-Length: 5", method="POST", host=DOMAIN))


async def test_a_phone_that_talks(tmp_path: Path, server: Server) -> None:
    with Nginx(tmp_path / "nginx", server.port) as nginx:
        talk_of_a_token(nginx)
        opened = nginx.ask(OPENING)
        sid = json.loads(opened.body[1:])["sid"]
        nginx.ask(polling(opened), method="POST", body=f'40{{"token":"dev:5:{SECRET_WORD}","userId":"5"}}')
        async with nginx.session() as session:
            phone = await dial(nginx, session, "6", f"&token={TOKEN}")
            await phone.close()
        said = nginx.logged('"GET /socket.io/ HTTP/1.1" websocket 101 ')
        assert SECRET_WORD not in nginx.logs()
        assert sid not in nginx.logs()
    assert '"GET /socket.io/ HTTP/1.1" polling 200 ' in said
    assert '"POST /socket.io/ HTTP/1.1" polling 413 ' in said


@pytest.mark.parametrize("nobody", ["127.0.0.1:9", "[fe80::1]:9"], ids=["no server", "no way to the server"])
def test_a_server_that_is_not_there(tmp_path: Path, nobody: str) -> None:
    """The first is an error to nginx, the second is critical."""
    with Nginx(tmp_path / "nginx", nobody) as nginx:
        talk_of_a_token(nginx)
        said = nginx.access_log()
        assert SECRET_WORD not in nginx.logs()
    assert re.search(
        rf'"GET /socket.io/ HTTP/1.1" polling 502 32 \S+ upstream={re.escape(nobody)} upstream_status=502 ', said
    )


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"no HTTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nX: " + 9999 * b"x",
    ],
)
def test_a_server_that_makes_no_sense(tmp_path: Path, said: bytes) -> None:
    with Upstream(said) as upstream, Nginx(tmp_path / "nginx", upstream.port) as nginx:
        talk_of_a_token(nginx)
        assert upstream.requests
        assert SECRET_WORD not in nginx.logs()


def test_a_block_that_laravel_has_already(tmp_path: Path) -> None:
    """What comes to the two locations is kept out of the logs of that block, too, as they are by default."""
    with Nginx(tmp_path / "nginx", "[fe80::1]:9", sites=(LARAVEL_SITE,), log_level="error") as nginx:
        for path in PATHS[:3]:
            for more in ((), ("Content-Length: 9000000",)):
                nginx.ask(path, *HEADERS, *more, method="POST")
                nginx.ask(path.replace("/socket.io/", "/socket-health"), *HEADERS, *more, method="POST")
        assert "/socket-health" in nginx.access_log()
        assert SECRET_WORD not in nginx.logs()
