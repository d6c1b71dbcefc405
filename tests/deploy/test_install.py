"""`deploy/install.sh` on booted Debians: what an operator does with it, and what goes wrong for him."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .installing import CHECKOUT, DOMAIN, ENV_FILE, LARAVEL, UPSTREAM, Host, host, wheel_of
from .pantry import CLEAN, ENVIRONMENT, READY, WITH_NODE, stock_apt

SUITES = ["bookworm", "trixie"] if os.environ.get("TEST_MATRIX") == "1" else ["bookworm"]
SECRET = "a-secret#of 'Laravel'".replace(" ", "$") + "-0123456789"
EXITS = 'raise SystemExit("broken on purpose")\n'
CALLS = "/var/lib/onlycare-socket/calls.db"
LOGS = {"/var/log/onlycare-socket-install.log", "/var/log/nginx/onlycare-socket.access.log"}
HANGS = "import time\ntime.sleep(3600)\n"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes wheels, each version once."""
    folder, made = tmp_path_factory.mktemp("wheels"), dict[str, Path]()

    def make(version: str, *, broken: str = "") -> Path:
        if version not in made:
            made[version] = wheel_of(version, folder, broken=broken)
        return made[version]

    return make


@pytest.fixture(params=SUITES)
def clean(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A Debian with nothing on it, where apt finds its packages."""
    with host(request.param, CLEAN) as there:
        stock_apt(there.machine, request.param)
        yield there


@pytest.fixture(params=SUITES)
def ready(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A Debian where apt has nothing to do."""
    with host(request.param, READY) as there:
        yield there


@pytest.fixture(params=SUITES)
def with_node(request: pytest.FixtureRequest) -> Iterator[Host]:
    """The same with Node.js and npm, but no PM2."""
    with host(request.param, WITH_NODE) as there:
        yield there


def test_a_clean_debian_twice_in_a_row(clean: Host) -> None:
    """From the checkout to a call through nginx and TLS; then nothing to do; and it is back after a reboot."""
    options = ["--pure", "--domain", DOMAIN, "--laravel-url", LARAVEL]
    before = clean.files()
    said = clean.install("--dry-run", *options)
    assert "would  packages  install with apt: python3 python3-venv ca-certificates" in said
    assert "Dry run: nothing was changed" in said
    assert clean.files() == before

    said = clean.install(*options)
    assert "Done: onlycare-socket 1." in said
    assert "there is no certificate for calls.example.com yet" in said
    assert (
        "certbot certonly --webroot --webroot-path /var/www/letsencrypt \\\nnote   nginx           --deploy-hook"
        in said
    )
    stat = clean.machine.shell(f"stat -c '%U %G %a' {ENV_FILE}; stat -c '%U %G %a' /etc/onlycare-socket")
    assert stat.split("\n") == ["onlycare-socket onlycare-socket 600", "root onlycare-socket 750"]
    assert re.fullmatch("[0-9a-f]{64}", clean.secret())
    log = clean.machine.path("/var/log/onlycare-socket-install.log").read_text()
    assert clean.secret() not in said + log + clean.machine.journal()
    assert "The requirements" not in log

    clean.certify()
    laravel = clean.start_laravel()
    said = clean.install("--laravel-url", laravel)
    assert f"https://{DOMAIN}/socket-health answers" in said
    assert "worker_connections 768 is enough for 384 phones a worker" in said
    call = ["call", "--url", f"https://{DOMAIN}", "--caller", "5", "--callee", "9"]
    tokens = ["--caller-token", "5|abc", "--callee-token", "9|def"]
    assert "OK: it rang after" in clean.machine.run("onlycare-socket", *call, *tokens).stdout

    pid, settings, before = clean.pid(), clean.settings(), clean.files()
    for again in ([], [*options[:3], "--laravel-url", laravel]):
        assert "Nothing to do: onlycare-socket" in clean.install(*again)
        assert (clean.pid(), clean.settings()) == (pid, settings)
    assert {name for name in changes(before, clean.files()) - LOGS if not name.startswith(CALLS)} == set()

    clean.machine.reboot()
    assert clean.health()["status"] == "OK"
    assert "Nothing to do" in clean.install()


def test_upgrades_and_what_becomes_of_broken_ones(ready: Host, wheels: Callable[..., Path]) -> None:
    ready.machine.write("/srv/secret", f"{SECRET}\r\nsecond line\n", mode=0o600)
    watch = (
        "tail -c +1 /srv/secret | head -n 1 | tr -d '\\r\\n' > /tmp/pattern; while [ ! -e /tmp/enough ]; do "
        "grep -aqsFf /tmp/pattern /proc/[0-9]*/cmdline /proc/[0-9]*/environ && touch /tmp/seen; sleep 0.02; done"
    )
    ready.machine.run("systemd-run", "--quiet", "sh", "-c", watch)
    said = ready.first_install(wheels("1.1.0"), "--secret-file", "/srv/secret")
    ready.machine.run("touch", "/tmp/enough")
    assert ready.version() == "1.1.0"
    assert SECRET not in said + ready.machine.path("/var/log/onlycare-socket-install.log").read_text()
    assert not ready.machine.path("/tmp/seen").exists()
    header = f"X-Internal-Secret: {SECRET}"
    assert ready.machine.run("curl", "-sf", "-H", header, "http://127.0.0.1:3001/api/calls").returncode == 0

    assert "Done: onlycare-socket 1.2.0 serves" in ready.install("--wheel", ready.carry(wheels("1.2.0")))
    assert ready.version() == "1.2.0"
    settings = ready.settings()

    # A setting comes with the broken version, and is taken back with it.
    bad = ready.carry(wheels("1.3.0", broken=EXITS))
    said = ready.install("--wheel", bad, "--laravel-url", "https://other.example.com", "--port", "3005", code=1)
    assert "1.3.0 is not healthy" in said
    assert "broken on purpose" in said
    assert "Rolled back: 1.2.0 serves again on port 3001, with the settings it had" in said
    assert (ready.version(), ready.settings()) == ("1.2.0", settings)
    assert ready.releases() == ["1.1.0", "1.2.0"]
    assert "Nothing to do" in ready.install("--wheel", "/srv/onlycare_socket-1.2.0-py3-none-any.whl")

    # Nothing is ever heard of this one. How long that may take is the unit's TimeoutStartSec.
    override = "/etc/systemd/system/onlycare-socket.service.d/test.conf"
    ready.machine.write(override, "[Service]\nTimeoutStartSec=3\n")
    said = ready.install("--wheel", ready.carry(wheels("1.4.0", broken=HANGS)), code=1)
    assert "Rolled back: 1.2.0 serves again" in said
    assert ready.version() == "1.2.0"

    # By hand, there and back.
    assert "Done: onlycare-socket 1.1.0 serves" in ready.install("--rollback")
    assert ready.version() == "1.1.0"
    ready.install("--rollback")
    assert ready.version() == "1.2.0"
    assert ready.settings() == settings

    # The newest three are kept.
    for name in ("0.8.0-20250101000000", "0.9.0-20250601000000"):
        ready.machine.write(f"/opt/onlycare-socket/releases/{name}/origin", "long ago\n")
    assert "remove 0.8.0-20250101000000: the newest 3 are kept" in ready.install()
    assert ready.releases() == ["0.9.0", "1.1.0", "1.2.0"]


def test_settings_are_changed_by_the_line(ready: Host, wheels: Callable[..., Path]) -> None:
    ready.first_install(wheels("1.1.0"))
    secret = ready.secret()
    hand_made = f"# mine\nRING_TIMEOUT=40\nexport LARAVEL_API_URL = 'http://old.example.com' # old\n{ready.settings()}"
    ready.machine.write(ENV_FILE, hand_made, mode=0o644)
    origins = "https://a.example.com,https://b.example.com"
    said = ready.install("--laravel-url", "https://new.example.com", "--allowed-origins", origins, "--port", "3002")
    assert "stays: this checkout is older" in said
    assert [
        line for line in ready.settings().splitlines() if "install.sh" not in line and "at its start" not in line
    ] == [
        "# mine",
        "RING_TIMEOUT=40",
        "LARAVEL_API_URL=https://new.example.com",
        "PORT=3002",
        f"LARAVEL_API_SECRET={secret}",
        f"ALLOWED_ORIGINS={origins}",
    ]
    assert ready.machine.shell(f"stat -c '%U %a' {ENV_FILE}") == "onlycare-socket 600"
    assert (ready.version(3002), ready.version(3001)) == ("1.1.0", "")

    # A setting that the server would not start with is found before anything is restarted.
    pid = ready.pid()
    settings = ready.settings()
    said = ready.install("--allowed-origins", "nonsense", code=1)
    assert "ALLOWED_ORIGINS" in said
    assert "Nothing was changed over" in said
    assert (ready.pid(), ready.settings()) == (pid, settings)

    # What somebody changed in the file is taken up.
    ready.edit(ENV_FILE, "RING_TIMEOUT=40", "RING_TIMEOUT=50")
    assert "restart by systemd" in ready.install()
    assert ready.pid() != pid


def test_refusals_change_nothing(ready: Host, wheels: Callable[..., Path]) -> None:
    machine, wheel = ready.machine, ready.carry(wheels("1.1.0"))
    options = ["--wheel", wheel, "--laravel-url", LARAVEL]
    before = ready.files()
    assert "the first run needs --domain" in ready.install(*options, code=2)
    assert "the first run needs --laravel-url" in ready.install("--wheel", wheel, "--no-nginx", code=2)
    assert "no such file" in ready.install(*options, "--no-nginx", "--secret-file", "/srv/none", code=1)
    machine.write("/srv/short", "short\n", mode=0o600)
    assert "expected at least 16" in ready.install(*options, "--no-nginx", "--secret-file", "/srv/short", code=1)
    assert "there is no release before" in ready.install("--rollback", code=1)
    assert "Nothing to do: onlycare-socket is not installed" in ready.install("--uninstall")
    assert "is missing" in ready.install(*options[2:], "--no-nginx", "--wheel", "/srv/onlycare_socket-2-x.whl", code=1)

    machine.run("systemd-run", "--quiet", "--unit=old", "python3", "-m", "http.server", "--bind", "127.0.0.1", "3001")
    machine.shell("until curl -s -o /dev/null http://127.0.0.1:3001; do sleep 0.05; done")
    said = ready.install(*options, "--no-nginx", code=1)
    assert re.search(r"port 3001 is in use by python3 \(process \d+\); .*--port 3002 beside the old Node server", said)
    machine.shell("systemctl stop nginx old")
    machine.run("systemd-run", "--quiet", "--unit=old", "python3", "-m", "http.server", "--bind", "127.0.0.1", "80")
    machine.shell("until curl -s -o /dev/null http://127.0.0.1; do sleep 0.05; done")
    assert "port 80 is in use by python3" in ready.install(*options, "--domain", DOMAIN, code=1)
    machine.shell("systemctl stop old; systemctl start nginx")

    machine.run("systemd-run", "--quiet", "flock", "/run/lock/onlycare-socket-install.lock", "sleep", "60")
    machine.shell("until ! flock -n /run/lock/onlycare-socket-install.lock true; do sleep 0.05; done")
    assert "another install.sh is running" in ready.install(*options, "--no-nginx", code=1)
    changed = {name for name, facts in ready.files().items() if before.get(name, "d").split()[0] != facts.split()[0]}
    assert changed == {"/srv/short", "/var/log/onlycare-socket-install.log"}


def test_killed_half_way_it_is_mended_by_the_next_run(ready: Host, wheels: Callable[..., Path]) -> None:
    ready.first_install(wheels("1.1.0"))
    wheel = ready.carry(wheels("1.2.0"))
    kill_at(ready, wheel, "do     release .*", wait=2)  # while pip fills the release
    assert ready.version() == "1.1.0"
    assert not ready.machine.path("/opt/onlycare-socket/previous").is_symlink()
    kill_at(ready, wheel, "do     service .*")  # while it changes over
    wait_for(lambda: ready.version() != "")
    assert "which a run that was stopped left unfinished" in ready.machine.path("/tmp/said").read_text()
    ready.install("--wheel", wheel)
    assert ready.version() == "1.2.0"
    assert ready.releases() == ["1.1.0", "1.2.0"]
    assert "Nothing to do" in ready.install("--wheel", wheel)
    assert ready.machine.shell("ls -d /run/onlycare-socket-install.* /opt/onlycare-socket/build", check=False) == ""
    assert "1.1.0 serves" in ready.install("--rollback")


def test_nginx_is_the_operators(ready: Host, wheels: Callable[..., Path]) -> None:
    ready.certify()
    wheel = ready.carry(wheels("1.1.0"))
    site, snippet = (
        "/etc/nginx/sites-available/onlycare-socket.conf",
        "/etc/nginx/snippets/onlycare-socket-locations.conf",
    )

    # nginx refuses the new files: all is as before, and it still runs.
    ready.machine.write("/etc/nginx/conf.d/other.conf", "upstream onlycare_socket { server 127.0.0.1:9; }\n")
    said = ready.install("--wheel", wheel, "--laravel-url", LARAVEL, "--domain", DOMAIN, code=1)
    assert "nginx refused the new files, so the old ones are back" in said
    assert "duplicate upstream" in said
    assert not any(ready.machine.path(name).exists() for name in (UPSTREAM, site, snippet))
    assert ready.version() == "1.1.0"
    ready.machine.write("/etc/nginx/conf.d/other.conf", "this is no configuration\n")
    assert "broken already, before anything was changed" in ready.install("--wheel", wheel, code=1)
    ready.machine.run("rm", "/etc/nginx/conf.d/other.conf")
    assert "/socket-health answers" in ready.install("--domain", DOMAIN)

    # The line that switches between servers stays as it was switched, and so does a file that somebody edited.
    ready.edit(UPSTREAM, "server 127.0.0.1:3001;", "server 127.0.0.1:3009;")
    ready.edit(site, "keepalive_timeout 75s;", "keepalive_timeout 30s;")
    ready.edit(f"{CHECKOUT}/deploy/nginx-websocket-upstream.conf", "keepalive 64;", "keepalive 65;")
    ready.edit(f"{CHECKOUT}/deploy/nginx-websocket.conf", "ssl_session_timeout 1d;", "ssl_session_timeout 2d;")
    said = ready.install()
    assert f"{site} was edited and stays; the new one is /opt/onlycare-socket/pristine/offered" in said
    assert "passes calls to port 3009, and this server has 3001" in said
    upstream = ready.machine.path(UPSTREAM).read_text()
    assert "server 127.0.0.1:3009;" in upstream
    assert "keepalive 65;" in upstream
    assert "keepalive_timeout 30s;" in ready.machine.path(site).read_text()
    assert "Nothing to do" in ready.install()
    ready.edit(UPSTREAM, "server 127.0.0.1:3009;", "server 127.0.0.1:3001;")
    ready.install("--port", "3002")
    assert "server 127.0.0.1:3002;" in ready.machine.path(UPSTREAM).read_text()

    # Removed, edited files are kept beside; a site of somebody else that uses the locations keeps them.
    other = f"server {{ listen 81; server_name other; include {snippet.removeprefix('/etc/nginx/')}; }}\n"
    ready.machine.write("/etc/nginx/conf.d/other.conf", other)
    said = ready.install("--uninstall", "--dry-run")
    assert "/etc/nginx/conf.d/other.conf includes snippets/onlycare-socket-locations.conf" in said
    ready.machine.run("rm", "/etc/nginx/conf.d/other.conf")
    ready.install("--uninstall")
    assert ready.machine.path(f"{site}.saved").exists()
    assert not ready.machine.path(f"{UPSTREAM}.saved").exists()
    ready.machine.run("nginx", "-t")


def test_a_site_that_serves_the_domain_already_is_left_alone(ready: Host, wheels: Callable[..., Path]) -> None:
    theirs = "/etc/nginx/sites-enabled/laravel"
    text = f"server {{\n  listen 80;\n  server_name www.example.com {DOMAIN};\n  location / {{ return 204; }}\n}}\n"
    ready.machine.write(theirs, text)
    said = ready.first_install(wheels("1.1.0"), "--domain", DOMAIN)
    assert f"{DOMAIN} is served by {theirs} already" in said
    assert "    include snippets/onlycare-socket-locations.conf;" in said
    assert ready.machine.path(theirs).read_text() == text
    assert not ready.machine.path("/etc/nginx/sites-enabled/onlycare-socket.conf").is_symlink()
    ready.edit(theirs, "  location", "  include snippets/onlycare-socket-locations.conf;\n  location")
    ready.machine.run("nginx", "-s", "reload")
    assert "already" not in ready.install()
    health = [
        "curl",
        "-sf",
        "-H",
        f"Host: {DOMAIN}",
        "--retry",
        "3",
        "--retry-connrefused",
        "http://127.0.0.1/socket-health",
    ]
    assert '"version":"1.1.0"' in ready.machine.run(*health).stdout


def test_uninstall_leaves_the_settings_and_purge_leaves_nothing(ready: Host, wheels: Callable[..., Path]) -> None:
    ready.certify()
    ready.machine.shell("ufw --force enable; ufw allow 22/tcp; ufw allow 3001; ufw allow 3001/tcp")
    before = set(ready.files())
    ready.first_install(wheels("1.1.0"), "--domain", DOMAIN)
    assert rules(ready) == ["ufw allow 22/tcp", "ufw deny 3001/tcp", "ufw allow 80/tcp", "ufw allow 443/tcp"]
    assert "Nothing to do" in ready.install()
    settings = ready.settings()
    with_it = ready.files()
    assert "Dry run: nothing was changed" in ready.install("--uninstall", "--purge", "--dry-run")
    assert changes(with_it, ready.files()) - LOGS == set()

    said = ready.install("--uninstall")
    assert "Kept: settings in /etc/onlycare-socket" in said
    assert ready.server_processes() == ""
    assert ready.version() == ""
    left = {name for name in set(ready.files()) - before if "onlycare" in name and not name.startswith("/srv")}
    kept = {"/etc/onlycare-socket", ENV_FILE, "/etc/onlycare-socket/install.conf"}
    logs = {"/var/lib/onlycare-socket", "/var/log/onlycare-socket", "/var/log/onlycare-socket-install.log"}
    assert CALLS in left
    left = {name for name in left if not name.startswith(CALLS)}
    assert left == kept | logs | {"/var/log/nginx/onlycare-socket.access.log"}
    assert ready.settings() == settings
    ready.machine.run("nginx", "-t")

    # Back again: what was kept is used.
    assert "Done: onlycare-socket 1.1.0" in ready.install("--wheel", f"/srv/{wheels('1.1.0').name}")
    assert ready.settings() == settings
    ready.install("--uninstall", "--purge")
    left = {name for name in set(ready.files()) - before if not name.startswith("/srv")}
    assert {name for name in left if "onlycare" in name} == set()
    assert ready.machine.run("id", "onlycare-socket", check=False).returncode == 1
    assert rules(ready) == ["ufw allow 22/tcp", "ufw allow 80/tcp", "ufw allow 443/tcp"]
    assert "Nothing to do" in ready.install("--uninstall")


def test_pm2_and_the_change_between_the_two(with_node: Host, wheels: Callable[..., Path]) -> None:
    there, pm2 = with_node, "env -C / PM2_HOME=/var/lib/onlycare-socket/.pm2 pm2"
    said = there.first_install(wheels("1.1.0"), "--process-manager", "pm2")
    assert "install pm2 7" in said
    assert "Done: onlycare-socket 1.1.0 serves on port 3001 by pm2" in said
    listed = there.machine.shell(f"runuser -u onlycare-socket -- {pm2} list --no-color")
    assert re.search(r"onlycare-socket .* online ", listed)
    assert "Nothing to do" in there.install()

    there.machine.reboot()
    wait_for(lambda: there.version() == "1.1.0")
    assert "Nothing to do" in there.install()

    there.install("--wheel", there.carry(wheels("1.2.0")))
    assert there.version() == "1.2.0"
    said = there.install("--wheel", there.carry(wheels("1.3.0", broken=EXITS)), code=1)
    assert "broken on purpose" in said
    assert "Rolled back: 1.2.0 serves again" in said
    assert there.version() == "1.2.0"

    said = there.install("--process-manager", "systemd")
    assert "stop the one that pm2 runs" in said
    assert there.version() == "1.2.0"
    assert "God" not in there.server_processes()
    assert "Nothing to do" in there.install()
    there.install("--process-manager", "pm2")
    assert there.version() == "1.2.0"
    assert there.machine.run("systemctl", "is-enabled", "onlycare-socket", check=False).returncode != 0
    there.install("--uninstall", "--purge")
    assert there.version() == ""
    left = there.machine.shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '", check=False)
    assert "PM2" not in left


def kill_at(there: Host, wheel: str, line: str, wait: float = 0) -> None:
    """Starts install.sh and kills it and all it started, some seconds after it said a line."""
    script = (
        f"setsid {CHECKOUT}/deploy/install.sh --wheel {wheel} >/tmp/said 2>&1 & "
        f"until grep -qx '{line}' /tmp/said; do sleep 0.01; done; sleep {wait}; kill -9 -- -$!"
    )
    there.machine.run("bash", "-c", script, env=ENVIRONMENT)


def rules(there: Host) -> list[str]:
    """Returns the rules of the firewall, as commands."""
    return there.machine.shell("ufw show added").splitlines()[1:]


def changes(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Returns the files that were made, changed or removed."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
