"""Keeps secrets and private data out of the logs: by the name of a field, and by what a text looks like."""

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

HIDDEN = "***"

LONGEST = 2_000
"""Characters of one text at the most: a client must not fill the disk with what it sends."""
LONGEST_TRACEBACK = 20_000
_DEEPEST = 6
_MOST_ITEMS = 50

_SECRET_NAMES = re.compile(r"token|secret|authori[sz]ation|passw|cookie|phone|email|jwt|apikey|credential|bearer")
_NUMBERS_HIDDEN_TOO = re.compile(r"phone|passw|secret")

_SECRET_TEXTS = re.compile(
    r"(?P<sanctum>\b\d{1,20}\|[A-Za-z0-9]{8,})"
    r"|(?P<jwt>\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*)"
    r"|(?P<bearer>(?i:\b(?:bearer\s+(?=\S{4})|basic\s+(?=\S{10})))[^\s\"',]+)"
    r"|(?P<pair>(?i:\b[\w-]*(?:token|secret|password|passwd|api_?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+)"
    r"|(?P<login>(?<=://)[^\s/@:]*:[^\s/@]+(?=@))"
)
"""A Sanctum token, a JWT, an Authorization header, `token=...` in an address or a message, a login in an address."""


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: returns the event with every secret replaced by stars and long texts cut."""
    for name, value in event.items():
        longest = LONGEST_TRACEBACK if name == "exception" else LONGEST
        event[name] = _clean(name, value, _DEEPEST, longest)
    return event


def redact_text(text: str, longest: int = LONGEST) -> str:
    """Returns a text with everything that looks like a secret replaced, cut at `longest` characters."""
    text = _SECRET_TEXTS.sub(_hide, text[: longest + 1])
    return text if len(text) <= longest else f"{text[:longest]}... (cut)"


def _hide(match: re.Match[str]) -> str:
    """Keeps what says which kind of secret stood there."""
    if match.lastgroup == "sanctum":
        return match[0].split("|", 1)[0] + "|" + HIDDEN
    if match.lastgroup == "bearer":
        return match[0].split(None, 1)[0] + " " + HIDDEN
    if match.lastgroup == "pair":
        return re.split(r"[=:]", match[0], maxsplit=1)[0] + "=" + HIDDEN
    return HIDDEN


def _clean(name: str, value: object, depth: int, longest: int) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if _is_secret(name) and value and not (isinstance(value, int) and not _NUMBERS_HIDDEN_TOO.search(name.lower())):
        return HIDDEN
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return redact_text(value, longest)
    if depth == 0:
        return "..."
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST_ITEMS]
        return {str(key): _clean(str(key), item, depth - 1, longest) for key, item in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(name, item, depth - 1, longest) for item in list(value)[:_MOST_ITEMS]]
    return redact_text(repr(value), longest)


@lru_cache(maxsize=512)
def _is_secret(name: str) -> bool:
    bare = re.sub("[^a-z]", "", name.lower()[:100])
    return _SECRET_NAMES.search(bare) is not None
