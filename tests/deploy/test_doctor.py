"""`onlycare-socket doctor --public-url` with the shipped nginx files, and with the mistakes that are made in them."""

import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from onlycare_socket import __version__

from ..doctor.laravel import TOKEN, Laravel
from ..doctor.running import Doctor, Found
from ..interop.server_process import SECRET, Server, free_port
from .laravel import debian
from .nginx import Nginx, needs_nginx
from .test_laravel import ROOT, TESTS, ask, commands_of

pytestmark = needs_nginx

PATH: Final = f"{os.environ['PATH']}:/usr/sbin:/sbin"
UPGRADE: Final = "    proxy_set_header Upgrade $onlycare_socket_upgrade;\n"
CONNECTION: Final = "    proxy_set_header Connection $onlycare_socket_connection;\n"
HTTP_1_1: Final = "    proxy_http_version 1.1;\n"
HOST: Final = "    proxy_set_header Host $http_host; # with its port: the server compares it with Origin\n"


@pytest.fixture(scope="module")
def laravel() -> Iterator[Laravel]:
    """A Laravel that is well."""
    stand_in = Laravel()
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def server(laravel: Laravel) -> Iterator[Server]:
    """The server behind nginx."""
    server = Server(LARAVEL_API_URL=laravel.url)
    server.start()
    laravel.websocket_url = server.url
    yield server
    server.close()


@pytest.fixture
def nginx(server: Server, tmp_path: Path) -> Iterator[Nginx]:
    """An nginx with the shipped files, laid out and not started."""
    nginx = Nginx(tmp_path / "nginx", server.port)
    yield nginx
    nginx.stop()


@pytest.fixture
def doctor(laravel: Laravel, server: Server, tmp_path: Path) -> Doctor:
    """The command with the server's settings."""
    (tmp_path / "doctor").mkdir()
    return Doctor(tmp_path / "doctor", PORT=str(server.port), LARAVEL_API_URL=laravel.url)


def look(doctor: Doctor, nginx: Nginx, name: str = "localhost", **environ: str) -> Found:
    """Starts nginx, and has a look at it from outside."""
    trusted = nginx.certificate.with_name("trusted.pem")
    if not trusted.exists():
        shutil.copy(nginx.certificate, trusted)
    with nginx:
        url = f"https://{name}:{nginx.ports['443']}"
        return doctor.apart("--public-url", url, SSL_CERT_FILE=str(trusted), **environ)


def change(nginx: Nginx, file: str, *changes: tuple[str, str]) -> None:
    """Makes a mistake in one of the installed files."""
    path = nginx.root / "etc/nginx" / file
    text = path.read_text()
    for before, after in changes:
        assert before in text, text
        text = text.replace(before, after)
    path.write_text(text)


LOCATIONS: Final = "snippets/onlycare-socket-locations.conf"
SITE: Final = "sites-available/onlycare-socket-0.conf"


# ---------------------------------------------------------------- what is shipped


def test_the_shipped_files_are_well(nginx: Nginx, doctor: Doctor) -> None:
    found = look(doctor, nginx, ONLYCARE_TOKEN=TOKEN)
    assert found.named("fail") == set(), found.checks
    found.one("certificate", "warn", "for 1 day only (TLSv1.3, HTTP/2)")  # the test's own, good for two days
    found.one("public health", "ok", f"leads to version {__version__}")
    found.one("public api", "ok", "/api/connected-users, /api/calls, /metrics, /ready lead nowhere")
    found.one("public polling", "ok")
    found.one("public websocket", "ok")
    found.one("origins", "ok", "others not")
    found.one("public connect", "ok", "user USR_5 was let in")
    found.one("http to https", "skipped", "is not the one of https")


def test_a_whole_host_in_a_network_of_its_own(nginx: Nginx, doctor: Doctor) -> None:
    """Ports 80 and 443 are real there; the server is not."""
    _on_real_ports(nginx)
    found = _in_a_network_of_its_own(nginx, doctor)
    found.one("http to https", "ok", "http://localhost is sent on to https://calls.example.com")
    found.one("public health", "fail", "answers 502", "upstream onlycare_socket")
    found.one("public websocket", "fail", "the answer is 502", "upstream onlycare_socket")


def test_phones_served_on_port_80_are_a_failure(nginx: Nginx, doctor: Doctor) -> None:
    _on_real_ports(nginx)
    change(nginx, SITE, ("return 301 https://calls.example.com$request_uri;", 'return 200 \'0{"sid":"a"}\';'))
    _in_a_network_of_its_own(nginx, doctor).one("http to https", "fail", "serves phones unencrypted", "redirect")


