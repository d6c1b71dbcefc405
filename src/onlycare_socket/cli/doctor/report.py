"""What was found so far, by the name of the check."""

from collections.abc import Awaitable, Iterable
from typing import Final

import msgspec

from onlycare_socket.cli.doctor.finding import Finding, fail, skipped

ORDER: Final = (
    *("settings", "secret", "settings file", "store"),
    *("port", "secret in use", "file limit", "polling", "websocket"),
    *("laravel", "laravel certificate", "laravel to server", "clock", "token", "laravel token", "connect"),
    *("public address", "certificate", "public health", "public api", "http to https"),
    *("public polling", "public websocket", "origins", "public connect"),
)
"""Every check there is, as they are shown. The names are part of the JSON."""


class Report:
    """Takes findings down. A check that was begun and is not done counts as failed."""

    def __init__(self) -> None:
        self._begun: list[str] = []
        self._found: dict[str, Finding] = {}

    def add(self, finding: Finding) -> bool:
        """Takes one down. Returns whether what was looked at works."""
        self._found[finding.name] = finding
        return finding.mark in ("ok", "warn")

    async def check(self, name: str, finding: Awaitable[Finding]) -> bool:
        """Waits for one and takes it down. Returns whether what was looked at works."""
        self._begun.append(name)
        return self.add(await finding)

    def skip(self, names: Iterable[str], found: str, advice: str) -> None:
        """Takes down that something could not be checked."""
        for name in names:
            self.add(skipped(name, found, advice))

    def findings(self, confidential: Iterable[str]) -> list[Finding]:
        """Returns what was found, in order, without the confidential texts that a foreign server may have echoed."""
        late = [
            fail(name, "it was not done in time: something that it waits for is too slow", "see the other lines")
            for name in self._begun
        ]
        found = {finding.name: finding for finding in late} | self._found
        return [_censored(found[name], confidential) for name in ORDER if name in found]


def _censored(finding: Finding, confidential: Iterable[str]) -> Finding:
    found = finding.found
    for text in confidential:
        found = found.replace(text, "***")
    return msgspec.structs.replace(finding, found=found)
