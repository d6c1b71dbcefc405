"""Writes `docs/calls.md` to standard output; `make docs` puts it in its place.

The drawing and the tables come from the rule book itself, so the page cannot say what the server does not do. A test
compares the page with what this prints.
"""

from onlycare_socket.calls.rules import EVENT_NAMES, TABLE, Rule
from onlycare_socket.calls.states import Code, DeadlineKind, Role, State
from onlycare_socket.calls.terms import Terms
from onlycare_socket.calls.words import reason_of

HEAD = """\
# A call

This page is made by `make docs` from the rule book in `src/onlycare_socket/calls/`; the drawing and the tables are
drawn from its data.

## The moving parts

- A **call** is between two users: the **caller**, who dialled, and the **receiver**. It rings, may be accepted, and
  ends once. Ended is final; an ended call stays readable for a day, so that whoever comes late gets the truth.
- A **device** is one phone, tablet or browser of a user. It may hold several sockets; it is spoken to on the newest.
- A **leg** is what one device did, or had done to it, in one call: dialled, offered, shown, accepted, declined,
  stopped. It also remembers what the device has been told.
- The **winner** is the receiver's device that has the call. It is *open* when the backend said "accepted" and named
  no device; the first device that says `call:accept` then becomes the winner.
- A user is **busy** exactly while a call of his rings or is accepted. Nothing else makes him busy.
- To **stop** a device is to send it `call:cancelled`, then `call:ended`.

## The life of a call

"""

AFTER_DRAWING = """
`call:initiate` begins it. The questions are asked in this order, and the first that has an answer decides:

1. Is the time in the call id more than a minute ahead? `invalid_payload`.
2. Does the caller dial himself? `forbidden`.
3. Is the id known? Between the same caller and receiver: the present state, and nothing rings again. Else `conflict`.
4. Is it stale: more than 45 s old by its id, or, with an id that tells no time, by its `timestamp` when it comes within
   5 s of its connection? `stale`.
5. Did a reject, cancel or end overtake it? It has ended, and the caller's phone is told so.
6. Has the caller used up his events for this minute? `rate_limited`.
7. Is the receiver ringing the caller already? `glare`: the first call rings on, and its id is in the answer.
8. Has either of them a live call? The table below says which one gives way.
9. Did an accept overtake it? It is accepted, and nothing rings.

| live call | on | what happens |
|---|---|---|
| of the caller | the dialling device, one without a socket, or an open winner | that call ends `superseded` |
| of the caller | another device of his that has a socket | the new call is refused: `busy` |
| that rings the caller | any device | that ring ends `busy` |
| of the receiver | any, unless it is the one that gives way above | the new call is refused: `busy` |

Where the old call ends, the new one goes on. It is kept, and only after that the receiver's devices are looked up:
with at least one live socket they ring, else the caller is told to rely on a push (`useFcmFallback`). A device that
connects while it rings, rings too.

## What each command does

A command in a role that has no row is refused as `forbidden`. A command of anybody else, or on an unknown call, is
refused as `not_found`: the two look the same. An accept, reject, cancel or end on an unknown call is remembered for
60 s, since it may have overtaken its initiate. Every command gets exactly one ack, before the events it causes.

"""

AFTER_COMMANDS = """
`call:switchToVideo` and `call:switch_to_video` are other names of `call:upgrade`.

## Deadlines

Deadlines are part of the call and are counted in time that passed: setting the wall clock moves none of them.

"""

AFTER_DEADLINES = """
An accepted call does not need sockets: its media flows elsewhere. It goes on while either party has one, and one who
answered by push or REST is not waited for at all.

## How calls end, and the words for it

"""

