"""Plays the chosen stories on the old server, then on the new one, and judges each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from msgspec import Struct

from onlycare_socket.cli.compare.latency import measure
from onlycare_socket.cli.compare.pace import Pace
from onlycare_socket.cli.compare.people import People
from onlycare_socket.cli.compare.records import Latency, Played, Take
from onlycare_socket.cli.compare.stage import Manner, Stage
from onlycare_socket.cli.compare.steps import Story
from onlycare_socket.cli.compare.stories import STORIES
from onlycare_socket.cli.compare.verdicts import Outcome, Verdict, judge
from onlycare_socket.cli.failure import Unreachable, WrongUsage

Said = Callable[[str], None]
Done = TypeVar("Done")


class Server(Struct, frozen=True):
    """One of the two."""

    label: str
    url: str
    secret: str | None

    def __repr__(self) -> str:
        return f"Server({self.label!r}, {self.url!r})"  # no secret reaches a traceback


class Plan(Struct, frozen=True, kw_only=True):
    """What to compare, and how."""

    old: Server
    new: Server
    people: People
    manner: Manner
    stories: tuple[Story, ...]
    timeouts: bool = False
    risky: bool = False
    rounds: int = 5
    per_minute: int = 90


class Comparison(Struct, frozen=True):
    """Everything that came out."""

    verdicts: tuple[Verdict, ...]
    old: Latency
    new: Latency
    rounds: int
    """How many calls the latencies are the middle of."""

    @property
    def surprises(self) -> int:
        """How many stories hold a difference that nothing explains."""
        return sum(verdict.outcome is Outcome.SURPRISE for verdict in self.verdicts)


def chosen(names: list[str]) -> tuple[Story, ...]:
    """Returns the stories of these names, all for none; a name may be the beginning of several. Raises WrongUsage."""
    for name in names:
        if not any(_meant(story, name) for story in STORIES):
            raise WrongUsage(f"--story {name}: there is no such story; --list shows them")
    return tuple(story for story in STORIES if not names or any(_meant(story, name) for name in names))


def _meant(story: Story, name: str) -> bool:
    exact = any(one.name == name for one in STORIES)
    return story.name == name if exact else story.name.startswith(name)


def compare(plan: Plan, said: Said) -> Comparison:
    """Plays everything. `said` is told what is being played. Raises a Failure when a server is not there."""
    return asyncio.run(_compare(plan, said))


async def _compare(plan: Plan, said: Said) -> Comparison:
    pace = Pace(plan.per_minute)
    for server in (plan.old, plan.new):
        said(f"{server.label} server: is it there?")
        await _on_stage(plan, server, pace, _look)
    left_out = {story.name: why for story in plan.stories if (why := _left_out(story, plan))}
    stories = [story for story in plan.stories if story.name not in left_out]
    old = await _on_stage(plan, plan.old, pace, lambda stage: _perform(stage, stories, plan.rounds, said))
    new = await _on_stage(plan, plan.new, pace, lambda stage: _perform(stage, stories, plan.rounds, said))
    return Comparison(tuple(_verdicts(plan.stories, left_out, old, new)), old.latency, new.latency, plan.rounds)


def _verdicts(stories: Iterable[Story], left_out: dict[str, str], old: Played, new: Played) -> Iterator[Verdict]:
    left_out = left_out | old.left_out | new.left_out
    for story in stories:
        if why := left_out.get(story.name):
            yield Verdict(story.name, story.about, Outcome.LEFT_OUT, left_out=why)
        else:
            yield judge(story, old.takes[story.name], new.takes[story.name])


def _left_out(story: Story, plan: Plan) -> str:
    """Says why a story cannot be played as things are, or ""."""
    if story.risky and not plan.risky:
        return "it may crash the old server (row 13): --risky plays it"
    if story.slow and not plan.timeouts:
        return "it takes as long as a ring: --with-timeouts plays it"
    if story.third and plan.people.third is None:
        return "it needs a third user: give --token a third time"
    if story.secret and not (plan.old.secret and plan.new.secret):
        return "it needs LARAVEL_API_SECRET of both servers, in the environment or with --env-file and --old-env-file"
    return ""


async def _on_stage(plan: Plan, server: Server, pace: Pace, act: Callable[[Stage], Awaitable[Done]]) -> Done:
    """Returns what is done with the phones connected to a server, of which none is left connected."""
    stage = Stage(server.label, server.url, server.secret, people=plan.people, manner=plan.manner, pace=pace)
    try:
        await stage.open()
        return await act(stage)
    except Unreachable as error:
        raise Unreachable(f"the {server.label} server: {error}") from None
    finally:
        await stage.close()


async def _look(stage: Stage) -> None:
    """Raises a Failure when the server will not do; open() has looked already whether it lets the phones in."""
    await stage.check_secret()


async def _perform(stage: Stage, stories: list[Story], rounds: int, said: Said) -> Played:
    takes: dict[str, list[Take]] = {}
    left_out: dict[str, str] = {}
    said(f"{stage.label} server: how long a ring and a reject take")
    latency = await measure(stage, rounds)
    stage.allow_for(latency.ring or 0.0)
    for place, story in enumerate(stories, 1):
        said(f"{stage.label} server: {story.name} ({place} of {len(stories)})")
        if story.numbered and not stage.names.numbered:
            left_out[story.name] = "it needs users whose ids are numbers"
            continue
        try:
            takes[story.name] = await stage.play(story)
        except Unreachable as error:
            if not story.risky:
                raise Unreachable(f"gone in the story {story.name}: {error}") from None
            left_out[story.name] = f"the {stage.label} server does not answer any more"
    return Played(takes, left_out, latency)
