"""What the next process finds: all that was decided, with deadlines that hold whatever became of the clock."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from onlycare_socket.adapters import sqlite_writer
from onlycare_socket.adapters.sqlite_tables import PRUNED_AT_ONCE, prune
from onlycare_socket.calls.call import Call, Form, Leg, Party
from onlycare_socket.calls.decision import Decision
from onlycare_socket.calls.ids import CallId, DeviceId, Millis, UserId
from onlycare_socket.calls.restart import taken_up
from onlycare_socket.calls.states import Code, EarlyKind, LegState, State
from tests.phones import START, SWEEP, HandClock
from tests.ports.adapters import a_call

from .sqlite_stores import TERMS, Opened, crashed, early, ended_calls, opened, over, rows, step, until

DAY: Final = 86_400.0
MONTH: Final = 30 * DAY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def unfiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed stays in the journal until the store is stopped."""
    monkeypatch.setattr(sqlite_writer, "_TIDY_EVERY", 3_600.0)


def phone(id_: str, user: str, state: LegState, **known: bool) -> Leg:
    return Leg(UserId(user), DeviceId(id_), state, **known)


LEGS: Final = tuple(phone(f"d:{state}", "7", state) for state in LegState)
KNOWING: Final = (
    phone("d:1", "7", LegState.SHOWN, missed=True),
    phone("d:2", "5", LegState.DIALLED, accepted=True, ended=True),
)
FORMS: Final = (Form(UserId("7"), DeviceId("d:2"), "CALL_12"), Form(UserId("5"), DeviceId("d:9"), "12"))


def accepted(id_: str, caller: str, receiver: str, **fields: object) -> Call:
    given = {"state": State.ACCEPTED, "accepted": START, "ring_at": None, "max_duration_at": START + 9_000_000}
    return a_call(id_, caller, receiver, version=3, **(given | fields))


def calls_of_every_kind() -> list[Call]:
    """Live calls in each state with everything that may be in them, and one ended for each reason."""
    winner = Party(UserId("31"), "USR_31", "CALL_13", DeviceId("d:won"), "Bea Ünicode 📱")
    return [
        a_call("10", "1", "2"),
        a_call("11", "3", "4", legs=LEGS, forms=FORMS, caller_grace_at=START + 15_000),
        accepted("12", "20", "21", legs=KNOWING),
        replace(accepted("13", "30", "31", upgrade_by=UserId("30"), upgrade_at=START + 30_000), receiver=winner),
        accepted("14", "40", "41", call_type="Video", call_grace_at=START + 120_000),
        *(
            over(a_call(f"e-{code}", "50", "51"), START + number, code=code, reason=f"„{code}“", ended_by="USR_50")
            for number, code in enumerate(Code)
        ),
        over(a_call("refused", "60", "61"), refused=True, winner_call="CALL_10", code=Code.GLARE),
        over(accepted("talked", "70", "71", legs=LEGS), START + 1_000),
    ]


async def leave(here: Opened, how: str) -> Path:
    """Returns what the next process starts from: the file of one that was stopped, or killed in the middle."""
    if how == "killed":
        left = crashed(here.path)
        await here.life.stop()
        return left
    await here.life.stop()
    return here.path


@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.usefixtures("unfiled")
async def test_everything_is_there_again(path: Path, how: str) -> None:
    calls, clock = calls_of_every_kind(), HandClock()
    async with opened(path, clock) as here:
        for number, call in enumerate(calls):
            first = replace(call, version=1) if call.version > 1 else call
            await here.put(first, steps=((call.id, step("first", told=("d:1", "d:2"), to="USR_7")),))
            await here.put(call, steps=((call.id, step("second", START + number, detail="„“")),))
        steps = {call.id: await here.timeline(call.id) for call in calls}
        left = await leave(here, how)

    if how == "killed":
        assert rows(left, "SELECT count(*) FROM calls") == [(0,)], "all of it is in the journal still"
    async with opened(left, clock) as back:
        for call in calls:
            expected = (
                call if call.ended is not None else taken_up(TERMS, clock.wall(), call, clean=how == "stopped")[0]
            )
            assert await back.find(call.id) == expected
            assert (await back.view(call.id)).call == expected
            assert await back.timeline(call.id) == steps[call.id] + (["taken up"] if call.ended is None else [])
        live = (await back.view(None, "1", "2", "20", "31", "41", "50", "60", "70")).live
        assert {user: call.id for user, call in live.items()} == {
            "1": "10",
            "2": "10",
            "20": "12",
            "31": "13",
            "41": "14",
        }
        assert back.log.live_count() == 5
        assert rows(left, "SELECT count(*) FROM calls") == [(len(calls),)], "the next process filed them"


async def test_all_of_a_decision_or_nothing(path: Path) -> None:
    old, new = a_call("1"), a_call("2")
    async with opened(path) as here:
        await here.put(old)
        await here.decide(lambda view: Decision(calls=(over(old), new)))
        left = crashed(path)
    async with opened(left) as back:
        found = [await back.find(id_) for id_ in "12"]
        assert [call.state for call in found if call] == ["ended", "ringing"]


