"""Whether the file of calls can be written, and what was committed can be filed; the log hears of each change once."""

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
        before = self.failure
        self.failure = failure
        if failure is not None and before is None:
            log.error(
                "the file of calls cannot be written: new calls are refused, live ones go on from memory",
                file=self._path,
                reason=failure,
            )
        elif failure is None and before is not None:
            self._say_what_remains()

    def filed(self, trouble: str | None) -> None:
        """Takes why what was committed cannot be filed, or None when it can be again."""
        before, self._untidy = self._untidy, trouble
        if (before is None) != (trouble is None) and self.failure is None:
            self._say_what_remains()

    def _say_what_remains(self) -> None:
        if self._untidy is None:
            log.warning("the file of calls is written again", file=self._path)
        else:
            log.error(
                "the file of calls cannot be put in order; what is decided is kept all the same",
                file=self._path,
                reason=self._untidy,
            )
