"""The promises of the server, each a function that reads a record and returns what breaks it.

They know nothing of the fault but what the facts and the outages of the record say, so each holds for every fault.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from msgspec import structs

from .absences import cut_off
from .evidence import OF_THE_CALL, RANK, Answered, Row, Said, answered, dialled_here, rows, said, with_questions
from .record import Entry, Run
from .times import ring_times


class Violation(NamedTuple):
    """One broken promise; `call` is empty when it is of no call."""

    check: str
    call: str
    text: str


Found = Iterator[tuple[str, str]]
"""The call, and what is wrong."""


def one_end(run: Run) -> Found:
    """A call ends once, and all who are told of it are told the same; `/api/calls` agrees."""
    finals = rows(run)
    ends: dict[str, dict[str, Said]] = defaultdict(dict)
    for word in said(run):
        if word.state == "ended" and word.code:
            ends[word.call].setdefault(word.code, word)
    for call, codes in ends.items():
        if len(codes) > 1:
            yield call, f"ended in {len(codes)} ways: {'; '.join(map(str, codes.values()))}"
        elif call in finals and finals[call].code not in codes:
            yield call, f"{next(iter(codes.values()))}, but /api/calls says {finals[call].code or 'it has not ended'}"
    for call, events in _told(run, "call:rejected", "call:timeout").items():
        if len(events) > 1:
            yield call, f"the dialling phone heard its end {len(events)} times: {[each.event for each in events]}"


def every_initiate_ends(run: Run) -> Found:
    """An initiate that was acked is a call that ended."""
    finals = rows(run)
    for each in _dialled(run):
        row = finals.get(each.sent.call)
        if row is None:
            yield each.sent.call, f"its initiate was acked at {each.ack.at:.2f}, and no call is known at the end"
        elif row.state != "ended":
            yield each.sent.call, f"still {row.state} at the end"


def no_ring_after_stop(run: Run) -> Found:
    """A device that was stopped for a call, or answered it, does not ring for it; nor twice on one connection."""
    stopped: dict[tuple[str, str, str], str] = {}
    rung: set[tuple[str, str, str, int]] = set()
    for entry, why in _in_order(run):
        key = (entry.user, entry.device, entry.call)
        if why:
            stopped.setdefault(key, f"{why} at {entry.at:.2f}")
        elif entry.event == "call:incoming":
            if key in stopped:
                yield entry.call, f"{entry.user}/{entry.device} rang at {entry.at:.2f} after {stopped[key]}"
            if (*key, entry.connection) in rung:
                yield entry.call, f"{entry.user}/{entry.device} rang twice on one connection at {entry.at:.2f}"
            rung.add((*key, entry.connection))


def nobody_busy_for_nothing(run: Run) -> Found:
    """Who is refused as busy is in a call; at the end nobody is: everybody can dial and be dialled."""
    finals = rows(run)
    refused = {each.sent.call for each in answered(run) if each.ack.body.get("code") == "busy" and _is_dial(each)}
    taken = [row for row in finals.values() if row.call not in refused]
    for row in [] if run.facts.wall_jumps else finals.values():
        if row.call in refused and row.code == "busy" and not any(_keeps_busy(other, row) for other in taken):
            yield row.call, f"refused as busy, while neither {row.caller} nor {row.receiver} had a live call"
    acks = {each.sent.call: each.ack for each in answered(run) if _is_dial(each)}
    rung = _told(run, "call:incoming")
    for probe in _those(run, "probe"):
        ack = acks.get(probe.call)
        if ack is None or not ack.body["success"]:
            yield probe.call, f"at the end {probe.user} could not dial: {ack.body if ack else 'no ack'}"
        elif probe.call not in rung:
            yield probe.call, f"at the end a call of {probe.user} did not ring"
    for health in _those(run, "health")[-1:]:
        if health.body.get("activeCalls") != 0 or health.body.get("status") != "OK":
            yield "", f"at the end /health says {health.body}"


def one_call_at_a_time(run: Run) -> Found:
    """No user is a party of two live calls."""
    if run.facts.wall_jumps:
        return
    of_user: dict[str, list[Row]] = defaultdict(list)
    for row in dialled_here(run).values():
        if not _never_rang(row):
            of_user[row.caller].append(row)
            of_user[row.receiver].append(row)
    for user, calls in of_user.items():
        calls.sort(key=lambda row: row.started)
        for first, second in pairwise(calls):
            if first.ended is not None and second.started < first.ended:
                overlap = first.ended - second.started
                yield second.call, f"{user} was in it and in {first.call} for {overlap} ms"


def rings_end_in_time(run: Run) -> Found:
    """A ring that nobody answers ends after the ring timeout, at most a second late; a restart stretches nothing."""
    yield from ring_times(run, dialled_here(run))


def what_was_said_holds(run: Run) -> Found:
    """What anybody was told, the acks included, is true ever after, also across a restart."""
    words: dict[str, list[Said]] = defaultdict(list)
    for word in said(run):
        words[word.call].append(word)
    for call, told in words.items():
        for later in told:
            if later.asked is None:
                before = [word for word in told if word.at < later.at and _same_phone(word, later)]
            else:
                before = [word for word in told if word.at <= later.asked]
            highest = max(before, key=lambda word: RANK[word.state], default=None)
            if highest is not None and RANK[later.state] < RANK[highest.state]:
                yield call, f"{later}, after {highest}"
                break
    yield from _acked_commands_hold(run)


def _acked_commands_hold(run: Run) -> Found:
    finals = rows(run)
    for each in answered(run):
        event, row = each.sent.event, finals.get(each.sent.call)
        if each.took_effect and event in _ALLOWED:
            if row is None:
                yield each.sent.call, f"{event} was acked at {each.ack.at:.2f}, and no call is known at the end"
            elif row.code and row.code not in _ALLOWED[event]:
                yield each.sent.call, f"{event} was acked at {each.ack.at:.2f}, but the call ended {row.code}"
            elif event == "call:accept" and row.accepted is None:
                yield each.sent.call, f"its accept was acked at {each.ack.at:.2f}, but it never was accepted"


_TALKED: Final = frozenset({"completed", "connection_lost", "superseded", "max_duration"})
_ALLOWED: Final = {
    "call:accept": _TALKED,
    "call:reject": frozenset({"declined"}),
    "call:cancel": frozenset({"cancelled", "completed"}),
    "call:end": frozenset({"cancelled", "declined", "completed"}),
}
"""The ends that a call may have once this command took effect."""


def nobody_left_in_a_dead_call(run: Run) -> Found:
    """A phone that rang, dialled or answered hears that the call is over, unless it left the call by itself: it ended
    it, or dialled another one that superseded it."""
    if run.facts.wall_jumps:
        return  # what ended "an hour ago" is told to nobody who comes back
    superseded = {row.call for row in rows(run).values() if row.code == "superseded"}
    waiting: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for entry, over in _in_order(run):
        calls = waiting[entry.user, entry.device]
        if over or entry.what == "sent":
            calls.pop(entry.call, None)
        elif entry.event == "call:incoming":
            calls[entry.call] = f"rang at {entry.at:.2f}"
        elif entry.event == "call:initiate":
            for left in superseded & calls.keys():
                del calls[left]
            calls[entry.call] = f"dialled at {entry.at:.2f}"
        else:
            calls[entry.call] = f"answered at {entry.at:.2f}"
    for (user, device), calls in waiting.items():
        for call, what in calls.items():
            yield call, f"{user}/{device} {what} and never heard that it is over"


def nobody_cut_off(run: Run) -> Found:
    """No call is given up for a lost connection while the grace of its party has not passed."""
    yield from cut_off(run, rows(run))


def nobody_sent_away(run: Run) -> Found:
    """No phone hears what makes the app give up for good, or an event that breaks the contract."""
    for entry in run.entries:
        if entry.what == "refused":
            yield "", f"{entry.user}/{entry.device} was sent {entry.body['packet']} at {entry.at:.2f}"
        elif entry.what == "broken":
            yield entry.call, f"{entry.user}/{entry.device} at {entry.at:.2f}: {entry.body['problem']}"


def the_server_behaves(run: Run) -> Found:
    """It starts and stops in time, with no failure of its own in the log, and answers at the end."""
    for entry in _those(run, "trouble"):
        yield "", f"at {entry.at:.2f}: {entry.body['text']}"


CHECKS: Final[tuple[Callable[[Run], Found], ...]] = (
    the_server_behaves,
    one_end,
    every_initiate_ends,
    no_ring_after_stop,
    nobody_busy_for_nothing,
    one_call_at_a_time,
    rings_end_in_time,
    what_was_said_holds,
    nobody_left_in_a_dead_call,
    nobody_cut_off,
    nobody_sent_away,
)


def check(run: Run) -> list[Violation]:
    """Returns every broken promise of a run."""
    return [Violation(each.__name__, call, text) for each in CHECKS for call, text in each(run)]


# ---------------------------------------------------------------- reading


def _those(run: Run, what: str) -> list[Entry]:
    return [entry for entry in run.entries if entry.what == what]


def _told(run: Run, *events: str) -> dict[str, list[Entry]]:
    told: dict[str, list[Entry]] = defaultdict(list)
    for entry in run.entries:
        if entry.what == "told" and entry.event in events:
            told[entry.call].append(entry)
    return told


def _dialled(run: Run) -> list[Answered]:
    """The initiates that were acked as taken, to a receiver who is there or not."""
    return [each for each in answered(run) if _is_dial(each) and _was_taken(each.ack)]


def _is_dial(each: Answered) -> bool:
    return each.sent.event == "call:initiate"


def _was_taken(ack: Entry) -> bool:
    return bool(ack.body["success"]) or bool(ack.body.get("useFcmFallback"))


def _in_order(run: Run) -> Iterator[tuple[Entry, str]]:
    """What put a phone into a call or told it that the call is over for it, with the word for the latter."""
    for entry, sent in with_questions(run):
        if entry.what == "told" and (entry.event == "call:incoming" or entry.event in _ENDS):
            yield entry, entry.event if entry.event in _ENDS else ""
        elif entry.what == "sent" and entry.event in _LEAVES:
            yield entry, ""
        elif sent is not None:
            ack = structs.replace(entry, event=sent.event, call=sent.call)
            if ack.body.get("state") == "ended" or ack.body.get("code") in (*OF_THE_CALL, "answered_elsewhere"):
                yield ack, f"the ack of {sent.event}"
            elif _puts_into_a_call(ack):
                yield ack, ""


_ENDS: Final = ("call:cancelled", "call:ended", "call:rejected", "call:timeout", "call:busy")
_LEAVES: Final = ("call:reject", "call:cancel", "call:end")


def _puts_into_a_call(ack: Entry) -> bool:
    if ack.event == "call:initiate":
        return _was_taken(ack)
    return ack.event == "call:accept" and bool(ack.body["success"])


def _same_phone(one: Said, other: Said) -> bool:
    return (one.user, one.device) == (other.user, other.device)


def _never_rang(row: Row) -> bool:
    return row.ended == row.started and row.accepted is None


def _keeps_busy(other: Row, refused: Row) -> bool:
    """Whether a call was live, with a party of the refused one, when that was dialled: both may be of the same ms."""
    parties = {refused.caller, refused.receiver}
    lived = other.started <= refused.started <= (other.ended or refused.started)
    return lived and bool(parties & {other.caller, other.receiver})
