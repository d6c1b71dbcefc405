"""The settings of a server process, and how they are read.

Rules: the environment wins over `.env`, the command line over both; an empty value means unset; a bad value
stops the start, a name that looks like a mistake is only pointed out. Nothing here looks at the environment
by itself: it is handed in.
"""

from onlycare_socket.config.load import (
    ENV_FILE_VARIABLE,
    USUAL_FILE,
    SettingsError,
    is_loopback,
    load,
    look_up,
    usual_store,
)
from onlycare_socket.config.settings import Settings

__all__ = [
    "ENV_FILE_VARIABLE",
    "USUAL_FILE",
    "Settings",
    "SettingsError",
    "is_loopback",
    "load",
    "look_up",
    "usual_store",
]
