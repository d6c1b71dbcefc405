"""The operators' documents, run: every block of commands in them, as it stands there, on a booted Debian.

A block is preceded by `<!-- needs the real host: why -->` when no test can run it, and by `<!-- by hand: what -->` when
the operator does it in an editor. A block of text behind one of commands is what these print; `…` stands for anything.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from .conftest import PROJECT
from .installing import CHECKOUT, DOMAIN, Host, host
from .pantry import ENVIRONMENT, WITH_NODE

DOCS: Final = PROJECT / "docs"
GUIDES: Final = ("DEPLOYMENT_CHECKLIST.md", "UPDATE_LARAVEL_ENV.md", "WEBSOCKET_INTEGRATION_GUIDE.md")
BACKEND: Final = "api.example.com"
SECRET: Final = "9f2c51d07a84e63b-of-the-node-server"
PACKAGES: Final = (*WITH_NODE, "gcc", "procps", "python3-dev", "sudo")
_BLOCK: Final = re.compile(r"(?:<!-- ([^\n]*) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
_OLD_SITE: Final = f"""\
server {{
    listen 443 ssl;
    server_name {DOMAIN};
    ssl_certificate /etc/letsencrypt/live/{DOMAIN}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{DOMAIN}/privkey.pem;
    location /socket.io/ {{ proxy_pass http://127.0.0.1:3001; }}
}}
"""
_BACKEND_SITE: Final = """\
server {
    listen 443 ssl;
    server_name api.example.com;
    ssl_certificate /etc/ssl/api.pem;
    ssl_certificate_key /etc/ssl/api.key;
    location = /api/websocket/check { return 404; } # a backend without this project's files
    location / { proxy_pass %s; }
}
"""


class Block(NamedTuple):
    """Some commands of a guide, or what is done by hand, with what is printed."""

    guide: str
    mark: str
    kind: str
    text: str
    prints: str


def blocks(guide: str) -> Iterator[Block]:
    """Returns the blocks of a guide in order."""
    found = _BLOCK.findall((DOCS / guide).read_text())
    for (mark, kind, text), (_, next_kind, next_text) in zip(found, [*found[1:], ("", "", "")], strict=True):
        if kind != "text":
            yield Block(guide, mark, kind, text, next_text if next_kind == "text" else "")


def follow(there: Host, guide: str) -> int:
    """Does what a guide says, and returns how many blocks were run."""
    ran = 0
    for block in blocks(guide):
        if block.mark.startswith("by hand: include the locations"):
            there.edit(
                "/etc/nginx/sites-enabled/calls",
                "location /socket.io/ { proxy_pass http://127.0.0.1:3001; }",
                block.text,
            )
        elif block.kind == "sh" and not block.mark.startswith("needs the real host: "):
            script = f"cd {CHECKOUT}\n{block.text}"
            done = there.machine.run(
                "bash", "-euo", "pipefail", "-c", script, check=False, timeout=400, env=ENVIRONMENT
            )
            said = done.stdout + done.stderr
            assert done.returncode == 0, f"{guide}:\n{block.text}\n{said}"
            if block.prints:
                expected = ".*".join(map(re.escape, block.prints.strip().replace("\n", "…\n…").split("…")))
                assert re.search(expected, said, re.DOTALL), f"{guide}:\n{block.text}\n{said}"
            ran += 1
    return ran


@pytest.fixture
def there() -> Iterator[Host]:
    """A host that has a backend, and a certificate for the phones' name."""
    with host("bookworm", PACKAGES) as there:
        keep = f'Defaults env_keep += "{" ".join(ENVIRONMENT)}"\n'
        there.machine.write("/etc/sudoers.d/registries", keep, mode=0o440)
        there.certify()
        there.machine.shell("echo 127.0.1.1 $(hostname) >> /etc/hosts")
        there.machine.shell(
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={BACKEND} "
            f"-addext subjectAltName=DNS:{BACKEND} -keyout /etc/ssl/api.key -out /etc/ssl/api.pem 2>/dev/null; "
            "cp /etc/ssl/api.pem /usr/local/share/ca-certificates/api.crt; update-ca-certificates >/dev/null 2>&1; "
            f"echo 127.0.0.1 {BACKEND} >> /etc/hosts"
        )
        there.machine.write("/etc/nginx/sites-enabled/backend", _BACKEND_SITE % there.start_laravel())
        there.machine.run("systemctl", "reload-or-restart", "nginx")
        yield there


def old_server(there: Host) -> None:
    """Starts what stands for the Node server, on its port, behind its site."""
    program = PROJECT / "tests" / "deploy" / "old_server.js"
    there.machine.put(program, "/srv/old_server.js")
    there.machine.run("systemd-run", "--quiet", "--unit=old", "node", "/srv/old_server.js", "3001", SECRET)
    there.machine.write(f"{CHECKOUT}/node.secret", f"{SECRET}\n", mode=0o600)
    there.machine.write("/etc/nginx/sites-enabled/calls", _OLD_SITE)
    there.machine.run("systemctl", "reload", "nginx")


def test_the_checklist_leads_over_and_back(there: Host) -> None:
    old_server(there)
    assert follow(there, "DEPLOYMENT_CHECKLIST.md") >= 15
    health = there.machine.run("curl", "-sS", f"https://{DOMAIN}/socket-health").stdout
    assert '"old"' in health, "the last block leads back to the old server"
    assert there.health(3002)["status"] == "OK"
    assert there.secret() == SECRET, "Laravel's word counts with both servers"
    door = ["curl", "-sSf", "-X", "POST", "-H", f"X-Internal-Secret: {SECRET}", "http://localhost:3003/api/emit/x"]
    assert '"old"' in there.machine.run(*door).stdout


def test_the_guide_and_the_page_on_laravels_variables(there: Host) -> None:
    assert follow(there, "WEBSOCKET_INTEGRATION_GUIDE.md") >= 3
    assert follow(there, "UPDATE_LARAVEL_ENV.md") >= 2


@pytest.mark.parametrize("guide", GUIDES)
def test_every_block_that_is_not_run_says_why(guide: str) -> None:
    for block in blocks(guide):
        if block.mark:
            assert re.fullmatch(r"(needs the real host|by hand): .{10,}", block.mark)
        else:
            assert block.kind in ("sh", "ini"), f"{guide}: a block of {block.kind} that no test looks at"


def test_what_takes_the_place_of_each_file_is_there() -> None:
    table = (
        (DOCS / "WEBSOCKET_INTEGRATION_GUIDE.md").read_text().partition("| you know | now |")[2].partition("\n\n")[0]
    )
    rows = [row.split(" | ") for row in table.splitlines()[2:]]
    assert [row[0].strip("| `") for row in rows] == [
        "socket-server/server.js",
        "socket-server/package.json",
        "socket-server/env.example",
        "socket-server/install.sh",
        "socket-server/ecosystem.config.js",
        "socket-server/test-client.html",
        "nginx-websocket.conf",
        "app/Services/WebSocketService.php",
        "config/websocket.php",
    ]
    for _, now, *_ in rows:
        for path in re.findall(r"`((?:deploy|laravel|src|pyproject|requirements)[\w./-]*)`", now):
            assert Path(PROJECT, path).exists(), path