AFTER_CODES = """
`call:rejected`, `call:timeout` and `call:busy` are sent only as the call ends, only to the caller, and never again:
the app's connecting screen takes them without looking at the call id. Everything told later is `call:ended`.

## What a device is told when it connects

- `call:incoming`, with `resumed:true` if it had it before, when the call still rings; once per connection and call.
- `call:accepted`, when it dialled and was not told.
- `call:ended`, when the call ended within the last minute and it was not told.

*Told* means: sent on a connection from which any packet came afterwards. What was sent into a connection that then
fell silent is told again on the next one. When the newest socket of a device closes, the next newest is told in the
same way.
"""

MEANING: dict[DeadlineKind, tuple[str, str]] = {
    DeadlineKind.RING: ("ring_timeout", "a ringing call ends `no_answer`, or `unreachable` if no phone can have rung"),
    DeadlineKind.CALLER_GRACE: ("caller_grace", "a ringing call whose caller has no socket ends `connection_lost`"),
    DeadlineKind.CALL_GRACE: ("call_grace", "an accepted call of which nobody has a socket ends `connection_lost`"),
    DeadlineKind.MAX_DURATION: ("max_duration", "an accepted call ends `max_duration`"),
    DeadlineKind.UPGRADE: ("upgrade_timeout", "the one who asked for video is told that nobody answered"),
}


def page() -> str:
    """Returns the whole page."""
    return "".join(
        (HEAD, drawing(), AFTER_DRAWING, commands(), AFTER_COMMANDS, deadlines(), AFTER_DEADLINES, codes(), AFTER_CODES)
    )


def drawing() -> str:
    """Returns the states and what leads from one to another, as Mermaid text."""
    arrows = ["    [*] --> ringing: call#58;initiate"]
    for state, events in TABLE.items():
        for command, roles in events.items():
            for role, rule in roles.items():
                target = leads_to(rule)
                if target is not None:
                    name = EVENT_NAMES[command].replace(":", "#58;")
                    arrows.append(f"    {state} --> {target[0]}: {name} by the {role}{target[1]}")
    arrows += [
        "    ringing --> ended: ring deadline, caller gone, backend, operator",
        "    ringing --> accepted: backend",
        "    accepted --> ended: nobody there, max duration, backend, operator",
        "    ended --> [*]: after a day",
    ]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(arrows) + "\n```\n"


def leads_to(rule: Rule) -> tuple[State, str] | None:
    """Returns the state that a rule leads to and the code in words, by its first line; None if it stays."""
    first = (rule.__doc__ or "").partition(":")[0]
    name, _, code = first.rstrip(")").partition("(")
    return (State(name), f" ({code})" if code else "") if name in set(State) else None


def commands() -> str:
    """Returns the table of commands: state, event, role, what follows."""
    rows = ["| in | event | by | then |", "|---|---|---|---|"]
    for state, events in TABLE.items():
        for command, roles in events.items():
            by: dict[str, list[Role]] = {}
            for role, rule in roles.items():
                by.setdefault(rule.__doc__ or "", []).append(role)
            for says, who in by.items():
                rows.append(f"| {state} | `{EVENT_NAMES[command]}` | {' or '.join(who)} | {says} |")
    return "\n".join(rows) + "\n"


def deadlines() -> str:
    """Returns the table of deadlines with their usual times."""
    rows = ["| deadline | usually | when it passes |", "|---|---|---|"]
    for kind, (term, says) in MEANING.items():
        rows.append(f"| {kind.replace('_', ' ')} | {getattr(Terms(), term) // 1000} s | {says} |")
    return "\n".join(rows) + "\n"


def codes() -> str:
    """Returns the table of codes and the reasons that go with them."""
    rows = ["| `code` | `reason` to the caller | `reason` to the receiver |", "|---|---|---|"]
    for code in Code:
        own = {Code.CANCELLED: "the caller's text, else ", Code.DECLINED: "the receiver's text, else "}.get(code, "")
        sides = (own + reason_of(code, side="caller"), own + reason_of(code, side="receiver"))
        rows.append(f"| `{code}` | {sides[0]} | {sides[1]} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