def _on_real_ports(nginx: Nginx) -> None:
    ports = [(f"127.0.0.1:{nginx.ports[port]}", f"127.0.0.1:{port}") for port in ("80", "443")]
    change(nginx, SITE, *ports)


def _in_a_network_of_its_own(nginx: Nginx, doctor: Doctor) -> Found:
    start = f"{' '.join(nginx.command())} -g 'daemon off;' 2>{nginx.root}/stderr.log"
    program = (
        f'ip link set lo up && {{ {start} & }} && trap "kill $!" EXIT && '
        "until test -s $0/run/nginx.pid; do sleep 0.05; done; sleep 0.2; "
        f"{sys.executable} -m onlycare_socket doctor --json --public-url https://localhost"
    )
    command = [*_private(), "sh", "-c", program, str(nginx.root)]
    return doctor.through(*command, PATH=PATH, SSL_CERT_FILE=str(nginx.certificate))


def _private() -> list[str]:
    """Returns how a command is run with a network and with mounts of its own."""
    private = ["unshare", "--net", "--mount", "--map-root-user"]
    needed = [*private, "sh", "-c", "ip link set lo up"]
    if subprocess.run(needed, check=False, capture_output=True, env={"PATH": PATH}).returncode != 0:
        pytest.skip("no network namespace can be made here, or ip is missing: sudo apt install iproute2")
    return private


SILENT: Final = """
import socket, subprocess, sys
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
subprocess.run([sys.executable, "-m", "onlycare_socket", "doctor", "--json", "--public-url", "calls.example.com"])
"""


