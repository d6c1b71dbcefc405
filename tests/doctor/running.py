"""Runs the command, and reads what it says."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest

from onlycare_socket.cli import main
from tests.doctor.laravel import TOKEN
from tests.interop.server_process import SECRET

LONGEST: Final = 15.0
"""Seconds that it may take, whatever it meets."""

Ran = subprocess.CompletedProcess[str]


class Found:
    """What one run said."""

    def __init__(self, ran: Ran, seconds: float) -> None:
        assert "Traceback" not in ran.stderr, ran.stderr
        for text in (ran.stdout, ran.stderr):
            assert TOKEN not in text
            assert SECRET not in text
        assert seconds < LONGEST
        said: dict[str, Any] = json.loads(ran.stdout)
        self.code = ran.returncode
        self.seconds = seconds
        self.checks = {check["name"]: check for check in said["checks"]}
        assert ran.returncode == (1 if self.named("fail") else 0)
        assert said["success"] is (ran.returncode == 0)
        failed = f"onlycare-socket: {len(self.named('fail'))} of {len(self.checks)} checks failed\n"
        assert ran.stderr == (failed if ran.returncode else "")
        for check in self.checks.values():
            assert bool(check.get("advice")) is (check["mark"] != "ok"), check
            assert "\n" not in check["found"]

    def named(self, mark: str) -> set[str]:
        """Returns the names of the checks with this mark."""
        return {name for name, check in self.checks.items() if check["mark"] == mark}

    def one(self, name: str, mark: str, *words: str) -> None:
        """Asserts how one check ended, and what its line says."""
        check = self.checks[name]
        assert check["mark"] == mark, check
        line = f"{check['found']}. {check.get('advice', '')}"
        for word in words:
            assert word in line, line


class Doctor:
    """The command in a directory of its own, with a `.env` of these settings."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self.file = folder / ".env"
        self.settings = {"LARAVEL_API_SECRET": SECRET} | settings

    def __call__(self, *arguments: str, **environ: str) -> Found:
        """Runs it in this process, which spares half a second each time."""
        self._save()
        began = time.monotonic()
        said, complaint = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, _environ(environ), clear=True),
            patch.object(sys, "argv", ["onlycare-socket", "doctor", "--json", *arguments]),
            contextlib.chdir(self._folder),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(complaint),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        code = ended.value.code
        assert isinstance(code, int)
        return Found(Ran([], code, said.getvalue(), complaint.getvalue()), time.monotonic() - began)

    def apart(self, *arguments: str, **environ: str) -> Found:
        """Runs it as a process of its own."""
        began = time.monotonic()
        return Found(self.run("--json", *arguments, before=None, **environ), time.monotonic() - began)

    def through(self, *command: str, **environ: str) -> Found:
        """Runs a command that runs it, in the end."""
        self._save()
        began = time.monotonic()
        ran = subprocess.run(
            command,
            cwd=self._folder,
            env=_environ(environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return Found(ran, time.monotonic() - began)

    def run(self, *arguments: str, before: Callable[[], None] | None = None, **environ: str) -> Ran:
        """Runs it as it is typed. `before` is called in its process."""
        self._save()
        return subprocess.run(
            [sys.executable, "-m", "onlycare_socket", "doctor", *arguments],
            cwd=self._folder,
            env=_environ(environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
            preexec_fn=before,
        )

    def _save(self) -> None:
        if not self.file.exists():
            self.file.touch(0o600)
        self.file.write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))


def _environ(more: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "COLUMNS": "200", "NO_COLOR": "1"} | more
