"""The memory of verdicts: how long each counts, and that it cannot be made to grow or to forget the good ones."""

from onlycare_socket.adapters.verdicts import TokenHash, Verdicts, token_hash
from onlycare_socket.calls.ids import UserId
from onlycare_socket.ports import Identity

TOKEN = token_hash("17|x")


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
