"""nginx's own configuration, read to name the very line that upgrades lack."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

from onlycare_socket.cli.doctor.finding import shown

WANTED: Final = {
    "proxy_http_version 1.1;": re.compile(r"\bproxy_http_version\s+1\.1\s*;"),
    "proxy_set_header Upgrade $onlycare_socket_upgrade;": re.compile(
        r"\bproxy_set_header\s+Upgrade\s+\S+\s*;", re.IGNORECASE
    ),
    "proxy_set_header Connection $onlycare_socket_connection;": re.compile(
        r"\bproxy_set_header\s+Connection\s+[^;]+;", re.IGNORECASE
    ),
}
"""The lines that pass an upgrade on, and how they may be written."""

_LOCATION: Final = re.compile(r"\blocation\s[^{};]*/socket\.io/?[^{};]*\{")
_FILE: Final = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
_COMMENT: Final = re.compile(r"(?<!\S)#(?! configuration file ).*")


def what_upgrades_lack() -> str:
    """Returns what to do about a request that lost its upgrade headers: as exactly as nginx lets us know."""
    lacking = [
        f"add to location /socket.io/ in {shown(file)}: {' '.join(lines)}" for file, lines in _lacking(_configuration())
    ]
    if lacking:
        return f"{'; '.join(lacking)} then `systemctl reload nginx`"
    return f"one of these lines is missing in nginx's location /socket.io/: {' '.join(WANTED)}"


def _lacking(configuration: str) -> Iterator[tuple[str, list[str]]]:
    """Yields each location /socket.io/ that lacks something: its file, and the lines."""
    text = _COMMENT.sub("", configuration)
    for location in _LOCATION.finditer(text):
        block = _block(text, location.end())
        lines = [line for line, written in WANTED.items() if not written.search(block)]
        if lines:
            file = [found[1] for found in _FILE.finditer(text, 0, location.start())]
            yield (file[-1] if file else "nginx's configuration"), lines


def _block(text: str, start: int) -> str:
    """Returns what stands between the braces of which the first ends at `start`."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return text[start:]


def _configuration() -> str:
    """Returns the whole configuration of this machine's nginx; empty when there is none, or only root may read it."""
    command = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if command is None:
        return ""
    try:
        told = subprocess.run([command, "-T"], capture_output=True, check=False, timeout=3)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.decode("utf-8", "replace") if told.returncode == 0 else ""
