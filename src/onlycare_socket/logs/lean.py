"""structlog as the server process uses it: without rich.

structlog imports rich for its coloured tracebacks as soon as it is installed, which it is for the command line. That
costs a server 6.5 MB and a quarter of a second for nothing, so rich looks missing while structlog is imported.
"""

import sys

_absent = "rich" not in sys.modules
if _absent:
    sys.modules["rich"] = None  # type: ignore[assignment]  # what Python itself uses for "cannot be imported"
try:
    import structlog
finally:
    if _absent:
        del sys.modules["rich"]

__all__ = ["structlog"]
