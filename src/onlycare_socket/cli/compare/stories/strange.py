"""Commands of those who may not give them."""

from onlycare_socket.cli.compare.moves import CALLER, RECEIVER, THIRD, UNKNOWN, accept, cancel, dial, end, reject
from onlycare_socket.cli.compare.reasons import row
from onlycare_socket.cli.compare.steps import Say, Story

_ROW_12 = {"answer": row(12), "caller": row(12), "receiver": row(12), "third": row(12)}
_FORBIDDEN = {"success": False, "code": "forbidden"}


def _stranger(name: str, what: Say) -> Story:
    return Story(
        name=f"stranger-{name}",
        about=f"a third user sends {what.event} for a call of others",
        third=True,
        steps=(dial(), what),
    )


STORIES = (
    _stranger("accepts", accept(THIRD, answer=UNKNOWN, hears={}, why=_ROW_12)),
    _stranger("rejects", reject(THIRD, answer=UNKNOWN, hears={}, why=_ROW_12)),
    _stranger("cancels", cancel(THIRD, answer=UNKNOWN, hears={}, why=_ROW_12)),
    _stranger("ends", end(THIRD, answer=UNKNOWN, hears={}, why=_ROW_12)),
    Story(
        name="caller-accepts",
        about="the caller accepts his own call",
        steps=(dial(), accept(CALLER, answer=_FORBIDDEN, hears={}, why=_ROW_12)),
    ),
    Story(
        name="caller-rejects",
        about="the caller rejects his own call",
        steps=(dial(), reject(CALLER, answer=_FORBIDDEN, hears={}, why=_ROW_12)),
    ),
    Story(
        name="receiver-cancels",
        about="the receiver cancels",
        steps=(dial(), cancel(RECEIVER, answer=_FORBIDDEN, hears={}, why=_ROW_12)),
    ),
)
