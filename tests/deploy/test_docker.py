"""deploy/docker and .dockerignore: linted, taken apart, and what comes out is run. No container engine takes part."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from onlycare_socket.app import STOP_SLACK
from onlycare_socket.config import Settings

from .docker.build import Image, build, visible
from .docker.run import Container, Network, network, within
from .roots import MISSING, can_make_roots, debian_root

PROJECT: Final = Path(__file__).parents[2]
DOCKER: Final = PROJECT / "deploy" / "docker"
HADOLINT: Final = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
DOMAIN: Final = "phones.example.org"
SECRET: Final = "docker-5d0a3b1f9c774e26"
STATE: Final = "/var/lib/onlycare-socket"
ENV_FILE: Final = f"""\
DOMAIN={DOMAIN}
LARAVEL_API_SECRET={SECRET}
AUTH=jwt
JWT_SECRET={"k" * 40}
"""
OPENING: Final = "/socket.io/?EIO=4&transport=polling"

needs_roots = pytest.mark.skipif(not can_make_roots(), reason=MISSING)
needs_network = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("ip", "curl", "openssl")),
    reason="ip, curl or openssl is missing: sudo apt install iproute2 curl openssl",
)


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is missing: make setup installs it")
def test_hadolint_finds_nothing() -> None:
    ran = subprocess.run(
        [HADOLINT or "", str(DOCKER / "Dockerfile")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "")


def test_nothing_secret_gets_into_a_build(tmp_path: Path) -> None:
    for name in (".dockerignore", "src/onlycare_socket/__init__.py", "web/index.html", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / ".dockerignore", tmp_path / name)
    expected = visible(tmp_path)
    assert expected == {"src/onlycare_socket/__init__.py", "web/index.html", "pyproject.toml"}
    for name in (".env", ".env.production", "src/.env", "deploy/docker/.env", "key.pem", ".git/config", "dump.rdb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("src/__pycache__/a.pyc", "src/onlycare_socket/a.so", "docs/a.md", "tests/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert visible(tmp_path) == expected


# ---------------------------------------------------------------- compose.yaml


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """What Docker Compose makes of compose.yaml."""
    ran = compose_config(ENV_FILE)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    known: dict[str, Any] = json.loads(ran.stdout)
    return known


def compose_config(env_file: str) -> subprocess.CompletedProcess[str]:
    """Runs `docker-compose config` of Debian 13 in a copy of deploy/docker with this .env."""
    root = debian_root("trixie", ["docker-compose"])
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(DOCKER / "compose.yaml", folder)
        Path(folder, ".env").write_text(env_file)
        script = 'mount --bind "$2" "$1/mnt" && mount -t proc proc "$1/proc" && cd / && shift 2 && exec chroot "$@"'
        command = ["docker-compose", "--project-directory", "/mnt", "config", "--format", "json"]
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "-", str(root), folder, str(root), *command],
            env={"PATH": os.environ["PATH"], "HOME": "/"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@needs_roots
def test_each_service_can_do_little(compose: dict[str, Any]) -> None:
    server, nginx = compose["services"]["onlycare-socket"], compose["services"]["nginx"]
    for service in (server, nginx):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert "privileged" not in service
        assert "network_mode" not in service
    assert "cap_add" not in server
    assert set(nginx["cap_add"]) == {"CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"}
    assert all(volume["read_only"] for volume in nginx["volumes"])
    assert [volume["target"] for volume in server["volumes"]] == [STATE]


@needs_roots
def test_only_nginx_is_reached_from_outside(compose: dict[str, Any]) -> None:
    server, nginx = compose["services"]["onlycare-socket"], compose["services"]["nginx"]
    assert "ports" not in server
    published = {port["published"]: port.get("host_ip") for port in nginx["ports"]}
    assert published == {"80": None, "443": None, "3003": "127.0.0.1"}
    assert server["environment"]["TRUSTED_PROXIES"] == f"{nginx['networks']['calls']['ipv4_address']}/32"


@needs_roots
def test_only_the_server_is_told_the_secret(compose: dict[str, Any]) -> None:
    server, nginx = compose["services"]["onlycare-socket"], compose["services"]["nginx"]
    assert server["environment"]["LARAVEL_API_SECRET"] == SECRET
    assert SECRET not in json.dumps({**nginx, "build": server["build"]})
    assert nginx["build"]["args"] == {"DOMAIN": DOMAIN}


@needs_roots
def test_nginx_waits_for_the_server_and_docker_for_the_drain(compose: dict[str, Any]) -> None:
    server, nginx = compose["services"]["onlycare-socket"], compose["services"]["nginx"]
    assert nginx["depends_on"]["onlycare-socket"]["condition"] == "service_healthy"
    assert int(server["stop_grace_period"].removesuffix("s")) > Settings().drain_spread + STOP_SLACK


@needs_roots
def test_without_a_domain_compose_says_what_to_set() -> None:
    ran = compose_config("LARAVEL_API_SECRET=x\n")
    assert ran.returncode != 0
    assert "set it in .env to the host name that phones connect to" in ran.stderr


# ---------------------------------------------------------------- the images


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, Image]]:
    """All stages of the Dockerfile, each step carried out. Takes a minute or two."""
    with tempfile.TemporaryDirectory() as folder:
        yield build(DOCKER / "Dockerfile", PROJECT, Path(folder), {"DOMAIN": DOMAIN})


@pytest.fixture(scope="module")
def cable(compose: dict[str, Any]) -> Iterator[Network]:
    """The network of the two services, with the addresses of compose.yaml."""
    addresses = (
        compose["services"][name]["networks"]["calls"]["ipv4_address"] for name in ("onlycare-socket", "nginx")
    )
    with network(*addresses) as cable:
        yield cable


@pytest.fixture
def server(images: dict[str, Image], compose: dict[str, Any], cable: Network, tmp_path: Path) -> Iterator[Container]:
    """The server's container, not started."""
    service = compose["services"]["onlycare-socket"]
    server = Container(images["server"], service, cable.server, log=tmp_path / "server.log")
    yield server
    server.end()


