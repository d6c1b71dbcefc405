"""`onlycare-socket backup`: a copy of the calls of a running server, or of one that is stopped."""

import os
import sqlite3
from pathlib import Path

from onlycare_socket.adapters.sqlite_backup import back_up
from onlycare_socket.cli.failure import Failure, WrongUsage
from onlycare_socket.config import look_up, usual_store
from onlycare_socket.config.values import SQLITE


def make_backup(target: Path, env_file: str, *, force: bool) -> str:
    """Writes the copy and returns a sentence about it. Raises Failure."""
    source = calls_file(env_file)
    if target.is_dir():
        raise WrongUsage(f"{target} is a folder: name the file to write")
    if target.exists() and target.samefile(source):
        raise WrongUsage(f"{target} is the file of calls itself")
    if target.exists() and not force:
        raise WrongUsage(f"{target} is there already: choose another name, or --force to replace it")
    try:
        size = back_up(source, target)
    except OSError as error:
        raise Failure(f"{source} cannot be copied to {target}: {error.strerror}") from None
    except sqlite3.Error as error:
        raise Failure(f"{source} cannot be copied: {error}") from None
    return f"{source} is copied to {target} ({size:,} bytes)"


def calls_file(env_file: str) -> Path:
    """Returns the file that STORE names, else the usual one: of a server if there is one, or of development.

    Raises WrongUsage when calls are kept in memory.
    """
    store = look_up(("store",), os.environ, env_file).get("store")
    if store == "memory":
        raise WrongUsage("STORE=memory: a server without a file has nothing to copy")
    usual = [usual_store(dev=dev).removeprefix(SQLITE) for dev in (False, True)]
    candidates = [Path(store.removeprefix(SQLITE))] if store else [Path(each) for each in usual]
    return next((path for path in candidates if path.exists()), candidates[0])
