"""A real nginx that runs the files of deploy/, unprivileged, on free ports of loopback and in a folder of its own.

What is tested is what is shipped: only ports, addresses and folders of the files are replaced.
"""

import asyncio
import os
import random
import re
import resource
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import aiohttp
import psutil
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from ..interop.server_process import SECRET, Server
from .nginx_requests import WITHIN, Answer, exchange, request

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
DOMAIN: Final = "calls.example.com"
NGINX: Final = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING: Final = [
    name for name in ("nginx", "openssl", "curl") if not ((name == "nginx" and NGINX) or shutil.which(name))
]
needs_nginx = pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}: sudo apt install nginx openssl curl")

# Debian's nginx.conf, with room for the phones of the tests, and with more in the log than anybody should have.
_MAIN: Final = """\
{user}worker_processes 2;
worker_rlimit_nofile {files};
pid {root}/run/nginx.pid;
error_log {root}/var/log/nginx/error.log {level};
events {{
    worker_connections 4096;
}}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    access_log {root}/var/log/nginx/access.log;
    gzip on;
    client_body_temp_path {root}/var/lib/nginx/body;
    proxy_temp_path {root}/var/lib/nginx/proxy;
    fastcgi_temp_path {root}/var/lib/nginx/fastcgi;
    uwsgi_temp_path {root}/var/lib/nginx/uwsgi;
    scgi_temp_path {root}/var/lib/nginx/scgi;
    {http}
    include {root}/etc/nginx/conf.d/*.conf;
    include {root}/etc/nginx/sites-enabled/*;
}}
"""

LARAVEL_SITE: Final = """\
server {
    listen 80;
    listen 443 ssl http2;
    server_name calls.example.com;
    ssl_certificate /etc/letsencrypt/live/calls.example.com/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/calls.example.com/privkey.pem;
    include snippets/onlycare-socket-locations.conf;
    location / {
        return 200 "Laravel";
    }
    location ~ ^/(socket|api) {
        return 200 "Laravel by a pattern";
    }
}
"""
"""A block of the host's own that takes the locations in."""