@pytest.fixture
def nginx(images: dict[str, Image], compose: dict[str, Any], cable: Network, tmp_path: Path) -> Iterator[Container]:
    """nginx's container, not started, with a certificate and the name of the other container."""
    root = images["nginx"].root
    address = compose["services"]["onlycare-socket"]["networks"]["calls"]["ipv4_address"]
    (root / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n{address} onlycare-socket\n")
    folder = root / "etc" / "letsencrypt" / "live" / DOMAIN
    folder.mkdir(parents=True, exist_ok=True)
    certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    certificate += ["-subj", f"/CN={DOMAIN}", "-keyout", str(folder / "privkey.pem")]
    subprocess.run([*certificate, "-out", str(folder / "fullchain.pem")], check=True, capture_output=True)
    nginx = Container(images["nginx"], compose["services"]["nginx"], cable.nginx, log=tmp_path / "nginx.log")
    yield nginx
    nginx.end()


@needs_roots
@needs_network
def test_the_server_is_healthy_from_start_to_stop(server: Container) -> None:
    assert not server.is_healthy()
    server.start()
    server.until_healthy()
    assert server.stop() == 0
    assert not server.is_healthy()
    events = [json.loads(line) for line in server.log().splitlines()][-3:]
    assert [event["event"] for event in events] == ["listening", "stopping", "stopped"]
    assert events[0]["address"] == "http://0.0.0.0:3001"
    assert events[0]["compiled"] is True


@needs_roots
@needs_network
def test_the_server_has_no_rights_and_no_tools(server: Container, images: dict[str, Image]) -> None:
    status = server.run(["cat", "/proc/self/status"]).stdout
    for line in ("Uid:\t10001\t10001\t10001\t10001", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"):
        assert line in status
    for folder, code in ((STATE, 0), ("/", 1), ("/tmp", 1), ("/opt/onlycare-socket", 1)):
        assert server.run(["touch", f"{folder}/x"]).returncode == code
    assert server.run(["sh", "-c", "for tool in gcc pip pip3 curl mypy; do command -v $tool; done"]).stdout == ""
    owned = [path for path in images["server"].inside("/opt").rglob("*") if path.lstat().st_uid != 0]
    assert owned == []


@needs_roots
@needs_network
def test_phones_and_laravel_get_through_nginx(server: Container, nginx: Container, cable: Network) -> None:
    server.start()
    server.until_healthy()
    assert not nginx.is_healthy()
    nginx.start()
    nginx.until_healthy()

    def curl(url: str, *options: str) -> tuple[int, str]:
        to = ["--resolve", f"{DOMAIN}:443:127.0.0.1", "--insecure", "--silent", "--max-time", "5"]
        said = within(cable.nginx, "curl", *to, "--write-out", "\n%{http_code}", *options, url).stdout
        return int(said.rpartition("\n")[2]), said.rpartition("\n")[0]

    code, opened = curl(f"https://{DOMAIN}{OPENING}&token=never-in-a-log")
    assert (code, opened[0]) == (200, "0")
    polled = f"https://{DOMAIN}{OPENING}&sid={json.loads(opened[1:])['sid']}"
    assert curl(polled, "--data", "nonsense", "--header", "X-Forwarded-For: 203.0.113.9")[0] == 400
    assert curl(f"https://{DOMAIN}/socket-health")[0] == 200
    assert curl(f"https://{DOMAIN}/api/connected-users", "--header", f"X-Internal-Secret: {SECRET}")[0] == 404
    door = "http://127.0.0.1:3003/api/connected-users"
    assert curl(door) == (401, '{"error":"Unauthorized"}')
    assert curl(door, "--header", f"X-Internal-Secret: {SECRET}") == (200, '{"count":0,"users":[]}')

    lines = [json.loads(line) for line in server.log().splitlines()]
    addresses = [line["address"] for line in lines if line["event"] == "client rejected"]
    assert addresses == ["127.0.0.1"]  # nginx is believed, the client is not
    assert nginx.stop() == 0
    assert OPENING.partition("?")[0] in nginx.log()
    for secret in ("never-in-a-log", SECRET):
        assert secret not in nginx.log() + server.log()