def test_a_name_server_that_is_away_is_not_waited_for(doctor: Doctor, tmp_path: Path) -> None:
    """It would hold up the end of the program, too."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    program = f"ip link set lo up && mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && "
    program += f"{sys.executable} -c '{SILENT}'; exit 1"
    doctor.settings["LARAVEL_API_URL"] = "https://api.example.com"
    found = doctor.through(*_private(), "sh", "-c", program, PATH=PATH)
    found.one("public health", "fail", "the name calls.example.com cannot be resolved")
    found.one("laravel", "fail", "the name api.example.com cannot be resolved")
    assert found.seconds < 6


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize("lines", [(UPGRADE,), (CONNECTION,), (HTTP_1_1,), (UPGRADE, CONNECTION, HTTP_1_1)])
def test_the_line_that_upgrades_lack_is_named(
    lines: tuple[str, ...], nginx: Nginx, doctor: Doctor, tmp_path: Path
) -> None:
    change(nginx, LOCATIONS, *[(line, "") for line in lines])
    program = tmp_path / "nginx-program"
    program.mkdir()
    (program / "nginx").write_text(f'#!/bin/sh\nexec {" ".join(nginx.command())} "$@"\n')
    (program / "nginx").chmod(0o755)
    found = look(doctor, nginx, PATH=f"{program}:/usr/bin:/bin")
    file = nginx.root / "etc/nginx" / LOCATIONS
    told = f"add to location /socket.io/ in {file}: {' '.join(line.strip() for line in sorted(lines, key=_as_told))}"
    found.one("public websocket", "fail", "without its upgrade headers", f"{told} then `systemctl reload nginx`")
    found.one("public polling", "ok")
    assert found.named("fail") == {"public websocket"}


def _as_told(line: str) -> int:
    return (HTTP_1_1, UPGRADE, CONNECTION).index(line)


def test_without_a_look_at_nginx_all_three_lines_are_named(nginx: Nginx, doctor: Doctor) -> None:
    change(nginx, LOCATIONS, (UPGRADE, ""))
    found = look(doctor, nginx, PATH="/nonexistent")  # and if there is one in /usr/sbin, it has no such location
    found.one("public websocket", "fail", *(line.strip() for line in (HTTP_1_1, UPGRADE, CONNECTION)))


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("location /metrics { proxy_pass http://onlycare_socket; }", "/metrics"),
        ("location /api/ { proxy_pass http://onlycare_socket; }", "/api/connected-users, /api/calls"),
        ("location /ready { proxy_pass http://onlycare_socket; }", "/ready"),
        # What makes it worst: the server takes nginx for the Laravel of this machine, and answers without the secret.
        (
            "location /api/ { proxy_pass http://onlycare_socket; proxy_http_version 1.1;"
            " proxy_set_header Host localhost; }",
            "/api/connected-users (without the secret), /api/calls",
        ),
    ],
)
def test_what_must_not_be_reachable_and_is(location: str, named: str, nginx: Nginx, doctor: Doctor) -> None:
    change(nginx, SITE, ("    # Nothing else of the server is reached from outside.\n", f"    {location}\n"))
    found = look(doctor, nginx)
    found.one("public api", "fail", f"REACHABLE FROM OUTSIDE: {named}. remove that location")
    assert found.named("fail") == {"public api"}


def test_another_site_of_that_name_is_no_leak(nginx: Nginx, doctor: Doctor) -> None:
    laravel = 'location /api/ { default_type application/json; return 401 \'{"message":"Unauthenticated."}\'; }'
    change(nginx, SITE, ("    # Nothing else of the server is reached from outside.\n", f"    {laravel}\n"))
    look(doctor, nginx).one("public api", "ok")


def test_locations_that_were_not_included(nginx: Nginx, doctor: Doctor) -> None:
    change(nginx, SITE, ("    include snippets/onlycare-socket-locations.conf;", ""))
    found = look(doctor, nginx)
    for name in ("public health", "public polling", "public websocket"):
        found.one(name, "fail", "404 with text/html", f"include {LOCATIONS}")


def test_a_site_that_redirects_everything(nginx: Nginx, doctor: Doctor) -> None:
    change(
        nginx,
        SITE,
        ("    include snippets/onlycare-socket-locations.conf;", "    return 301 https://www.example.com/;"),
    )
    found = look(doctor, nginx)
    found.one("public health", "fail", "a redirect (301) to https://www.example.com/", "not redirect")
    found.one("public websocket", "fail", "the answer is a redirect (301) to https://www.example.com/")


def test_an_upstream_that_names_the_wrong_port(nginx: Nginx, server: Server, doctor: Doctor) -> None:
    change(nginx, "conf.d/onlycare-socket-upstream.conf", (f"127.0.0.1:{server.port};", f"127.0.0.1:{free_port()};"))
    found = look(doctor, nginx)
    for name in ("public health", "public polling", "public websocket"):
        found.one(name, "fail", "502", "nginx's upstream onlycare_socket")


def test_a_host_that_is_not_passed_on_keeps_the_sites_own_pages_out(nginx: Nginx, doctor: Doctor) -> None:
    change(nginx, LOCATIONS, (HOST, ""))
    found = look(doctor, nginx)
    found.one("origins", "fail", "itself is refused", "proxy_set_header Host $http_host;")
    assert found.named("fail") == {"origins"}


def test_nginx_does_not_run(nginx: Nginx, doctor: Doctor) -> None:
    found = doctor("--public-url", f"localhost:{nginx.ports['443']}", ONLYCARE_TOKEN=TOKEN)
    found.one("public health", "fail", "nothing listens there", "look at nginx")
    assert found.named("fail") == {"public health"}
    assert {"certificate", "public websocket", "public connect"} <= found.named("skipped")


def test_phones_must_not_be_served_unencrypted(server: Server, doctor: Doctor) -> None:
    found = doctor("--public-url", server.url)  # the server itself, as if it were open to the world
    found.one("http to https", "fail", "tokens could be read on the way")
    found.one("public api", "fail", "(without the secret), /api/calls, /metrics, /ready. remove")


@pytest.mark.parametrize(
    ("origins", "mark", "says"),
    [
        ("https://app.example.com", "ok", "and https://app.example.com may connect"),
        ("*", "warn", "every web page"),
        ("null", "warn", "opened from disk"),
    ],
)
def test_which_pages_may_connect(origins: str, mark: str, says: str, laravel: Laravel, doctor: Doctor) -> None:
    server = Server(LARAVEL_API_URL=laravel.url, ALLOWED_ORIGINS=origins)
    server.start()
    try:
        doctor.settings |= {"PORT": str(server.port), "ALLOWED_ORIGINS": origins}
        doctor("--public-url", server.url).one("origins", mark, says)
    finally:
        server.close()


# ---------------------------------------------------------------- certificates


class Authority:
    """Signs certificates, as a real one does: with one in between."""

    def __init__(self) -> None:
        self._root_key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = _certificate("Root", self._root_key, "Root", self._root_key, authority=True)
        self.between = _certificate("Between", self._key, "Root", self._root_key, authority=True)

    def sign(self, nginx: Nginx, *, days: float = 60, name: str = "localhost", whole: bool = True) -> None:
        """Gives nginx a certificate, and a client what it needs to trust the root."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate(name, key, "Between", self._key, days=days)
        chain = [leaf, self.between] if whole else [leaf]
        nginx.certificate.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
        nginx.certificate.with_name("privkey.pem").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        nginx.certificate.with_name("trusted.pem").write_bytes(self.root.public_bytes(Encoding.PEM))


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    days: float = 60,
    authority: bool = False,
) -> x509.Certificate:
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - datetime.timedelta(days=90))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Signs this file's certificates."""
    return Authority()


