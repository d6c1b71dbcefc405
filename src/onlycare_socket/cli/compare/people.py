"""Who plays: test users with their tokens, and the parts they take."""

import re
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from onlycare_socket.cli.failure import WrongUsage
from onlycare_socket.cli.tokens import make_token

_DEVELOPMENT = ("1001", "1002", "1003")
"""Users of a development server, who need no tokens of anybody."""


class Role(StrEnum):
    """The part of one phone."""

    CALLER = "caller"
    RECEIVER = "receiver"
    THIRD = "third"
    SECOND = "second phone of the receiver"
    VISITOR = "visitor"
    """Somebody at the door, who proves to be the caller or fails to."""


class Person(Struct, frozen=True):
    """One test user."""

    user: str
    token: str

    def __repr__(self) -> str:
        return f"Person({self.user!r})"  # no token reaches a traceback


class People(Struct, frozen=True):
    """The test users; the third is needed by some stories only."""

    caller: Person
    receiver: Person
    third: Person | None = None

    def playing(self, role: Role) -> Person | None:
        """Returns who takes a part, None when there is nobody for it."""
        if role is Role.THIRD:
            return self.third
        return self.receiver if role in (Role.RECEIVER, Role.SECOND) else self.caller


def people_of(given: list[str], token_file: Path | None, env_file: str) -> People:
    """Returns the users of `ID=TOKEN` texts and of a file with one on each line: the caller, the receiver, a third.

    An ID alone gets a token as `onlycare-socket token` makes it; without any, so do three users of a development
    server. Raises WrongUsage, which never holds a token, and Failure when only the backend can make one.
    """
    texts = given or (_lines(token_file) if token_file else list(_DEVELOPMENT))
    if not 2 <= len(texts) <= 3:
        raise WrongUsage(f"compare plays with two or three users, and here are {len(texts)}: give --token for each")
    people = [_person(text, place, env_file) for place, text in enumerate(texts, 1)]
    if len({_number(person.user) for person in people}) < len(people):
        raise WrongUsage("the users of --token must be different ones")
    return People(*people)


def _lines(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"--token-file {file}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    return [line for line in lines if line and not line.startswith("#")]


def _person(text: str, place: int, env_file: str) -> Person:
    user, given, token = text.partition("=")
    user, token = user.strip(), token.strip()
    if not user or (given and not token):
        raise WrongUsage(f"user {place}: expected ID=TOKEN, such as 5=17|...")
    if not given and re.search(r"[|:]", user):
        raise WrongUsage(f"user {place}: the user's id is missing; expected ID=TOKEN, such as 5=17|...")
    return Person(user, token or make_token(user, env_file, device="compare"))


def _number(user: str) -> str:
    return re.sub(r"^(USR_)+(?=\d+$)", "", user)
