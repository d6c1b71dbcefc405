"""Whether the file of calls can be written, and what was committed can be filed; every change is a line in the log."""

from typing import Final

import structlog

log: Final = structlog.get_logger(__name__)


class Health:
    """What does not work, in words."""

    def __init__(self, path: str) -> None:
        self.failure: str | None = None
        """Why the file cannot be written."""
        self._untidy: str | None = None
        self._path: Final = path

    @property
    def degraded(self) -> bool:
        """Whether the file cannot be written, or not all of it."""
        return self.failure is not None or self._untidy is not None

    def written(self, failure: str | None) -> None:
        """Takes why a commit was not made, or None for one that was."""
        before, known = self.degraded, self.failure is not None
        self.failure = failure
        if failure is not None and not known:
            log.error(
                "the file of calls cannot be written: new calls are refused, live ones go on from memory",
                file=self._path,
                reason=failure,
            )
        self._well_again(before)

    def filed(self, trouble: str | None) -> None:
        """Takes why what was committed cannot be filed, or None when it can be again."""
        before = self.degraded
        self._untidy = trouble
        if trouble is not None and not before:
            log.error(
                "the file of calls cannot be put in order; what is decided is kept all the same",
                file=self._path,
                reason=trouble,
            )
        self._well_again(before)

    def _well_again(self, before: bool) -> None:
        if before and not self.degraded:
            log.warning("the file of calls is written again", file=self._path)