@pytest.mark.parametrize(("days", "mark"), [(60, "ok"), (13, "warn")])
def test_a_certificate_is_valid_for_so_many_days(
    days: int, mark: str, authority: Authority, nginx: Nginx, doctor: Doctor
) -> None:
    authority.sign(nginx, days=days)
    found = look(doctor, nginx)
    found.one("certificate", mark, f"valid{' for' if mark == 'ok' else ', but for'} {days} days", "TLSv1.3, HTTP/2")
    assert found.named("fail") == set()


@pytest.mark.parametrize(
    ("flaw", "says"),
    [
        ({"days": -1}, "certificate has expired. renew it: `certbot renew`"),
        ({"name": "other.example.com"}, "not valid for 'localhost'"),
        ({"whole": False}, "unable to get local issuer certificate. serve the whole chain"),
    ],
)
def test_a_certificate_that_phones_refuse(
    flaw: dict[str, object], says: str, authority: Authority, nginx: Nginx, doctor: Doctor
) -> None:
    authority.sign(nginx, **flaw)  # type: ignore[arg-type]  # one of its options each time
    found = look(doctor, nginx, ONLYCARE_TOKEN=TOKEN)
    found.one("certificate", "fail", "its certificate is not valid", says)
    assert found.named("fail") == {"certificate"}
    assert {"public health", "public websocket", "public connect"} <= found.named("skipped")


def test_a_certificate_that_signs_itself(nginx: Nginx, doctor: Doctor) -> None:
    nginx.certificate.with_name("trusted.pem").write_text("")
    look(doctor, nginx).one("certificate", "fail", "self-signed certificate", "one that phones trust")


def test_a_laravel_with_an_expired_certificate(authority: Authority, nginx: Nginx, doctor: Doctor) -> None:
    authority.sign(nginx, days=-1)
    doctor.settings["LARAVEL_API_URL"] = f"https://localhost:{nginx.ports['443']}"
    with nginx:
        found = doctor.apart(SSL_CERT_FILE=str(nginx.certificate.with_name("trusted.pem")))
    found.one("laravel certificate", "fail", "certificate has expired", "renew it")
    found.one("laravel", "fail", "see `laravel certificate`")


# ---------------------------------------------------------------- real Laravel

USERS_ME: Final = """
Route::get('api/v1/users/me', fn () => response()->json(['message' => 'Unauthenticated.'], 401));
"""


def test_a_real_laravel_tells_of_the_way_back(server: Server, doctor: Doctor, tmp_path: Path) -> None:
    php, application, port = debian.of_this_machine(), _application(tmp_path), free_port()
    doctor.settings["LARAVEL_API_URL"] = f"http://127.0.0.1:{port}"
    for setting, mark, says in (
        (f"WEBSOCKET_URL={server.url}\nWEBSOCKET_SECRET={SECRET}", "ok", "and its secret is accepted"),
        (f"WEBSOCKET_URL={server.url}\nWEBSOCKET_SECRET=4fd0c1e6a85b97e2", "fail", "its secret is another one"),
        (f"WEBSOCKET_URL={server.url}\nWEBSOCKET_SECRET=", "fail", "Laravel has no proper WEBSOCKET_SECRET"),
        (
            f"WEBSOCKET_URL=http://127.0.0.1:{free_port()}\nWEBSOCKET_SECRET={SECRET}",
            "fail",
            "(it says: Nothing listens",
        ),
        (f"WEBSOCKET_ENABLED=false\nWEBSOCKET_SECRET={SECRET}", "warn", "WEBSOCKET_ENABLED=true"),
    ):
        (application / ".env").write_text(f"{setting}\n")
        with php.serve(application, port):
            ask(port, {})  # until it answers
            found = doctor()
        found.one("laravel", "ok")
        found.one("laravel to server", mark, says)


def _application(tmp_path: Path) -> Path:
    """Returns the backend of Laravel's own tests, with the shipped files, and a users/me that refuses."""
    application = tmp_path / "application"
    shutil.copytree(TESTS / "application", application)
    for made in ("storage/logs", "storage/framework/views", "bootstrap/cache"):
        (application / made).mkdir(parents=True)
    environ = {"PATH": os.environ["PATH"], "BACKEND": str(application)}
    subprocess.run(["bash", "-euc", commands_of("Install")], cwd=ROOT, env=environ, check=True, capture_output=True)
    with (application / "routes/api.php").open("a") as routes:
        routes.write(USERS_ME)
    return application
