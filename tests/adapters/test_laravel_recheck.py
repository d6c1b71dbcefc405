"""How the questions about tokens that were let in unasked are spread; the clock stands still between two steps."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from onlycare_socket.adapters.laravel_questions import Patience
from onlycare_socket.adapters.laravel_recheck import Recheck, Rechecks
from onlycare_socket.adapters.laravel_users import Denied, Found, Trouble
from onlycare_socket.adapters.verdicts import token_hash
from onlycare_socket.calls.ids import UserId

from .laravel_asking import turns, until

pytestmark = pytest.mark.usefixtures("logged")


class Asked:
    """Runs `Rechecks` alone, on a clock that stands still between the steps of a test."""

    def __init__(self, *, answer: Found | Denied | Trouble | Exception, share: int = 16, look: float = 0.0) -> None:
        self.now = 1000.0
        self.at: list[float] = []
        self.given = answer
        self.answers: list[Found | Denied] = []
        self.counts: Counter[str] = Counter()
        self.rechecks = Rechecks(
            Patience(look=look, concurrent=share * 4),
            ask=self.ask,
            answered=lambda recheck, answer: self.answers.append(answer),
            counts=self.counts,
            clock=lambda: self.now,
            chance=random.Random(5).random,
        )

    async def ask(self, recheck: Recheck) -> Found | Denied | Trouble:
        self.at.append(self.now - 1000.0)
        if isinstance(self.given, Exception):
            raise self.given
        return self.given

    def plan(self, count: int) -> None:
        self.rechecks.start()
        for n in range(count):
            self.rechecks.plan(token_hash(str(n)), str(n), UserId(str(n)))

    async def pass_by(self, seconds: float, then: Callable[[], bool] = lambda: False) -> None:
        """Lets time pass in steps of 0.1 s, until something is so."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            await turns(6)
            if then():
                return


async def test_five_thousand_users_are_asked_about_one_after_the_other() -> None:
    asked = Asked(answer=Denied(401))
    asked.plan(5000)
    await asked.pass_by(301)
    await asked.rechecks.stop()
    assert len(asked.answers) == len(asked.at) == 5000
    each_second = Counter(int(at) for at in asked.at)
    assert max(each_second.values()) < 40, "17 on average"
    assert min(Counter(int(at / 10) for at in asked.at if at < 300).values()) > 100, "167 on average"
    assert max(asked.at) < 300.2


async def test_a_backend_that_throttles_is_asked_a_few_times_about_each() -> None:
    asked = Asked(answer=Trouble("throttled", ""))
    asked.plan(1000)
    await asked.pass_by(302, then=lambda: asked.counts["left"] == 1000)
    await asked.rechecks.stop()
    assert asked.counts["left"] == 1000
    assert len(asked.at) < 12_000
    assert max(Counter(int(at) for at in asked.at).values()) < 100
    assert len(asked.rechecks) == 0


async def test_one_answer_makes_room_for_the_next_question_at_once() -> None:
    asked = Asked(answer=Denied(401), share=1, look=1000.0)
    asked.plan(50)
    asked.now += 300
    await until(lambda: len(asked.answers) == 50)
    await asked.rechecks.stop()


async def test_a_fault_leaves_the_question() -> None:
    asked = Asked(answer=RuntimeError())
    asked.plan(3)
    asked.now += 300
    await until(lambda: len(asked.rechecks) == 0)
    assert len(asked.at) == 3
    await asked.rechecks.stop()
