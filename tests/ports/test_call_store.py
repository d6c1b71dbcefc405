"""What every `CallStore` promises: atomic, in order, live calls derived, deadlines that fire."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress

import pytest
from msgspec.structs import replace

from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.decision import Decide, Decision, View
from onlycare_socket.calls.ids import CallId, DeviceId, Millis, UserId
from onlycare_socket.calls.states import Code, EarlyKind, State
from onlycare_socket.ports import StoreUnavailable
from tests.phones import START, SWEEP
from tests.ports.adapters import STORES, Stored, Transactions, a_call, put


@pytest.fixture(params=STORES)
def stored(request: pytest.FixtureRequest) -> Iterator[Stored]:
    make: Callable[[], AbstractContextManager[Stored]] = STORES[request.param]
    with make() as stored:
        yield stored


@pytest.fixture
def calls(stored: Stored) -> Transactions:
    return Transactions(stored)


def over(call: Call, at: int = START) -> Call:
    return replace(call, version=call.version + 1, state=State.ENDED, ended=at, code=Code.COMPLETED, ring_at=None)


class TestTransactions:
    def test_a_decision_sees_nothing_at_first(self, calls: Transactions) -> None:
        view = calls.view(users=("5", "7"))
        assert (view.now, view.call, dict(view.live), view.early) == (START, None, {}, ())

    def test_a_decision_sees_what_was_decided_before(self, calls: Transactions) -> None:
        call = a_call()
        calls.run(put(call))
        assert calls.view().call == call
        assert calls.find("1") == call

    def test_done_gets_the_decision_that_was_kept(self, calls: Transactions) -> None:
        decision = Decision(calls=(a_call(),), steps=((CallId("1"), Step(at=START, what="x")),))
        assert calls.run(lambda view: decision) is decision

    def test_done_runs_once(self, calls: Transactions) -> None:
        calls.run(put(a_call()))
        assert len(calls.done) == 1

    def test_a_decision_without_changes_is_done_too(self, calls: Transactions) -> None:
        decision = calls.run(put())
        assert (decision.calls, decision.effects, decision.steps, decision.early) == ((), (), (), ())

    def test_without_a_call_only_users_are_looked_up(self, calls: Transactions) -> None:
        calls.run(put(a_call()))
        view = calls.view(None, ("5",))
        assert view.call is None
        assert set(view.live) == {"5"}

    def test_the_time_is_the_stores(self, stored: Stored, calls: Transactions) -> None:
        stored.clock.run(2.5)
        assert calls.view().now == START + 2_500

    def test_all_calls_of_a_decision_are_kept_together(self, calls: Transactions) -> None:
        first, second = a_call("1", "5", "7"), a_call("2", "8", "9")
        calls.run(put(first, second))
        calls.run(put(over(first), over(second), a_call("3", "5", "9")))
        assert [calls.view(id_).call.state for id_ in "123"] == ["ended", "ended", "ringing"]  # type: ignore[union-attr]
        assert {user: call.id for user, call in calls.view(None, ("5", "7", "8", "9")).live.items()} == {
            "5": "3",
            "9": "3",
        }

    def test_one_begun_inside_a_done_runs_after_it(self, stored: Stored) -> None:
        order: list[str] = []

        def done(name: str) -> Callable[[Decision | StoreUnavailable], None]:
            def _(decision: Decision | StoreUnavailable) -> None:
                order.append(f"{name} begins")
                if name == "first":
                    stored.store.transact(CallId("1"), (), decide("second"), done("second"))
                order.append(f"{name} ends")

            return _

        def decide(name: str) -> Decide:
            def _(view: View) -> Decision:
                order.append(f"{name} decided")
                return Decision()

            return _

        stored.store.transact(CallId("1"), (), decide("first"), done("first"))
        stored.settle()
        assert order == [
            "first decided",
            "first begins",
            "first ends",
            "second decided",
            "second begins",
            "second ends",
        ]

    def test_done_runs_in_version_order(self, calls: Transactions, stored: Stored) -> None:
        versions: list[int] = []

        def raise_version(view: View) -> Decision:
            call = view.call or a_call(version=0)
            return Decision(calls=(replace(call, version=call.version + 1),))

        def done(decision: Decision | StoreUnavailable) -> None:
            assert isinstance(decision, Decision)
            versions.append(decision.calls[0].version)
            if len(versions) < 5:
                stored.store.transact(CallId("1"), (), raise_version, done)
                stored.store.transact(CallId("1"), (), raise_version, lambda _: None)

        stored.store.transact(CallId("1"), (), raise_version, done)
        stored.settle()
        assert versions == sorted(versions)
        assert len(versions) == 5

    def test_a_decision_that_fails_changes_nothing_and_blocks_nobody(self, calls: Transactions) -> None:
        def fail(view: View) -> Decision:
            raise RuntimeError("a bug")

        with pytest.raises(RuntimeError, match="a bug"):
            calls.run(fail)
        calls.run(put(a_call()))
        assert calls.find("1") is not None

    def test_one_that_fails_as_it_is_done_leaves_none_waiting(self, calls: Transactions, stored: Stored) -> None:
        ran: list[str] = []

        def done(decision: Decision | StoreUnavailable) -> None:
            stored.store.transact(CallId("2"), (), put(a_call("2")), lambda _: ran.append("behind it"))
            raise RuntimeError("a bug")

        with suppress(RuntimeError):  # memory raises it, a store that commits logs it
            stored.store.transact(CallId("1"), (), put(a_call()), done)
        stored.settle()
        assert ran == ["behind it"]


class TestNotes:
    def test_it_changes_the_call_as_it_is_now_and_adds_a_line(self, calls: Transactions, stored: Stored) -> None:
        calls.run(put(a_call()))
        stored.clock.run(1)
        stored.store.note(CallId("1"), lambda now, call: (replace(call, version=7), Step(at=now, what="told")))
        found = calls.find("1")
        assert found is not None
        assert found.version == 7
        steps: list[tuple[Step, ...]] = []
        stored.log.timeline(CallId("1"), steps.append)
        assert steps[0][-1] == Step(at=Millis(START + 1_000), what="told")

    def test_a_note_taken_while_a_decision_is_done_is_seen_by_the_next(
        self, calls: Transactions, stored: Stored
    ) -> None:
        def done(decision: Decision | StoreUnavailable) -> None:
            stored.store.note(CallId("1"), lambda now, call: (replace(call, version=7), Step(at=now, what="told")))

        stored.store.transact(CallId("1"), (), put(a_call()), done)
        stored.settle()
        view = calls.view()
        assert view.call is not None
        assert view.call.version == 7

    def test_one_that_has_nothing_to_add_changes_nothing(self, calls: Transactions, stored: Stored) -> None:
        calls.run(put(a_call()))
        stored.store.note(CallId("1"), lambda now, call: None)
        assert calls.find("1") == a_call()

    def test_a_call_that_is_not_kept_is_left_alone(self, calls: Transactions, stored: Stored) -> None:
        def fail(now: Millis, call: Call) -> tuple[Call, Step]:
            raise AssertionError("there is no call to add to")

        stored.store.note(CallId("9"), fail)
        assert calls.find("9") is None


class TestTheLiveIndex:
    def test_both_parties_of_a_live_call(self, calls: Transactions) -> None:
        call = a_call()
        calls.run(put(call))
        assert calls.view(None, ("5", "7", "9")).live == {"5": call, "7": call}

    def test_it_follows_the_call(self, calls: Transactions) -> None:
        call = a_call()
        calls.run(put(call))
        accepted = replace(call, version=2, state=State.ACCEPTED)
        calls.run(put(accepted))
        assert calls.view(None, ("5",)).live == {"5": accepted}

    def test_an_ended_call_keeps_nobody_busy(self, calls: Transactions) -> None:
        call = a_call()
        calls.run(put(call))
        calls.run(put(over(call)))
        assert calls.view(None, ("5", "7")).live == {}
        assert calls.view("1").call == over(call), "but it stays readable"

    def test_a_call_that_is_over_from_the_start_keeps_nobody_busy(self, calls: Transactions) -> None:
        calls.run(put(over(a_call())))
        assert calls.view(None, ("5", "7")).live == {}

    def test_an_ended_call_that_changes_later_disturbs_no_newer_one(self, calls: Transactions) -> None:
        old = over(a_call("1"))
        calls.run(put(old))
        new = a_call("2")
        calls.run(put(new))
        calls.run(put(replace(old, version=old.version + 1)))
        assert calls.view(None, ("5", "7")).live == {"5": new, "7": new}

    @pytest.mark.parametrize("new_first", [True, False])
    def test_a_new_call_in_the_decision_that_ends_the_old_one(self, calls: Transactions, new_first: bool) -> None:
        old, new = a_call("1"), a_call("2")
        calls.run(put(old))
        changes = (new, over(old)) if new_first else (over(old), new)
        calls.run(put(*changes))
        assert calls.view(None, ("5", "7")).live == {"5": new, "7": new}


class TestEarlyCommands:
    def early(self, call: str = "1", user: str = "7", kind: EarlyKind = EarlyKind.REJECT, after: int = 60) -> Early:
        return Early(
            call=CallId(call),
            user=UserId(user),
            kind=kind,
            until=Millis(START + after * 1000),
            device=DeviceId("d:1"),
        )

    def test_they_are_seen_by_decisions_on_that_call_only(self, calls: Transactions) -> None:
        calls.run(lambda view: Decision(early=(self.early(),)))
        assert calls.view("1").early == (self.early(),)
        assert calls.view("2").early == ()

    def test_oldest_first(self, calls: Transactions) -> None:
        accept, reject = self.early(kind=EarlyKind.ACCEPT), self.early()
        calls.run(lambda view: Decision(early=(accept,)))
        calls.run(lambda view: Decision(early=(reject,)))
        assert calls.view("1").early == (accept, reject)

    def test_at_most_twenty_a_user(self, calls: Transactions) -> None:
        for number in range(25):
            calls.run(lambda view, number=number: Decision(early=(self.early(str(number)),)))  # type: ignore[misc]
        calls.run(lambda view: Decision(early=(self.early("0", user="8"),)))
        kept = [number for number in range(25) if any(e.user == "7" for e in calls.view(str(number)).early)]
        assert kept == list(range(5, 25))

    def test_a_repeated_one_stays_as_it_was_and_lasts_longer(self, calls: Transactions) -> None:
        again = replace(self.early(after=90), device=DeviceId("d:2"))
        calls.run(lambda view: Decision(early=(self.early(),)))
        calls.run(lambda view: Decision(early=(again,)))
        assert calls.view("1").early == (self.early(after=90),)

    def test_they_are_forgotten_after_their_time(self, stored: Stored, calls: Transactions) -> None:
        calls.run(lambda view: Decision(early=(self.early(),)))
        stored.clock.run(60)
        calls.due()
        assert calls.view("1").early == ()


class TestDeadlines:
    def test_one_that_passed_is_named(self, stored: Stored, calls: Transactions) -> None:
        calls.run(put(a_call()))
        stored.clock.run(29.9)
        assert calls.due() == []
        stored.clock.run(0.1 + SWEEP)
        assert calls.due() == [("1", "ring")]

    def test_it_is_named_once_until_it_is_decided_on(self, stored: Stored, calls: Transactions) -> None:
        call = a_call()
        calls.run(put(call))
        stored.clock.run(31)
        assert calls.due() == [("1", "ring")]
        assert calls.due() == []
        calls.run(put(over(call)))
        stored.clock.run(3_600)
        assert calls.due() == []

    def test_one_on_which_nothing_was_decided_is_named_again(self, stored: Stored, calls: Transactions) -> None:
        """What was lost on the way, by a node that died say, is not lost for good."""
        calls.run(put(a_call()))
        stored.clock.run(31)
        calls.due()
        stored.clock.run(1 + 2 * SWEEP)
        assert calls.due() == [("1", "ring")]

    def test_at_most_so_many_and_the_others_next_time(self, stored: Stored, calls: Transactions) -> None:
        for number in range(10):
            calls.run(put(a_call(str(number), f"a{number}", f"b{number}")), str(number))
        stored.clock.run(31)
        first, second = calls.due(6), calls.due(6)
        assert (len(first), len(second)) == (6, 4)
        assert {call for call, _ in first + second} == set(map(str, range(10)))

    def test_each_kind_for_itself(self, stored: Stored, calls: Transactions) -> None:
        calls.run(put(a_call(caller_grace_at=START + 5_000)))
        stored.clock.run(5 + SWEEP)
        assert calls.due() == [("1", "caller_grace")]
        stored.clock.run(25 + SWEEP)
        assert ("1", "ring") in calls.due()

    def test_a_deadline_that_was_taken_back_does_not_fire(self, stored: Stored, calls: Transactions) -> None:
        call = a_call(caller_grace_at=START + 5_000)
        calls.run(put(call))
        calls.run(put(replace(call, version=2, caller_grace_at=None)))
        stored.clock.run(10)
        assert calls.due() == []

    @pytest.mark.parametrize("jump", [3_600, -3_600])
    def test_the_wall_clock_jumps(self, stored: Stored, calls: Transactions, jump: float) -> None:
        calls.run(put(a_call()))
        stored.clock.jump(jump)
        stored.clock.run(29)
        assert calls.due() == []
        stored.clock.run(1 + SWEEP)
        assert calls.due() == [("1", "ring")]

    def test_a_decision_may_be_run_inside(self, stored: Stored, calls: Transactions) -> None:
        call = a_call()
        calls.run(put(call))
        stored.clock.run(31)
        stored.store.due(10, lambda id_, kind: stored.store.transact(id_, (), put(over(call)), lambda _: None))
        assert calls.find("1") == over(call)


class TestForgetting:
    def test_an_ended_call_is_readable_for_a_day(self, stored: Stored, calls: Transactions) -> None:
        calls.run(put(over(a_call())))
        stored.clock.run(86_390)
        calls.due()
        assert calls.find("1") is not None
        stored.clock.run(20)
        calls.due()
        assert calls.find("1") is None
        assert calls.view("1").call is None

    def test_a_live_call_is_never_forgotten(self, stored: Stored, calls: Transactions) -> None:
        calls.run(put(a_call(ring_at=None)))
        stored.clock.run(200_000)
        calls.due()
        assert calls.find("1") is not None

    def test_an_id_that_was_forgotten_may_come_again(self, stored: Stored, calls: Transactions) -> None:
        calls.run(put(over(a_call())))
        stored.clock.run(90_000)
        calls.due()
        call = a_call(created=START + 90_000_000, ring_at=START + 90_030_000)
        calls.run(put(call))
        assert calls.view("1", ("5",)).live == {"5": call}