async def test_a_note_is_there_a_moment_later(path: Path) -> None:
    def told(now: Millis, call: Call) -> tuple[Call, object]:
        return replace(call, version=2, legs=KNOWING), step("told")

    async with opened(path) as here:
        await here.put(a_call())
        here.store.note(CallId("1"), told)  # type: ignore[arg-type]
        await until(lambda: rows(path, "SELECT count(*) FROM journal WHERE instr(body, 'told')")[0][0])
        left = crashed(path)
    async with opened(left) as back:
        found = await back.find("1")
        assert found is not None
        assert found.legs == KNOWING
        assert await back.timeline("1") == ["told", "taken up"]


async def test_the_timeline_goes_on_through_every_process(path: Path) -> None:
    async with opened(path) as here:
        await here.put(a_call(), steps=((CallId("1"), step("dialled")),))
    for number in range(3):
        async with opened(path) as here:
            call = await here.find("1")
            assert call is not None
            await here.put(replace(call, version=call.version + 1), steps=((call.id, step(f"step {number}")),))
    async with opened(path) as here:
        lines = ["dialled", "taken up", "step 0", "taken up", "step 1", "taken up", "step 2", "taken up"]
        assert await here.timeline("1") == lines
        call = await here.find("1")
        assert call is not None
        assert call.version == 1 + 4 + 3
        await here.put(over(call), steps=((call.id, step("over")),))
    async with opened(path) as here:
        await here.decide(lambda view: Decision(steps=((CallId("1"), step("late")),)))
        assert await here.timeline("1") == [*lines, "over", "late"], "an ended call is not taken up"


async def test_text_that_is_no_unicode_harms_nothing_beside_it(path: Path) -> None:
    async with opened(path) as here:
        here.facts.keep("kind", "key", b"\x00\xff")
        await here.put(a_call("1", receiver="half \ud83d", reason="half \ud83d"), a_call("2", "8", "9"))
        left = crashed(path)
    async with opened(left) as back:
        found = await back.find("1")
        assert found is not None
        assert (found.receiver.user, found.reason) == ("half ?", "half ?")
        assert await back.find("2") is not None
        assert back.facts.former("kind") == {"key": b"\x00\xff"}


# ---------------------------------------------------------------- deadlines


@pytest.mark.parametrize("jump", [0, 3_600, -3_600, MONTH, -MONTH])
async def test_no_deadline_is_further_away_than_its_full_time(path: Path, jump: float) -> None:
    clock = HandClock()
    talk = accepted("2", "8", "9", upgrade_by=UserId("8"), upgrade_at=START + 30_000, call_grace_at=START + 120_000)
    async with opened(path, clock) as here:
        await here.put(a_call(caller_grace_at=START + 1_000), talk)
    clock.jump(jump)
    async with opened(path, clock) as back:
        now = clock.wall()
        ring, talking = await back.find("1"), await back.find("2")
        assert ring is not None
        assert talking is not None
        assert ring.ring_at is not None
        assert ring.ring_at <= now + TERMS.ring_timeout
        assert ring.caller_grace_at == now + TERMS.caller_grace, "anew, from now on"
        assert talking.call_grace_at == now + TERMS.call_grace
        assert talking.max_duration_at is not None
        assert talking.max_duration_at <= now + TERMS.max_duration
        assert back.due() == set()
        clock.run(SWEEP)
        passed = {("1", "ring"), ("2", "upgrade")} | ({("2", "max_duration")} if jump == MONTH else set())
        assert back.due() == (passed if jump > 0 else set()), "what passed while nobody was there fires at once"
        clock.run(30)
        assert {("1", "ring"), ("1", "caller_grace")} <= back.due() | (passed if jump > 0 else set())


async def test_a_ring_goes_on_for_the_rest_of_its_time(path: Path) -> None:
    clock = HandClock()
    async with opened(path, clock) as here:
        await here.put(a_call())
    clock.run(20)
    async with opened(path, clock) as back:
        clock.run(9.9)
        assert ("1", "ring") not in back.due()
        clock.run(0.1 + SWEEP)
        assert ("1", "ring") in back.due()


# ---------------------------------------------------------------- early commands


async def test_early_commands_are_remembered_for_the_rest_of_their_time(path: Path) -> None:
    clock = HandClock()
    accept = early(kind=EarlyKind.ACCEPT, after=40, call_id="CALL_1", reason="r", caller=UserId("5"))
    reject = early(after=50)
    async with opened(path, clock) as here:
        await here.say(accept)
        await here.say(reject, early("2", after=5))
        left = crashed(path)
    clock.run(10)
    async with opened(left, clock) as back:
        assert (await back.view("1")).early == (accept, reject), "oldest first"
        assert (await back.view("2")).early == ()
        clock.run(31)
        back.due()
        assert (await back.view("1")).early == (reject,)
        await until(lambda: rows(left, "SELECT kind FROM early") == [("reject",)])


