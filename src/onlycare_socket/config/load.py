"""Settings read from the environment and a `.env` file, or one clear sentence about what is wrong."""

import difflib
import io
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from onlycare_socket.config.api_secret import DEVELOPMENT_SECRET
from onlycare_socket.config.fields import FIELDS, Field
from onlycare_socket.config.settings import Settings
from onlycare_socket.config.values import SQLITE, value_of

_BY_VARIABLE = {field.variable: field for field in FIELDS}
_ALIKE = 0.84
"""How alike two names are for a slip, by difflib's ratio: RING_TIMOUT is one, AUTHOR is not AUTH."""

USUAL_FILE = ".env"
"""The file of settings that is read when no other is named: it alone may be missing."""

ENV_FILE_VARIABLE = "ONLYCARE_SOCKET_ENV_FILE"
"""Names another usual file: on an installed host every command finds the server's settings by it."""

_ACCOUNT = re.compile(r"^(\w+://)?.*@", re.DOTALL)
"""The user name and password of an address, as far as anybody might mean them: they may hold a / or an @."""

_Sources = list[tuple[str, Mapping[str, str]]]
"""Where a value may come from, in words, and the texts there; the first one that has it wins."""


class SettingsError(Exception):
    """A setting that the server cannot start with; the text is one line that says what and what to do."""

    warnings: Sequence[str] = ()
    """Names that look like mistakes: often the cause."""


def load(
    environ: Mapping[str, str],
    dotenv_path: str | Path | None = USUAL_FILE,
    *,
    dev: bool = False,
    host: str | None = None,
    port: str | None = None,
) -> tuple[Settings, list[str]]:
    """Returns the settings and warnings about names that look like mistakes.

    With no `dotenv_path`, or without the usual file, the environment alone counts. `dev`, `host` and `port` come
    from the command line.
    Raises SettingsError on the first setting that is wrong, and when another file than the usual one is missing.
    """
    dotenv, warnings = _read_dotenv(dotenv_path)
    warnings += [*_unknown(dotenv, str(dotenv_path)), *_near_misses(environ, dotenv)]
    sources: _Sources = [
        ("on the command line", {"HOST": host or "", "PORT": port or ""}),
        ("in the environment", environ),
        (f"in {dotenv_path}", dotenv),
    ]
    try:
        settings = _complete(_given(FIELDS, sources), dev)
        _check(settings)
    except SettingsError as error:
        error.warnings = warnings
        raise
    return settings, warnings


def look_up(
    names: Iterable[str], environ: Mapping[str, str], dotenv_path: str | Path | None = USUAL_FILE
) -> dict[str, Any]:
    """Returns the values of a few settings that are set, for a command that talks to a server and is none.

    Raises SettingsError when one of them is wrong; the others are not looked at.
    """
    dotenv, _ = _read_dotenv(dotenv_path)
    fields = [_BY_VARIABLE[name.upper()] for name in names]
    return _given(fields, [("in the environment", environ), (f"in {dotenv_path}", dotenv)])


def is_loopback(host: str) -> bool:
    """True when an address to listen on is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_dotenv(path: str | Path | None) -> tuple[dict[str, str], list[str]]:
    if path is None:
        return {}, []
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        if str(path) == USUAL_FILE:
            return {}, []
        raise SettingsError(f"{path}: there is no such file of settings") from None
    except PermissionError:
        raise SettingsError(
            f"{path} may not be read by this user, since it holds secrets: run this with sudo, or, for a service, "
            f"give the file to the service's user (chown)"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    values: dict[str, str] = {}
    warnings: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            warnings.append(f"line {binding.original.line} of {path} is not NAME=value and is ignored")
        elif binding.key and binding.value is not None:
            values[binding.key] = binding.value
    return values, warnings


def _given(fields: Iterable[Field], sources: _Sources) -> dict[str, Any]:
    values = {field.name: _read(field, sources) for field in fields}
    return {name: value for name, value in values.items() if value is not None}


def _read(field: Field, sources: _Sources) -> Any:
    """Returns the checked value of one setting from the first source that has it, or None."""
    for source, texts in sources:
        text = texts.get(field.variable, "").strip()
        if not text:
            continue
        try:
            return value_of(field, text)
        except ValueError as error:
            raise SettingsError(_complaint(field, text, str(error), source)) from None
    return None


def _complaint(field: Field, text: str, error: str, source: str) -> str:
    text = _ACCOUNT.sub(r"\1***@", text)
    shown = "" if field.secret else f"={text if text.isprintable() else repr(text)}"
    default = f"; the default is {field.default_text()}" if field.default_text() else ""
    return f"{field.variable}{shown[:80]}: {error}{default} (set {source})"


def _complete(given: dict[str, Any], dev: bool) -> Settings:
    """Fills in the defaults that depend on other settings."""
    if "auth" not in given:
        given["auth"] = _usual_auth(given, dev)
    given.setdefault("store", usual_store(dev=dev))
    if dev:
        given.setdefault("laravel_api_secret", (DEVELOPMENT_SECRET,))
        given.setdefault("test_client", True)
        given.setdefault("log_format", "text")
    return Settings(**given, dev=dev)


def usual_store(*, dev: bool) -> str:
    """Returns where calls are kept when nobody says."""
    return f"{SQLITE}data/calls.db" if dev else f"{SQLITE}/var/lib/onlycare-socket/calls.db"


def _usual_auth(given: dict[str, Any], dev: bool) -> str:
    if given.get("laravel_api_url"):
        return "laravel"
    if dev:
        return "static"
    raise SettingsError(
        "LARAVEL_API_URL is not set, so no phone's token can be checked: set it to the backend's address, or "
        "set AUTH=jwt and a key, or start a development server with: onlycare-socket serve --dev"
    )


def _check(settings: Settings) -> None:
    """Raises SettingsError when settings that are right by themselves do not fit together."""
    if settings.dev and not is_loopback(settings.host):
        raise SettingsError(
            f"HOST={settings.host}: a development server listens on this machine only; use HOST=127.0.0.1, "
            "or start without --dev"
        )
    if settings.auth == "static" and not settings.dev:
        raise SettingsError(
            "AUTH=static: accepts any token, so it needs serve --dev; for real phones set LARAVEL_API_URL or AUTH=jwt"
        )
    if settings.auth == "laravel" and not settings.laravel_api_url:
        raise SettingsError("AUTH=laravel: set LARAVEL_API_URL to the address of the backend")
    if settings.auth == "jwt" and bool(settings.jwt_secret) == bool(settings.jwt_public_key):
        raise SettingsError("AUTH=jwt: set either JWT_SECRET (HS256) or JWT_PUBLIC_KEY (RS256), and not both")


def _unknown(dotenv: Mapping[str, str], path: str) -> list[str]:
    return [
        f"{name} in {path} is not a setting of this server{_meant(name)}" for name in dotenv if name not in _BY_VARIABLE
    ]


def _near_misses(environ: Mapping[str, str], dotenv: Mapping[str, str]) -> list[str]:
    """Points out names of the environment that are almost a setting's, unless that setting is set as well."""
    return [
        f"{name} in the environment is not a setting of this server{_meant(name)}"
        for name in environ
        if name not in _BY_VARIABLE and (near := _nearest(name)) and not environ.get(near) and not dotenv.get(near)
    ]


def _meant(name: str) -> str:
    near = _nearest(name)
    return f"; did you mean {near}?" if near else ""


def _nearest(name: str) -> str | None:
    found = difflib.get_close_matches(name.upper(), _BY_VARIABLE, n=1, cutoff=_ALIKE)
    return found[0] if found else None
