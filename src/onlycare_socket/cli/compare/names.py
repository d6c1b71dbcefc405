"""What differs from run to run gets a name: `<call>`, `<caller>`, `<time>`.

Stories are written with these names and takes are shown with them, so two servers can be laid side by side. Nothing of
other users is kept.
"""

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from onlycare_socket.cli.compare.people import People

_NAME = re.compile(r"<[^<>]+>")
_NUMBERED = re.compile(r"(?:USR_)*(\d+)")
_TIMES = range(1_500_000_000_000, 5_000_000_000_000)
"""Wall-clock milliseconds of this age."""
_VARYING = {
    "socketId": "<socket>",
    "version": "<version>",
    "uptime": "<number>",
    "connectedUsers": "<number>",
    "activeCalls": "<number>",
    "count": "<number>",
    "durationMs": "<number>",
    "retryAfterMs": "<number>",
}
"""Fields of which only the presence matters."""
CALLS = ("call", "call 2", "call 3")


class Names:
    """Names and values both ways. `next_story` gives the calls new ids."""

    def __init__(self, people: People) -> None:
        self._run = secrets.token_hex(4)
        self._story = 0
        self._people = _named_users(people)
        self._values: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._tokens = _tokens(people)
        self.numbered = "<receiver, doubled>" in self._people
        """Whether the users' ids are numbers, which have several forms."""
        self.next_story()

    def next_story(self) -> None:
        """Forgets the calls so far and names new ones."""
        self._story += 1
        self._values = dict(self._people)
        for place, call in enumerate(CALLS):
            # No id that the backend could give: a comparison must touch no real call, and MySQL reads "compare-" as 0.
            bare = f"compare-{self._run}-{self._story}-{place}"
            self._values |= {f"<{call}>": f"CALL_{bare}", f"<{call}, bare>": bare}
        self._names = {value: name for name, value in reversed(self._values.items())}

    def fill(self, value: Any) -> Any:
        """Returns a payload with the names replaced by what they stand for."""
        if isinstance(value, Mapping):
            return {key: self.fill(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.fill(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value == "<now>":
            return time.time_ns() // 1_000_000
        return self._values.get(value) or self._tokens.get(value) or value

    def path(self, path: str) -> str:
        """Returns the path of a request with the names in it replaced."""
        return _NAME.sub(lambda name: quote(self._values[name[0]], safe=""), path)

    def hide(self, value: Any, key: str = "") -> Any:
        """Returns what a server sent with everything that varies replaced by names."""
        if isinstance(value, dict):
            return {name: self.hide(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return self._hidden_list(value, key)
        if value is not None and key in _VARYING:
            return _VARYING[key]
        if isinstance(value, str):
            return self._names.get(value, value)
        return "<time>" if isinstance(value, int) and value in _TIMES else value

    def is_receiver(self, user: object) -> bool:
        """Says whether an id, in any form, is that of the receiver."""
        return self._names.get(str(user), "").startswith("<receiver")

    def is_of_story(self, call: object) -> bool:
        """Says whether a call id, in any form, is one of this story."""
        return self._names.get(str(call), "").startswith("<call")

    def _hidden_list(self, value: list[Any], key: str) -> Any:
        if key == "users":
            return sorted(self._names[user] for user in value if user in self._people.values())
        return [f"<{len(value)} entries>"] if value and isinstance(value[0], dict) else [self.hide(v) for v in value]


def _named_users(people: People) -> dict[str, str]:
    """Returns the users' ids as they were given, then in their other forms (contract section 1)."""
    named = {"<caller>": people.caller.user, "<receiver>": people.receiver.user}
    if people.third:
        named["<third>"] = people.third.user
    for name, user in list(named.items()):
        if match := _NUMBERED.fullmatch(user):
            forms = {"bare": match[1], "prefixed": f"USR_{match[1]}", "doubled": f"USR_USR_{match[1]}"}
            named |= {f"{name[:-1]}, {form}>": text for form, text in forms.items()}
    return named


def _tokens(people: People) -> dict[str, str]:
    tokens = {"<token of caller>": people.caller.token, "<token of receiver>": people.receiver.token}
    return tokens | ({"<token of third>": people.third.token} if people.third else {})
