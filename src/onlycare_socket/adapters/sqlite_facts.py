"""The `Facts` of a SQLite store: written with its next commit."""

from collections.abc import Callable, Mapping

from onlycare_socket.adapters.sqlite import SqliteCallStore
from onlycare_socket.calls.ids import Millis


class SqliteFacts:
    """Keeps facts in the file of a store."""

    def __init__(self, store: SqliteCallStore) -> None:
        self._store = store

    def former(self, kind: str) -> Mapping[str, bytes]:
        """What a former process left of a kind; given once."""
        return self._store.former_facts.pop(kind, {})

    def keep(self, kind: str, key: str, body: bytes, until: Millis | None = None) -> None:
        """Keeps a fact."""
        self._store.learn((kind, key), (until, body))

    def drop(self, kind: str, key: str) -> None:
        """Forgets a fact."""
        self._store.learn((kind, key), None)

    def settled(self, done: Callable[[], object]) -> None:
        """Calls `done` when all of it so far is committed; at once while the file cannot be written."""
        self._store.once_learnt(done)
