"""Compiles the path of a call to machine code with mypyc, for the wheel that production installs: `make wheel`.

The same source runs uncompiled from a checkout; compiled it needs about two thirds of the time. Only modules that a
packet passes on its way are compiled, and none that defines a `msgspec.Struct` (mypyc drops the options of the class)
or a coroutine (nothing would be gained). It needs a C compiler and Python's headers: gcc and python3-dev.
"""

import os
import shlex
import shutil
import sysconfig
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "onlycare_socket"
COMPILED = (
    "adapters/absent.py",
    "adapters/kept.py",
    "adapters/memory.py",
    "adapters/sqlite.py",
    "adapters/sqlite_entry.py",
    "adapters/sqlite_filing.py",
    "adapters/sqlite_health.py",
    "adapters/sqlite_refusal.py",
    "adapters/timers.py",
    "calls/answering.py",
    "calls/audit.py",
    "calls/backend.py",
    "calls/decision.py",
    "calls/dialling.py",
    "calls/draft.py",
    "calls/effects.py",
    "calls/ending.py",
    "calls/ids.py",
    "calls/notices.py",
    "calls/over.py",
    "calls/parts.py",
    "calls/records.py",
    "calls/ringing.py",
    "calls/rules.py",
    "calls/states.py",
    "calls/talking.py",
    "calls/telling.py",
    "calls/user_commands.py",
    "calls/words.py",
    "clock.py",
    "delivery.py",
    "limits.py",
    "socket_api.py",
    "socket_payloads.py",
    "sockets.py",
    "switchboard.py",
    "transport/client.py",
    "transport/counters.py",
    "transport/namespace.py",
    "transport/outgoing.py",
    "transport/probes.py",
    "transport/session.py",
    "wire/session.py",
    "wire/socketio.py",
)
MISSING = """\
A compiled wheel needs gcc and Python's headers: sudo apt install gcc python3-dev
Without them: make wheel PURE=1"""


class CompileHook(BuildHookInterface[Any]):
    """Puts the compiled modules beside their sources in the wheel; Python takes them first."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, unless this is an editable install."""
        if version == "editable":
            return
        if not can_compile():
            self.app.abort(MISSING)
        begun = time.monotonic()
        self._scratch = TemporaryDirectory()
        work = Path(self._scratch.name)
        shutil.copytree(Path(self.root, "src", PACKAGE), work / PACKAGE)
        for library in compile_in(work):
            build_data["force_include"][str(library)] = str(library.relative_to(work / "lib"))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        self.app.display_info(f"Compiled {len(COMPILED)} modules in {time.monotonic() - begun:.0f} s")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes the scratch folder."""
        if version != "editable":
            self._scratch.cleanup()


def can_compile() -> bool:
    """Whether this Python's C compiler and its headers are here."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    return shutil.which(compiler) is not None and Path(sysconfig.get_path("include"), "Python.h").is_file()


def compile_in(folder: Path) -> list[Path]:
    """Compiles the copy of the package in `folder` and returns the libraries, below `folder/lib`.

    They hold no path of this machine: no debug information, and no place to look for other libraries.
    """
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    class BuildAnywhere(build_ext):  # type: ignore[misc]  # setuptools has no types
        def build_extensions(self) -> None:
            linker = self.compiler.linker_so
            self.compiler.linker_so = [word for word in linker if not word.startswith("-Wl,-rpath")]
            super().build_extensions()

    before = Path.cwd()
    os.chdir(folder)  # mypyc names modules by their path from here
    try:
        modules = [f"{PACKAGE}/{module}" for module in COMPILED]
        options = ["--strict", "--config-file=", *modules]
        extensions = mypycify(options, opt_level="3", debug_level="0", group_name=PACKAGE)
        command = BuildAnywhere(Distribution({"name": PACKAGE, "ext_modules": extensions}))
        command.build_lib, command.build_temp = "lib", "tmp"
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    return sorted((folder / "lib").rglob("*.so"))
