"""The value of one setting, read from the text that the environment gives."""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from onlycare_socket.config.fields import Field
from onlycare_socket.config.settings import Network

_JWT_KEY_BYTES = 32
"""RFC 7518 section 3.2: an HS256 key is at least as long as the hash."""


SQLITE = "sqlite:///"
"""What the name of a file of calls begins with; one that begins with a slash itself is absolute."""


def value_of(field: Field, text: str) -> Any:
    """Returns the checked and normalised value. Raises ValueError with what was expected."""
    if reader := _READERS.get(field.name):
        return reader(text)
    try:
        return msgspec.convert(text.lower() if field.choices else text, field.hint, strict=False)
    except msgspec.ValidationError:
        raise ValueError(f"expected {field.expected()}") from None


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _secrets(text: str) -> tuple[str, ...]:
    secrets = _parts(text)
    if not 1 <= len(secrets) <= 2:
        raise ValueError("expected one secret, or two separated by a comma while one is changed")
    return tuple(secrets)


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part) for part in _parts(text))
    except ValueError as error:
        raise ValueError(f"expected addresses or networks separated by commas, but {error}") from None


def _origins(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_origin(part) for part in _parts(text)))


def _origin(text: str) -> str:
    """Returns an origin as a browser sends it: lower case, without a default port or a trailing slash."""
    if text in ("*", "null"):
        return text
    url = _web_address(text)
    if url.path not in ("", "/"):
        raise ValueError(f"expected origins like https://app.example.com, without the path {url.path}")
    port = "" if url.port in (None, {"http": 80, "https": 443}[url.scheme]) else f":{url.port}"
    name = url.hostname or ""
    return f"{url.scheme}://{f'[{name}]' if ':' in name else name}{port}"


def _backend(text: str) -> str:
    """Returns the backend's address without a trailing slash and without `/api/v1`."""
    url = _web_address(text)
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/').removesuffix('/api/v1').rstrip('/')}"


def _web_address(text: str) -> SplitResult:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or not text.isascii() or " " in text:
        raise ValueError("expected an address that begins with http:// or https://")
    if url.query or url.fragment or url.username is not None:
        raise ValueError("expected an address without user name, ? or #")
    _check_port(url)
    return url


def _check_port(url: SplitResult) -> None:
    """Raises ValueError when the port of an address is none, without repeating it: it may be part of a password."""
    try:
        _ = url.port
    except ValueError:
        raise ValueError("expected a port from 0 to 65535") from None


def _jwt_secret(text: str) -> str:
    if len(text.encode()) < _JWT_KEY_BYTES:
        raise ValueError(f"expected at least {_JWT_KEY_BYTES} bytes; make one with: openssl rand -hex 32")
    return text


def _public_key(text: str) -> str:
    """Returns PEM text, read from a file when the setting is a path."""
    if not text.startswith("-----BEGIN"):
        try:
            text = Path(text).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"expected PEM text or the path of a PEM file, but {error}") from None
    pem = text.replace("\\n", "\n").strip()
    if not pem.startswith("-----BEGIN PUBLIC KEY-----"):
        raise ValueError("expected a public key that begins with -----BEGIN PUBLIC KEY-----")
    return pem


def _store(text: str) -> str:
    path = text.removeprefix(SQLITE)
    if text != "memory" and (path == text or path in ("", "/") or "\0" in path):
        raise ValueError("expected memory, sqlite:///file or sqlite:////absolute/file")
    return text


def _redis(text: str) -> str:
    raise ValueError("Redis comes in a later version; remove this setting")


def _push(text: str) -> str:
    if text != "none":
        raise ValueError("expected none: the backend sends the pushes; the others come in a later version")
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "laravel_api_secret": _secrets,
    "laravel_api_url": _backend,
    "trusted_proxies": _networks,
    "allowed_origins": _origins,
    "jwt_secret": _jwt_secret,
    "jwt_public_key": _public_key,
    "store": _store,
    "redis_url": _redis,
    "push": _push,
}
"""Settings whose text needs more than a conversion of type. Each raises ValueError with what was expected."""
