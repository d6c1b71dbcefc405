"""All settings as a table, as `docs/settings.md` and as `.env.example`: all three from the same annotations."""

import os
from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onlycare_socket.config import look_up
from onlycare_socket.config.fields import FIELDS, Field, plain

Form = Literal["table", "markdown", "env"]

_MARKDOWN_HEAD = """\
# Settings

This page is made by `make docs` from the settings themselves.

The server reads each setting from the environment, else from the file `.env` in the directory it was started in
(`--env-file FILE` or the environment's `ONLYCARE_SOCKET_ENV_FILE` name another one; on a host that `deploy/install.sh`
set up it is `/etc/onlycare-socket/onlycare-socket.env`). An empty value means unset. The command line wins over both. A
value that does not fit stops the start with one line that says what fits. A name in `.env` that is no setting, and a
name in the environment that is almost one, are pointed out at start. `onlycare-socket settings` shows what is set.
"""

_ENV_HEAD = """\
# Settings of onlycare-socket. Copy this file to .env and remove the # of what you set.
# Made by `make docs`; docs/settings.md has the same list.
"""


def write(form: Form, env_file: str) -> None:
    """Writes the page to standard output. Raises SettingsError when what is set is wrong."""
    if form == "table":
        _print_table(env_file)
    else:
        print(markdown() if form == "markdown" else env_example(), end="")


def markdown() -> str:
    """Returns `docs/settings.md`."""
    parts = [_MARKDOWN_HEAD]
    for section, fields in _sections():
        parts.append(f"\n## {section}\n\n| name | default | value | what it does |\n|---|---|---|---|\n")
        parts += [
            f"| `{field.variable}` | {_default_cell(field)} | {field.expected()} | {field.meta.description} |\n"
            for field in fields
        ]
    return "".join(parts)


def env_example() -> str:
    """Returns `.env.example`: every setting, commented out, with its default or an example."""
    parts = [_ENV_HEAD]
    for section, fields in _sections():
        parts.append(f"\n# {section}\n")
        for field in fields:
            words = wrap(f"{field.meta.description}{_value_note(field)}", 110)
            parts.append("".join(f"\n# {line}" for line in words) + f"\n#{field.variable}={field.example()}\n")
    return "".join(parts)


def _sections() -> Iterator[tuple[str, list[Field]]]:
    title = ""

    def section(field: Field) -> str:
        nonlocal title
        title = field.extra["section"] or title
        return title

    for name, fields in groupby(FIELDS, section):
        yield name, list(fields)


def _value_note(field: Field) -> str:
    return "" if field.expected() == "text" else f" ({field.expected()})"


def _default_cell(field: Field) -> str:
    text = field.default_text()
    return f"`{text}`" if text and " " not in text else text


def _print_table(env_file: str) -> None:
    given = look_up([field.name for field in FIELDS], os.environ, env_file)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Setting", "Set to", "Default", "What it does"):
        table.add_column(heading, overflow="fold")
    for field in FIELDS:
        shown = "(hidden)" if field.secret and field.name in given else plain(given.get(field.name, ""))
        table.add_row(
            Text(field.variable, style="bold"),
            Text(shown, style="green"),
            Text(field.default_text()),
            Text(field.meta.description or ""),
        )
    Console(highlight=False).print(table)
