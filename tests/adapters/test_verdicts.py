"""The memory of verdicts: how long each counts, and that it cannot be made to grow or to forget the good ones."""

import pytest

from onlycare_socket.adapters.verdicts import KIND, TokenHash, Verdicts, token_hash
from onlycare_socket.calls.ids import UserId
from onlycare_socket.ports import Identity

from .laravel_asking import DictFacts, Wall

TOKEN = token_hash("17|x")
DAY = 86_400.0


def identity(user: str = "5") -> Identity:
    return Identity(user=UserId(user), id=user)


class Moment:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_known_by_its_sha_256_only() -> None:
    assert token_hash("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_three_ages_of_a_verdict() -> None:
    clock = Moment()
    verdicts = Verdicts(clock)
    verdicts.accept(TOKEN, identity())
    ages = []
    for age in (0.0, 299.9, 300.0, 86_399.0, 86_400.0):
        clock.now = 1000.0 + age
        ages.append((verdicts.fresh(TOKEN) is not None, verdicts.stale(TOKEN) is not None))
    assert ages == [(True, True), (True, True), (False, True), (False, True), (False, False)]


def test_a_no_counts_for_five_seconds_and_takes_the_yes_with_it() -> None:
    clock = Moment()
    verdicts = Verdicts(clock)
    verdicts.accept(TOKEN, identity())
    verdicts.refuse(TOKEN)
    assert verdicts.refused(TOKEN)
    assert verdicts.stale(TOKEN) is None
    clock.now += 5.0
    assert not verdicts.refused(TOKEN)


def test_a_yes_takes_the_no_with_it() -> None:
    verdicts = Verdicts(Moment())
    verdicts.refuse(TOKEN)
    verdicts.accept(TOKEN, identity())
    assert not verdicts.refused(TOKEN)
    assert verdicts.fresh(TOKEN) == identity()


def test_forgetting_a_user_drops_all_tokens_of_that_user_and_no_other() -> None:
    verdicts = Verdicts(Moment())
    for n in range(3):
        verdicts.accept(token_hash(f"5|{n}"), identity("5"))
    verdicts.accept(TOKEN, identity("6"))
    verdicts.forget(UserId("5"))
    assert len(verdicts) == 1
    assert verdicts.fresh(TOKEN) == identity("6")


def test_the_yes_unused_for_the_longest_time_is_dropped_first() -> None:
    verdicts = Verdicts(Moment(), most=2)
    first, second, third = (TokenHash(bytes([n]) * 32) for n in range(3))
    verdicts.accept(first, identity("1"))
    verdicts.accept(second, identity("2"))
    assert verdicts.fresh(first) is not None
    verdicts.accept(third, identity("3"))
    assert verdicts.stale(second) is None
    assert verdicts.stale(first) is not None


def test_a_flood_of_wrong_tokens_is_bounded_and_pushes_out_no_good_one() -> None:
    verdicts = Verdicts(Moment(), most=10)
    verdicts.accept(TOKEN, identity())
    for n in range(1000):
        verdicts.refuse(token_hash(str(n)))
    assert len(verdicts) == 11
    assert verdicts.fresh(TOKEN) is not None


class TestTheNextProcess:
    """What is kept among the facts, and taken up."""

    facts: DictFacts
    wall: Wall
    clock: Moment

    @pytest.fixture(autouse=True)
    def _afresh(self) -> None:
        self.facts, self.wall, self.clock = DictFacts(), Wall(), Moment()

    def process(self, most: int = 20_000) -> Verdicts:
        """Returns the verdicts of a process that has begun, on a monotonic clock that knows nothing of the last one."""
        self.clock = Moment()
        self.clock.now = 7.0
        verdicts = Verdicts(self.clock, facts=self.facts, wall=self.wall, most=most)
        self.taken_up = verdicts.take_up()
        return verdicts

    def kept(self) -> set[str]:
        return {key for _, key in self.facts.kept}

    def test_takes_up_all_that_is_known_of_a_user(self) -> None:
        asha = Identity(user=UserId("5"), id="USR_5", name="Asha \u0905", gender="FEMALE")
        self.process().accept(TOKEN, asha)
        verdicts = self.process()
        assert self.taken_up == 1
        assert verdicts.fresh(TOKEN) == verdicts.former(TOKEN) == asha

    def test_finds_the_hash_and_not_the_token_for_24_hours(self) -> None:
        self.process().accept(TOKEN, identity())
        (kind, key), (_, until) = next(iter(self.facts.kept.items()))
        assert (kind, key) == (KIND, TOKEN.hex())
        assert until == self.wall.now + DAY * 1000

    @pytest.mark.parametrize(
        ("away", "fresh", "stale"), [(299.0, True, True), (301.0, False, True), (DAY - 1, False, True)]
    )
    def test_counts_the_age_by_the_wall_clock(self, away: float, fresh: bool, stale: bool) -> None:
        self.process().accept(TOKEN, identity())
        self.wall.pass_by(away)
        verdicts = self.process()
        assert (verdicts.fresh(TOKEN) is not None, verdicts.stale(TOKEN) is not None) == (fresh, stale)

    def test_goes_on_counting_by_the_monotonic_clock(self) -> None:
        self.process().accept(TOKEN, identity())
        self.wall.pass_by(DAY - 10)
        verdicts = self.process()
        self.wall.pass_by(3600)
        assert verdicts.stale(TOKEN) is not None
        self.clock.now += 10
        assert verdicts.stale(TOKEN) is None
        assert verdicts.former(TOKEN) is None

    def test_drops_what_is_older_than_24_hours(self) -> None:
        self.process().accept(TOKEN, identity())
        self.wall.pass_by(DAY)
        assert len(self.process()) == 0
        assert self.facts.kept == {}

    def test_takes_a_yes_from_the_future_for_one_of_now_and_for_once(self) -> None:
        self.process().accept(TOKEN, identity())
        self.wall.pass_by(-30 * DAY)
        verdicts = self.process()
        assert verdicts.fresh(TOKEN) is not None
        self.clock.now += 300
        assert verdicts.fresh(TOKEN) is None
        self.wall.pass_by(DAY)
        assert len(self.process()) == 0, "it cannot count for a month"

    def test_leaves_out_and_drops_what_makes_no_sense(self) -> None:
        self.process().accept(TOKEN, identity())
        body = self.facts.former(KIND)[TOKEN.hex()]
        bad = {"a1" * 32: b"", "a2" * 32: body[:-1], "a3" * 32: b"\xc0", "a4" * 32: b"\x95" + b"\xa1\xff" * 5}
        for key, broken in {**bad, "no hash": body, "ab": body}.items():
            self.facts.keep(KIND, key, broken)
        self.facts.keep("another kind", "x", b"")
        self.process()
        assert self.taken_up == 1
        assert self.kept() == {TOKEN.hex(), "x"}

    def test_understands_a_version_that_knows_more(self) -> None:
        self.process().accept(TOKEN, identity())
        body = self.facts.former(KIND)[TOKEN.hex()]
        assert body[0] == 0x95, "an array of five"
        self.facts.keep(KIND, TOKEN.hex(), b"\x96" + body[1:] + b"\xa3new")
        assert self.process().fresh(TOKEN) == identity()

    def test_takes_up_the_newest_if_it_is_too_much(self) -> None:
        before = self.process()
        for n in range(5):
            before.accept(token_hash(str(n)), identity(str(n)))
            self.wall.pass_by(1)
        self.facts.kept = dict(reversed(self.facts.kept.items()))
        verdicts = self.process(most=2)
        assert self.taken_up == len(verdicts) == 2
        assert self.kept() == {token_hash("3").hex(), token_hash("4").hex()}
        verdicts.accept(TOKEN, identity())
        assert verdicts.stale(token_hash("4")) is not None, "the oldest goes first"

    def test_hears_no_more_than_memory_knew(self) -> None:
        verdicts = self.process(most=2)
        for n in range(3):
            verdicts.accept(token_hash(str(n)), identity(str(n)))
        assert self.kept() == {token_hash("1").hex(), token_hash("2").hex()}
        verdicts.refuse(token_hash("1"))
        assert self.kept() == {token_hash("2").hex()}
        verdicts.forget(UserId("2"))
        assert self.kept() == set()

    def test_hears_nothing_of_a_flood_of_wrong_tokens(self) -> None:
        self.process().refuse(TOKEN)
        assert self.facts.words == 0

    def test_a_new_yes_makes_it_this_process_own(self) -> None:
        self.process().accept(TOKEN, identity())
        self.wall.pass_by(3600)
        verdicts = self.process()
        verdicts.accept(TOKEN, identity())
        assert verdicts.former(TOKEN) is None
        self.wall.pass_by(299)
        assert self.process().fresh(TOKEN) is not None, "kept with its new time"
