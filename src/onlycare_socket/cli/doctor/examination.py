"""All checks of a deployment; those that wait for the network run beside each other.

A check that depends on another is skipped when that one fails, and names it: one cause gives one failure. What is not
done when the time is up counts as failed.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

from onlycare_socket.cli.doctor import laravel, local, on_paper, outside, phone
from onlycare_socket.cli.doctor.back import way_back
from onlycare_socket.cli.doctor.clock import clock
from onlycare_socket.cli.doctor.exchange import Http, Trouble
from onlycare_socket.cli.doctor.finding import Finding
from onlycare_socket.cli.doctor.report import Report
from onlycare_socket.cli.doctor.subject import Subject
from onlycare_socket.cli.doctor.tls import certificate

LIMIT: Final = 12.0
"""Seconds for everything."""

_BEHIND_NGINX: Final = ("certificate", "http to https", "public api", "public polling", "public websocket", "origins")


def examine(subject: Subject) -> list[Finding]:
    """Returns what was found, within `LIMIT` seconds and a moment. Nothing that a server answers makes it raise."""
    return asyncio.run(_examine(subject))


async def _examine(subject: Subject) -> list[Finding]:
    report = Report()
    for check in (on_paper.settings, on_paper.secret, on_paper.settings_file, on_paper.store):
        report.add(check(subject))
    async with Http() as http:
        with suppress(TimeoutError):
            async with asyncio.timeout(LIMIT):
                await Examination(report, http, subject).run()
    return report.findings(subject.confidential)


class Examination:
    """The checks that ask somebody."""

    def __init__(self, report: Report, http: Http, subject: Subject) -> None:
        self._report = report
        self._http = http
        self._subject = subject

    async def run(self) -> None:
        """Makes every check that the subject allows."""
        async with asyncio.TaskGroup() as tasks:
            inside = tasks.create_task(self._inside())
            public = tasks.create_task(self._outside())
            user = tasks.create_task(self._backend())
            tasks.create_task(self._connect("connect", self._subject.url, user, inside))
            if self._subject.public_url:
                tasks.create_task(self._connect("public connect", self._subject.public_url, user, public))

    async def _inside(self) -> bool:
        """Checks the server at its own port. Returns whether phones can open a connection there."""
        report, http, subject = self._report, self._http, self._subject
        ours = await report.check("port", local.port(http, subject))
        report.add(local.files(subject, ours=ours))
        if not ours:
            what = "no server of this project is well there"
            report.skip(("secret in use", "polling", "websocket"), what, "see `port`")
            return False
        opens, *_ = await asyncio.gather(
            report.check("websocket", local.websocket(http, subject.url)),
            report.check("polling", local.polling(http, subject.url)),
            report.check("secret in use", local.secret(http, subject)),
        )
        return opens

    async def _outside(self) -> bool:
        """Checks what nginx makes of it. Returns whether phones can open a connection there."""
        report, http, subject, url = self._report, self._http, self._subject, self._subject.public_url
        if url is None:
            report.skip(("public address",), "none is given", "give it: --public-url https://calls.example.com")
            return False
        reached = await outside.reach(http, url)
        report.add(outside.health(url, reached))
        if isinstance(reached, Trouble):
            report.skip(_BEHIND_NGINX, "nothing answers there as it must", "see the lines above")
            if reached.kind == "tls":
                await self._encryption(url)
            return False
        opens, *_ = await asyncio.gather(
            report.check("public websocket", outside.websocket(http, url)),
            report.check("public polling", outside.polling(http, url)),
            report.check("public api", outside.guarded(http, url)),
            report.check("origins", outside.origins(http, subject, url)),
            self._encryption(url),
        )
        return bool(opens)

    async def _encryption(self, url: str) -> None:
        await asyncio.gather(
            self._report.check("certificate", certificate(self._http, "certificate", url)),
            self._report.check("http to https", outside.redirect(self._http, url)),
        )

    async def _backend(self) -> str | None:
        """Checks Laravel in both directions. Returns the user to connect as, None without one."""
        report, http, subject = self._report, self._http, self._subject
        root = subject.settings.laravel_api_url
        if root is None:
            report.add(laravel.absent(subject))
            await report.check("clock", clock(None))
            return subject.user
        there = await laravel.reach(http, root)
        verifies, *_ = await asyncio.gather(
            report.check("laravel", laravel.address(http, there)),
            report.check("clock", clock(there.answer)),
            *self._laravel_certificate(there),
        )
        if not verifies:
            report.skip(("laravel to server",), "Laravel does not answer as it must", "see `laravel`")
            return None
        _, user = await asyncio.gather(
            report.check("laravel to server", way_back(http, there, subject)), self._whose_token(there)
        )
        return user

    def _laravel_certificate(self, there: laravel.Laravel) -> list[Awaitable[bool]]:
        away = isinstance(there.answer, Trouble) and there.answer.kind != "tls"
        if away or not there.root.startswith("https:"):
            return []
        name = "laravel certificate"
        return [self._report.check(name, certificate(self._http, name, there.root))]

    async def _whose_token(self, there: laravel.Laravel) -> str | None:
        """Asks Laravel about the token, when it is Laravel that is asked. Returns the user it is of."""
        subject = self._subject
        if subject.token is None or subject.settings.auth != "laravel":
            return subject.user
        finding, user = await laravel.token(self._http, there, subject)
        self._report.add(finding)
        return user

    async def _connect(self, name: str, url: str, user: Awaitable[str | None], opens: Awaitable[bool]) -> None:
        """Lets a phone connect, when there is all that it needs."""
        report, token = self._report, self._subject.token
        if token is None:
            report.skip(
                ("token",), "none is given, so nobody was connected", "name a file that holds one: --token-file"
            )
            return
        whose, is_open = await asyncio.gather(user, opens)
        if whose is None:
            report.skip((name,), "it is not known whose the token is", "see `laravel`; with AUTH=jwt give --user")
        elif not is_open:
            report.skip((name,), "no connection opens there", "see the lines above")
        else:
            await report.check(name, phone.connects(self._http, name, url, token, whose))
