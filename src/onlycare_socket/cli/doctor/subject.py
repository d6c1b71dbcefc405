"""What is examined: the settings as the server would load them, and what the operator named beside them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from onlycare_socket.cli.failure import WrongUsage
from onlycare_socket.cli.server_api import server_url
from onlycare_socket.config import Settings, SettingsError, load, look_up
from onlycare_socket.config.api_secret import DEVELOPMENT_SECRET, SHORTEST_SECRET
from onlycare_socket.config.fields import FIELDS
from onlycare_socket.credentials import MAX_TOKEN, malformed


class Subject(Struct, frozen=True, kw_only=True):
    """A deployment."""

    settings: Settings
    """Complete and right, or with `error` those values that are right by themselves."""
    error: str = ""
    """Why the server cannot start with its settings."""
    warnings: tuple[str, ...] = ()
    """Names that look like mistakes."""
    env_file: str
    shell: tuple[str, ...] = ()
    """Settings that come from the environment of this shell."""
    url: str
    """Of the server itself, past any proxy."""
    public_url: str | None = None
    """As phones know it."""
    token: str | None = None
    user: str | None = None

    @property
    def confidential(self) -> tuple[str, ...]:
        """What no output may hold. What is too short for a secret may be an everyday word."""
        texts = (*self.settings.laravel_api_secret, self.token or "")
        return tuple(text for text in texts if len(text) >= SHORTEST_SECRET)


def examined(
    *,
    env_file: str,
    dev: bool,
    url: str | None,
    public_url: str | None,
    token: str | None,
    token_file: Path | None,
    user: str | None,
) -> Subject:
    """Returns what is to be examined. Raises WrongUsage for an option that makes no sense."""
    settings, error, warnings = _settings(os.environ, env_file, dev)
    return Subject(
        settings=settings,
        error=error,
        warnings=warnings,
        env_file=env_file,
        shell=tuple(field.variable for field in FIELDS if os.environ.get(field.variable)),
        url=server_url(url or _address(settings), env_file),
        public_url=None if public_url is None else _public(public_url, env_file),
        token=_token(token, token_file),
        user=user,
    )


def _settings(environ: Mapping[str, str], env_file: str, dev: bool) -> tuple[Settings, str, tuple[str, ...]]:
    try:
        settings, warnings = load(environ, env_file, dev=dev)
    except SettingsError as error:
        return _those_that_are_right(environ, env_file, dev), str(error), tuple(error.warnings)
    return settings, "", tuple(warnings)


def _those_that_are_right(environ: Mapping[str, str], env_file: str, dev: bool) -> Settings:
    given: dict[str, Any] = {}
    for field in FIELDS:
        try:
            given |= look_up((field.name,), environ, env_file)
        except SettingsError:
            continue
    if dev:
        given.setdefault("laravel_api_secret", (DEVELOPMENT_SECRET,))
    return Settings(**given, dev=dev)


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _public(text: str, env_file: str) -> str:
    try:
        return server_url(text if "//" in text else f"https://{text}", env_file)
    except WrongUsage as error:
        raise WrongUsage(str(error).replace("--url", "--public-url", 1)) from None


def _token(token: str | None, token_file: Path | None) -> str | None:
    """Returns the token, from a file if one is named. Raises WrongUsage when it cannot be one."""
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="ascii")
        except OSError as error:
            raise WrongUsage(f"--token-file {token_file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise WrongUsage(f"--token-file {token_file}: it holds more than a token") from None
    if token is None:
        return None
    token = token.strip().removeprefix("Bearer ").strip()
    if malformed(token, "5") is not None:
        raise WrongUsage(f"the token must be one line of printable characters, {MAX_TOKEN} at the most")
    return token
