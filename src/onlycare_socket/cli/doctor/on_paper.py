"""What can be read without asking anybody: the settings, the secret in them, the file they stand in, room for calls."""

import os
import shutil
import stat
from pathlib import Path
from typing import Final

from onlycare_socket.cli.doctor import machine
from onlycare_socket.cli.doctor.finding import Finding, fail, ok, skipped, warn
from onlycare_socket.cli.doctor.subject import Subject
from onlycare_socket.config import is_loopback
from onlycare_socket.config.values import SQLITE

LITTLE_ROOM: Final = 100_000_000
"""Bytes left on the disk of the calls' file."""


def settings(subject: Subject) -> Finding:
    """Whether the server would start with its settings, and what it would point out."""
    name = "settings"
    if subject.error:
        hints = "".join(f"; {warning}" for warning in subject.warnings)
        return fail(name, f"the server does not start with them: {subject.error}{hints}", "correct that setting")
    if subject.warnings:
        return warn(name, "; ".join(subject.warnings), "correct these names, or remove them")
    if not is_loopback(subject.settings.host):
        return warn(
            name,
            f"HOST={subject.settings.host}: other machines reach the port past nginx, unencrypted",
            "set HOST=127.0.0.1, unless a container or a firewall keeps others out",
        )
    return ok(name, _in_short(subject))


def secret(subject: Subject) -> Finding:
    """Whether the secret can guard anything."""
    if problem := subject.settings.api_secret_problem:
        return fail(
            "secret",
            f"{problem}, so /api and /metrics are closed",
            "make one: `openssl rand -hex 32`; it is LARAVEL_API_SECRET here, and WEBSOCKET_SECRET in Laravel's .env",
        )
    if subject.settings.dev:
        return ok("secret", "the one of development servers")
    if len(subject.settings.laravel_api_secret) > 1:
        return ok("secret", "two are set, as while it is being changed")
    return ok("secret", "it is set, long enough and no known default")


def settings_file(subject: Subject) -> Finding:
    """Whether others on this machine can read the secrets, or change the settings."""
    name, path = "settings file", Path(subject.env_file)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return skipped(
            name,
            f"there is no {path}, so the environment alone counts",
            "name the server's with --env-file if it has one",
        )
    if mode & 0o007 or mode & stat.S_IWGRP:
        return fail(
            name,
            f"{path} has mode {mode:o}, so other users of this machine can read the secrets or change them",
            f"chmod 600 {path}, and make a new secret if others may have read it",
        )
    return ok(name, f"{path} has mode {mode:o}")


def store(subject: Subject) -> Finding:
    """Whether the server's user may write the file of calls, and whether there is room for it."""
    name, setting = "store", subject.settings.store
    if not setting.startswith(SQLITE):
        return ok(name, "calls are kept in memory: a restart forgets them")
    path = Path(setting.removeprefix(SQLITE)).absolute()
    uid = _servers_user(subject)
    place = next(folder for folder in path.parents if os.path.exists(folder))  # the server makes what is missing below
    if not machine.may_write(place, uid) or (os.path.exists(path) and not machine.may_write(path, uid)):
        user = machine.user_name(uid)
        return fail(name, f"user {user} may not write {path}", f"give it to the server's user: chown {user} {place}")
    free = shutil.disk_usage(place).free
    if free < LITTLE_ROOM:
        return warn(name, f"the disk of {path} has {free // 1_000_000} MB left", "make room there")
    return ok(name, f"{path} can be written by user {machine.user_name(uid)}")


def _servers_user(subject: Subject) -> int:
    """Returns the id of the user that owns the settings, as the server's does; of this one when there is no file."""
    try:
        return Path(subject.env_file).stat().st_uid
    except OSError:
        return os.geteuid()


def _in_short(subject: Subject) -> str:
    settings = subject.settings
    backend = f", LARAVEL_API_URL={settings.laravel_api_url}" if settings.laravel_api_url else ""
    shell = f"; from this shell's environment: {', '.join(subject.shell)}" if subject.shell else ""
    return f"AUTH={settings.auth}{backend}, port {settings.port} of {settings.host}{shell}"
