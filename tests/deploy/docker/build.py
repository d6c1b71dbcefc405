"""Carries out a Dockerfile step by step, without a container engine: every RUN runs, every COPY copies.

A stage is a folder that begins as a Debian root of the release that FROM names, which is what the official image of
Debian is made from. Commands run in it by chroot, in mount and process namespaces of their own. What an engine does
beyond that (layers, its network, limits) is not seen here.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..roots import debian_root

_LONGEST: Final = 600.0
"""Seconds that one step may take."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What commands in there need to reach package registries the way this machine does. Bound, so nothing of it stays.
_OF_THIS_MACHINE: Final = ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
_VARIABLES: Final = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

# $1 folder, $2... files to bind, then "--" and a command.
ENTER: Final = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do [ -e "$root$1" ] || touch "$root$1"; mount --bind "$1" "$root$1"; shift; done; shift
exec /usr/sbin/chroot "$root" "$@"
"""


@dataclass
class Image:
    """A stage: its folder, and how a container of it is started."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    args: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    stop_signal: str = "SIGTERM"

    def run(self, line: str) -> None:
        """Runs what stands behind RUN; AssertionError with what it said when it fails."""
        files = [name for name in _OF_THIS_MACHINE if Path(name).exists()]
        network = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "-", str(self.root)]
        command += [*files, "--", "/bin/sh", "-c", f"cd {shlex.quote(self.folder)} && {line}"]
        ran = subprocess.run(
            command,
            env={**network, **self.args, **self.env, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
        assert ran.returncode == 0, f"RUN {line}\n{ran.stdout[-2000:]}{ran.stderr[-4000:]}"

    def inside(self, path: str) -> Path:
        """Returns where a path of the image is on this machine."""
        return self.root / os.path.join(self.folder, path).lstrip("/")


def steps(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yields the instructions of a Dockerfile and what stands behind them."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    for line in re.sub(r"\\\n", "", text).splitlines():
        if line.strip():
            instruction, _, rest = line.strip().partition(" ")
            yield instruction, rest.strip()


def build(dockerfile: Path, context: Path, work: Path, arguments: Mapping[str, str]) -> dict[str, Image]:
    """Returns the stages of a Dockerfile by name, made below the folder `work`."""
    images: dict[str, Image] = {}
    image = Image(work)
    seen = visible(context)
    for instruction, rest in steps(dockerfile):
        match instruction:
            case "FROM":
                image = _from(rest, work)
                images[image.root.name] = image
            case "RUN":
                image.run(rest)
            case "COPY":
                _copy(rest, image, context, images, seen)
            case "ARG":
                name, _, default = rest.partition("=")
                image.args[name] = arguments.get(name, default)
            case "ENV":
                image.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))
            case "WORKDIR":
                image.folder = rest
                image.inside("").mkdir(parents=True, exist_ok=True)
            case "USER":
                image.user = rest
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "CMD":
                image.command = json.loads(rest)
            case "HEALTHCHECK":
                image.health = json.loads(rest.partition(" CMD ")[2])
            case "STOPSIGNAL":
                image.stop_signal = rest
            case "EXPOSE":
                pass
            case _:
                raise AssertionError(f"{instruction} cannot be carried out here yet")
    return images


def visible(context: Path) -> set[str]:
    """Returns the files that .dockerignore lets into a build, as paths below `context`.

    The rules are those of a list that begins with `*` and names what is let in: the last rule that matches counts, and
    one that matches a folder matches all in it.
    """
    lines = (context / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    top = {rule.lstrip("!").split("/")[0] for rule in rules if rule.startswith("!")}
    files = [path for name in sorted(top) for path in _files(context / name)]
    return {name for name in (str(path.relative_to(context)) for path in files) if _let_in(name, rules)}


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]


def _let_in(name: str, rules: list[str]) -> bool:
    verdict = True
    for rule in rules:
        pattern = rule.lstrip("!").removeprefix("**/")
        anywhere = pattern != rule.lstrip("!")
        parts = name.split("/")
        starts = range(len(parts)) if anywhere else (0,)
        length = pattern.count("/") + 1
        ends = [(start, start + length) for start in starts if start + length <= len(parts)]
        if any(fnmatch.fnmatchcase("/".join(parts[start:end]), pattern) for start, end in ends):
            verdict = rule.startswith("!")
    return verdict


def _from(rest: str, work: Path) -> Image:
    found = re.fullmatch(r"debian:(\w+)-slim AS (\w+)", rest)
    assert found, f"FROM {rest}: only a stage of debian:<release>-slim can be made here"
    root = work / found[2]
    subprocess.run(["cp", "-a", "--reflink=auto", str(debian_root(found[1], ["ca-certificates"])), root], check=True)
    return Image(root)


def _copy(rest: str, image: Image, context: Path, images: Mapping[str, Image], seen: set[str]) -> None:
    *sources, target = rest.split()
    stage = images[sources.pop(0).removeprefix("--from=")].root if sources[0].startswith("--from=") else None
    for source in sources:
        into = image.inside(target)
        if stage:
            shutil.copytree(stage / source.lstrip("/"), into, symlinks=True)
            continue
        named = [name for name in seen if name == source or name.startswith(f"{source}/")]
        assert named, f"COPY {rest}: .dockerignore lets nothing of {source} in"
        for name in named:
            below = name.removeprefix(source).lstrip("/")
            to = into / below if below else into / Path(name).name if target.endswith("/") else into
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(context / name, to)
