"""The files for nginx are taken without a warning in each way they are meant to be used."""

import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from .nginx import DOMAIN, LARAVEL_SITE, Nginx, needs_nginx, shipped

pytestmark = needs_nginx

CERTIFICATE_MADE = "# TLS from here"


EXPECTED = ("syntax is ok", "test is successful", 'the "listen ... http2" directive is deprecated')
"""The last one from nginx 1.25.1 on: nginx-websocket.conf says why."""


def said(nginx: Nginx) -> list[str]:
    """Returns what `nginx -t` has to say beside what is expected."""
    done = nginx.test()
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if not any(words in line for words in EXPECTED)]


@pytest.mark.parametrize("upstreams", [(3001,), (3001, 3002)], ids=["one server", "two nodes"])
def test_no_warnings(tmp_path: Path, upstreams: tuple[int, ...]) -> None:
    nginx = Nginx(tmp_path / "nginx", *upstreams)
    assert said(nginx) == []
    assert nginx.test().returncode == 0


def test_every_file_is_used(tmp_path: Path) -> None:
    """So that a file that is left out or renamed does not pass for one without warnings."""
    nginx = Nginx(tmp_path / "nginx", 3001)
    dumped = subprocess.run([*nginx.command(), "-T"], capture_output=True, text=True, check=True).stdout
    used = set(re.findall(r"# configuration file \S*/etc/nginx/(\S+):", dumped))
    assert used == {
        "nginx.conf",
        "conf.d/onlycare-socket-upstream.conf",
        "snippets/onlycare-socket-locations.conf",
        "sites-enabled/onlycare-socket-0.conf",
    }


def test_before_there_is_a_certificate(tmp_path: Path) -> None:
    """The part above the line is what certbot's first challenge needs."""
    first, mark, _ = shipped("nginx-websocket.conf").partition(CERTIFICATE_MADE)
    assert mark
    nginx = Nginx(tmp_path / "nginx", 3001, sites=(first,))
    shutil.rmtree(nginx.certificate.parent)
    assert said(nginx) == []
    challenge = nginx.root / "var/www/letsencrypt/.well-known/acme-challenge/proof"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("it is me")
    with nginx:
        answer = nginx.ask("/.well-known/acme-challenge/proof", tls=False)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain", b"it is me")


def test_port_80_leads_to_tls_and_nowhere_else(tmp_path: Path) -> None:
    with Nginx(tmp_path / "nginx", 3001) as nginx:
        for path in (
            "/",
            "/api/users/5/online",
            "/socket.io/?EIO=4",
            "/.well-known/acme-challenge/../../etc",
        ):
            answer = nginx.ask(path, tls=False, host="somewhere.example.org")
            assert (answer.status, answer.headers.get("location")) == (301, f"https://{DOMAIN}{path}")
        assert nginx.ask("/.well-known/acme-challenge/none", tls=False).status == 404


def test_the_locations_in_a_block_that_laravel_has_already(tmp_path: Path) -> None:
    nginx = Nginx(tmp_path / "nginx", 3001, sites=(LARAVEL_SITE,))
    assert said(nginx) == []
    with nginx:
        assert nginx.ask("/api/v1/users/me").body == b"Laravel by a pattern"
        assert nginx.ask("/").body == b"Laravel"
        for path in ("/socket.io/", "/socket-health"):  # nothing runs on port 3001 of this test
            assert nginx.ask(path).body == b"onlycare-socket does not answer\n"


def test_two_nodes_differ_from_one_in_the_choice_of_the_server_only() -> None:
    one, two = shipped("nginx-websocket-upstream.conf"), shipped("nginx-websocket-two-nodes.conf")
    begins = "# Only a WebSocket is upgraded"
    assert one.partition(begins)[2] == two.partition(begins)[2] != ""


def test_there_is_one_line_to_switch() -> None:
    used = re.sub(r"#.*", "", shipped("nginx-websocket-upstream.conf"))
    assert re.findall(r"\bserver ([^;{]+);", used) == ["127.0.0.1:3001"]


def test_a_silent_phone_is_not_cut() -> None:
    """PING_INTERVAL is 300 s at most, and within it the server may have nothing to say."""
    (minutes,) = re.findall(r"proxy_read_timeout (\d+)m;", shipped("nginx-websocket-locations.conf"))
    assert int(minutes) * 60 > 300


def test_laravels_door_is_on_loopback() -> None:
    for name in ("nginx-websocket-upstream.conf", "nginx-websocket-two-nodes.conf"):
        assert set(re.findall(r"listen ([^ ;]+)", shipped(name))) == {"127.0.0.1:3003"}


def test_old_tls_is_refused_and_new_is_not(tmp_path: Path) -> None:
    with Nginx(tmp_path / "nginx", 3001) as nginx:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = nginx.trust()
            context.minimum_version = context.maximum_version = version
            with (
                socket.create_connection(("127.0.0.1", nginx.ports["443"])) as wire,
                context.wrap_socket(wire, server_hostname=DOMAIN) as secured,
            ):
                assert secured.version() in ("TLSv1.2", "TLSv1.3")
        where = f"127.0.0.1:{nginx.ports['443']}"
        for old in ("-tls1", "-tls1_1"):
            command = ["openssl", "s_client", "-connect", where, old, "-cipher", "DEFAULT:@SECLEVEL=0"]
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            assert done.returncode
            assert "alert protocol version" in done.stderr