async def test_a_repeated_one_stays_as_it_was_first_said(path: Path) -> None:
    async with opened(path) as here:
        await here.say(early(reason="first"))
        await here.say(early(reason="second", after=90, device=DeviceId("d:2")))
    clock = HandClock()
    clock.run(30)
    async with opened(path, clock) as back:
        assert (await back.view()).early == (early(reason="first", after=90),)


async def test_the_twenty_that_are_kept_are_the_newest(path: Path) -> None:
    async with opened(path) as here:
        for number in range(25):
            await here.say(early(str(number), after=30 + number / 1000))
    async with opened(path) as back:
        assert [n for n in range(25) if (await back.view(str(n))).early] == list(range(5, 25))


async def test_a_clock_that_was_set_back_makes_none_last_longer(path: Path) -> None:
    clock = HandClock()
    async with opened(path, clock) as here:
        await here.say(early())
    clock.jump(-MONTH)
    async with opened(path, clock) as back:
        assert len((await back.view()).early) == 1
        clock.run(61)
        back.due()
        assert (await back.view()).early == ()


# ---------------------------------------------------------------- ended calls


async def test_a_day_later_the_file_has_forgotten_them(path: Path) -> None:
    clock = HandClock()
    calls = ended_calls(PRUNED_AT_ONCE * 2 + 50, every_ms=1)
    async with opened(path, clock) as here:
        await here.put(*calls)
        await here.put(a_call("live"))
    clock.run(DAY - 10)
    async with opened(path, clock) as back:
        assert await back.find("0") == calls[0]
        clock.run(11)
        back.due()
        assert await back.find("0") is None
        await until(lambda: rows(path, "SELECT id FROM calls") == [("live",)])


async def test_they_are_forgotten_in_pieces(path: Path) -> None:
    number = PRUNED_AT_ONCE + 50
    async with opened(path) as here:
        await here.put(*ended_calls(number))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert prune(connection, 0, START + number * 1_000) is True
        assert rows(path, "SELECT count(*), min(CAST(id AS INT)) FROM calls") == [(50, PRUNED_AT_ONCE)], "oldest first"
        assert prune(connection, 0, START + number * 1_000) is False


@pytest.mark.usefixtures("unfiled")
async def test_beyond_those_in_memory_the_journal_is_read(path: Path) -> None:
    calls = ended_calls(10)
    async with opened(path, ended_calls=3) as here:
        await put_each(here, calls)
        await all_is_readable(here, calls)
        assert rows(path, "SELECT count(*) FROM calls") == [(0,)]


async def test_beyond_those_in_memory_the_tables_are_read(path: Path) -> None:
    calls = ended_calls(10)
    async with opened(path, ended_calls=3) as here:
        await put_each(here, calls)
        await until(lambda: rows(path, "SELECT count(*) FROM journal") == [(0,)])
        await all_is_readable(here, calls)
    async with opened(path, ended_calls=3) as back:
        await all_is_readable(back, calls)


async def put_each(here: Opened, calls: list[Call]) -> None:
    for call in calls:
        await here.put(call, steps=((call.id, step("dialled")), (call.id, step("over"))))


async def all_is_readable(here: Opened, calls: list[Call]) -> None:
    newest_first = [call.id for call in reversed(calls)]
    here.clock.run(20)
    for call in calls:
        assert await here.find(call.id) == call
        assert await here.timeline(call.id) == ["dialled", "over"]
    assert await here.find("unknown") is None
    assert await here.timeline("unknown") == []
    assert await here.of_user("5") == await here.of_user("7") == newest_first
    assert await here.of_user("5", 5) == newest_first[:5]
    assert await here.of_user("5", since=calls[4].ended) == newest_first[:6]
    assert await here.of_user("9") == []
    recent: list[tuple[Call, ...]] = []
    here.log.recent(20, recent.append)
    assert [call.id for call in recent[0]] == newest_first[:3], "those in memory"


async def test_what_the_file_tells_ended_within_a_day(path: Path) -> None:
    calls = ended_calls(6)
    clock = HandClock()
    async with opened(path, clock, ended_calls=2) as here:
        await here.put(*calls)
        clock.run(DAY + 2.5)
        assert await here.find("2") is None
        assert await here.find("3") == calls[3]
        assert await here.of_user("5") == ["5", "4", "3"]


async def test_the_id_of_a_forgotten_call_begins_anew(path: Path) -> None:
    clock = HandClock()
    async with opened(path, clock) as here:
        await here.put(over(a_call()), steps=((CallId("1"), step("old")),))
    clock.run(DAY + 10)
    again = a_call(caller="8", created=clock.wall(), ring_at=clock.wall() + 30_000)
    async with opened(path, clock) as here:
        assert (await here.view()).call is None
        await here.put(again, steps=((CallId("1"), step("new")),))
        left = crashed(path)
    async with opened(left, clock) as back:
        assert await back.timeline("1") == ["new", "taken up"]
        assert await back.of_user("8") == ["1"]
        assert await back.of_user("5") == []