class Nginx:
    """One nginx, with the shipped files installed below a folder as they are on a host."""

    def __init__(
        self,
        root: Path,
        *upstreams: int | str,
        http: str = "",
        sites: tuple[str, ...] | None = None,
        log_level: str = "info",
    ) -> None:
        """`upstreams` are the servers, as ports of 127.0.0.1 or as addresses: two for the variant with two nodes.

        `http` goes into nginx.conf, and so does `log_level`, by default lower than on a host. `sites` are texts that
        take the place of the shipped site.
        """
        self.root = root
        self.ports = {port: quiet_port() for port in ("80", "443", "3003")}
        """By the port that it is on a host."""
        self.url = f"https://{DOMAIN}:{self.ports['443']}"
        self.certificate = root / "etc/letsencrypt/live" / DOMAIN / "fullchain.pem"
        self.upstream_file = root / "etc/nginx/conf.d/onlycare-socket-upstream.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._lay_out([f"127.0.0.1:{one}" if isinstance(one, int) else one for one in upstreams], sites)
        main = {"user": "user root;\n" if os.geteuid() == 0 else "", "files": most_files(), "level": log_level}
        (root / "etc/nginx/nginx.conf").write_text(_MAIN.format(root=root, http=http, **main))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        with (self.root / "var/log/nginx/stderr.log").open("ab") as said:
            self._process = subprocess.Popen([*self.command(), "-g", "daemon off;"], stderr=said)
        self._wait(lambda: len(self.workers()) == 2 and _listens(self.ports["3003"]))

    def stop(self) -> None:
        """Stops it at once."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WITHIN)
            self._process = None

    def reload(self) -> None:
        """Runs `nginx -s reload` and waits until the new workers are there and the old ones take nothing new."""
        before = self.workers()
        subprocess.run([*self.command(), "-s", "reload"], check=True, capture_output=True, timeout=WITHIN)
        self._wait(lambda: len(set(self.workers()) - set(before)) == 2 and all(map(_shuts_down, before)))

    def switch(self, old: int, new: int) -> None:
        """Does what an operator does: changes the one line, tries it, reloads."""
        before = self.upstream_file.read_text()
        after = before.replace(f"    server 127.0.0.1:{old};", f"    server 127.0.0.1:{new};")
        changed = [line for line in after.splitlines() if line not in before.splitlines()]
        assert len(changed) == 1
        self.upstream_file.write_text(after)
        assert self.test().returncode == 0
        self.reload()

    def test(self) -> "subprocess.CompletedProcess[str]":
        """Runs `nginx -t`."""
        return subprocess.run([*self.command(), "-t"], check=False, capture_output=True, text=True, timeout=WITHIN)

    def workers(self) -> list[int]:
        """Returns the process ids of all workers, those included that only finish what they began before a reload."""
        assert self._process is not None
        assert self._process.poll() is None, self.logs()
        return [child.pid for child in psutil.Process(self._process.pid).children()]

    def logs(self) -> str:
        """Returns everything that nginx has written to anywhere."""
        return "\n".join(path.read_text(errors="replace") for path in (self.root / "var/log/nginx").iterdir())

    def access_log(self) -> str:
        """Returns the log of what was asked of the server."""
        return (self.root / "var/log/nginx/onlycare-socket.access.log").read_text()

    def logged(self, text: str) -> str:
        """Waits until that log has a text, and returns all of it."""
        self._wait(lambda: text in self.access_log())
        return self.access_log()

    def ask(self, path: str, *lines: str, source: str = "127.0.0.1", tls: bool = True, **more: str) -> Answer:
        """Returns the answer to one request from outside. `lines` are headers; `more` is for `request`."""
        more.setdefault("host", DOMAIN)
        return exchange(self.connect(source, tls=tls), request(path, *lines, **more))

    def ask_laravels_door(self, path: str, *lines: str, **more: str) -> Answer:
        """Returns the answer to one request of Laravel's."""
        more.setdefault("host", f"127.0.0.1:{self.ports['3003']}")
        door = socket.create_connection(("127.0.0.1", self.ports["3003"]), WITHIN)
        return exchange(door, request(path, *lines, **more))

    def connect(self, source: str = "127.0.0.1", *, tls: bool = True) -> socket.socket:
        """Returns a connection from a client of this address, by TLS or to port 80."""
        port = self.ports["443" if tls else "80"]
        wire = socket.create_connection(("127.0.0.1", port), WITHIN, (source, 0))
        return self.trust().wrap_socket(wire, server_hostname=DOMAIN) if tls else wire

    def trust(self) -> ssl.SSLContext:
        """Returns what a client needs to trust the certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Opens an HTTP client that finds the domain here and trusts its certificate; one at a time."""
        connector = aiohttp.TCPConnector(ssl=self.trust(), resolver=_Here(), limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session
        async with asyncio.timeout(WITHIN):  # for the last words of TLS, which no library waits for
            while self._connected():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def placed(self, text: str) -> str:
        """Returns a text with this nginx's ports and folders in the place of the host's."""
        if not _has_ipv6():
            text = re.sub(r"listen \[::\].*", "", text)
        text = re.sub(
            r"listen (\[::\]:|127\.0\.0\.1:|)(\d+)",
            lambda found: f"listen {'[::1]' if '[' in found[1] else '127.0.0.1'}:{self.ports[found[2]]}",
            text,
        )
        return re.sub(r" (/(?:etc|var)/)", rf" {self.root}\1", text)

    def command(self) -> list[str]:
        """Returns how this nginx is called; options may follow."""
        log = self.root / "var/log/nginx/error.log"
        return [str(NGINX), "-p", str(self.root), "-c", str(self.root / "etc/nginx/nginx.conf"), "-e", str(log)]

    def _connected(self) -> bool:
        """Whether this process has a connection to port 443."""
        wires = psutil.Process().net_connections("tcp")
        return any(wire.raddr and wire.raddr.port == self.ports["443"] for wire in wires)

    def _lay_out(self, upstreams: list[str], sites: tuple[str, ...] | None) -> None:
        etc = self.root / "etc/nginx"
        for name in ("conf.d", "snippets", "sites-available", "sites-enabled"):
            (etc / name).mkdir(parents=True)
        for name in ("run", "var/log/nginx", "var/lib/nginx", "var/www/letsencrypt"):
            (self.root / name).mkdir(parents=True)
        make_certificate(self.certificate)
        self.upstream_file.write_text(self._upstream(upstreams))
        locations = self.placed(shipped("nginx-websocket-locations.conf"))
        (etc / "snippets/onlycare-socket-locations.conf").write_text(locations)
        for number, site in enumerate((shipped("nginx-websocket.conf"),) if sites is None else sites):
            available = etc / f"sites-available/onlycare-socket-{number}.conf"
            available.write_text(self.placed(site))
            (etc / "sites-enabled" / available.name).symlink_to(available)

    def _upstream(self, addresses: list[str]) -> str:
        file = "nginx-websocket-upstream.conf" if len(addresses) == 1 else "nginx-websocket-two-nodes.conf"
        left = iter(addresses)
        placed = re.sub(r"(?m)^    server \S+:3001", lambda _: f"    server {next(left)}", self.placed(shipped(file)))
        assert not list(left), f"{file} has too few servers"
        return placed

    def _wait(self, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        while not there():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.02)


class _Here(AbstractResolver):
    """Finds every name on this machine."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        """Returns loopback."""
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Holds nothing."""


def shipped(name: str) -> str:
    """Returns a file of deploy/."""
    return (DEPLOY / name).read_text()


@contextmanager
def serving(**settings: str) -> Iterator[Server]:
    """Runs a development server that stops without taking its time."""
    server = Server("--dev", AUTH="static", DRAIN_SPREAD="0", **settings)
    server.start()
    try:
        yield server
    finally:
        server.close()


def counted(server: Server, name: str) -> float:
    """Returns what a server has counted under this name."""
    asked = urllib.request.Request(f"{server.url}/metrics", headers={"X-Internal-Secret": SECRET})
    with urllib.request.urlopen(asked, timeout=WITHIN) as page:
        (found,) = re.findall(rf"^{name} (\S+)$", page.read().decode(), re.MULTILINE)
    return float(found)


def quiet_port() -> int:
    """Returns a free port below those that systems give to outgoing connections: nobody takes it by chance."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def make_certificate(certificate: Path) -> None:
    """Makes a certificate for the domain that signs itself, and its key beside it, as certbot names them."""
    certificate.parent.mkdir(parents=True)
    names = f"subjectAltName=DNS:{DOMAIN},DNS:localhost,IP:127.0.0.1"
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(certificate.with_name("privkey.pem")), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", *new_key, "-subj", f"/CN={DOMAIN}", "-addext", names, *files]
    subprocess.run(command, check=True, capture_output=True, timeout=WITHIN)


def most_files() -> int:
    """Returns how many files a process of this test may open, and lets this one do so."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(hard, 65_536)


def _has_ipv6() -> bool:
    addresses = Path("/proc/net/if_inet6")
    return addresses.exists() and " lo\n" in addresses.read_text()


def _shuts_down(worker: int) -> bool:
    try:
        return "is shutting down" in " ".join(psutil.Process(worker).cmdline())
    except psutil.NoSuchProcess:
        return True


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
