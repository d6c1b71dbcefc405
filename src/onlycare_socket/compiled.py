"""Whether this is the build whose hot path is machine code: the wheel of `make wheel`, see `hatch_build.py`."""

from typing import Final

from onlycare_socket.calls import rules

COMPILED: Final = not rules.__file__.endswith(".py")
"""False in a checkout, and in a wheel that was built without a compiler."""
