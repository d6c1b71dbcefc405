"""What clients may send wrong. All of it is survived: one line in the log at most, nothing of theirs in it, nobody
else notices."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from .harness import Harness, Note, serving

SECRET = "hunter2-do-not-log"

REFUSED = [
    "",
    "0{}",
    "2",
    "2probe",
    "7",
    "abc",
    "bAQID",
    "4",
    "4abc",
    "47",
    "42",
    "42[]",
    "42{}",
    "42null",
    '42"text"',
    "42[null]",
    "42[1]",
    '42[{"a":1}]',
    '42[["note"]]',
    '42["connect"]',
    '42["connect_error",{}]',
    '42["disconnect"]',
    '42["disconnecting"]',
    '42["newListener"]',
    '42["removeListener"]',
    '421["disconnect"]',
    "42abc[1]",
    '42["note",NaN]',
    '42["note",{"text":"\\ud800"}]',
    '42["note",{"text":"a"}',
    '42["note",{"text":"a"}}]',
    '42["note",{"text":"a"},]',
    '42["note",]',
    '42["note",' + "9" * 60_000 + "]",
    '42["other",1e999]',
    '4299999999999999999999["note",{"text":"a"}]',
    '42/custom,["note",{"text":"a"}]',
    "40",
    "40{}",
    "40/custom,{",
    "4012",
    "41{}",
    "43[]",
    "43x[]",
    '44{"message":"no"}',
    '45["note"]',
    "45-[]",
    '4511-["note"]',
    '455999999999-["note"]',
    "46[]",
    '42["note",' + '{"text":' * 3_000 + "1" + "}" * 3_000 + "]",
    '42["note",{"text":"a","deep":' + "[" * 30_000 + "]" * 30_000 + "}]",
    '42["other",' + "[" * 30_000 + "]" * 30_000 + "]",
    '451-["note",' + "[" * 30_000 + "]" * 30_000 + "]",
    "40/custom," + "[" * 30_000 + "]" * 30_000,
]


def short(packet: str) -> str:
    return f"{packet[:40]}...{len(packet)}" if len(packet) > 40 else packet


@pytest.mark.parametrize("packet", REFUSED, ids=short)
async def test_a_malformed_packet_closes_its_session_and_no_other(
    picows: Harness, packet: str, log_lines: list[MutableMapping[str, Any]]
) -> None:
    other = await (await picows.websocket()).connect()
    client = await (await picows.websocket()).connect()
    await client.say(packet)
    await client.closed()
    await picows.until(lambda: picows.seen == [("disconnect", "parse error")])
    await other.say('421["note",{"text":"a"}]')
    await other.expect('431[{"text":"a"}]')
    assert [line["event"] for line in log_lines] == ["client rejected"]


@pytest.mark.parametrize("packet", REFUSED, ids=short)
async def test_a_malformed_packet_in_a_post_is_refused(
    picows: Harness, packet: str, log_lines: list[MutableMapping[str, Any]]
) -> None:
    sid = await picows.open_polling()
    await picows.post(sid, "40")
    await picows.poll(sid)
    if packet == "bAQID":
        packet = "bAQID"  # an attachment nobody announced
    assert (await picows.post(sid, packet))[0] == 400
    assert (await picows.poll(sid))[0] == 400
    assert picows.seen == [("disconnect", "parse error")]
    assert [line["event"] for line in log_lines] == ["client rejected"]


@pytest.mark.parametrize(
    "packet", ['42["note",{"text":"a"}]', '421["other"]', "41", "431[]", '451-["note",{"_placeholder":true,"num":0}]']
)
async def test_nothing_is_taken_before_a_connect(picows: Harness, packet: str) -> None:
    client = await picows.websocket()
    await client.say(packet)
    if packet == "41":  # harmless: it leaves what it never entered
        await client.connect()
        return
    await client.closed()
    assert picows.seen == []


async def test_nothing_of_the_client_reaches_the_log(
    picows: Harness, log_lines: list[MutableMapping[str, Any]]
) -> None:
    for packet in (f'42["{SECRET}"', f"4{SECRET}", f'40{{"token":"{SECRET}"', f'42["fail","{SECRET}"]'):
        client = await picows.websocket()
        await client.say(packet)
        await client.closed()
    assert log_lines
    assert SECRET not in repr(log_lines)


async def test_values_of_the_wrong_type_are_the_programs_to_answer(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    await client.say(
        '42["note"]',
        '421["note",null]',
        '422["note",{"text":1}]',
        '42["note",[]]',
        '42["note",{"number":1}]',
        '42["note",{"text":"a","number":"1"}]',
        '42["note","text","more"]',
        '423["other",1,{"a":[null]}]',
        '42["Note",{"text":"a"}]',
        '42["hasOwnProperty"]',
        '42["__proto__",{}]',
    )
    await client.say('429["note",{"text":"end"}]')
    await client.expect('439[{"text":"end"}]')
    assert server.seen == [
        ("invalid", "note", [], None),
        ("invalid", "note", [None], 1),
        ("invalid", "note", [{"text": 1}], 2),
        ("invalid", "note", [[]], None),
        ("invalid", "note", [{"number": 1}], None),
        ("invalid", "note", [{"text": "a", "number": "1"}], None),
        ("invalid", "note", ["text", "more"], None),
        ("unknown", "other", [1, {"a": [None]}], 3),
        ("unknown", "Note", [{"text": "a"}], None),
        ("unknown", "hasOwnProperty", [], None),
        ("unknown", "__proto__", [{}], None),
        ("note", Note("end"), 9),
    ]


@pytest.mark.parametrize(
    "packet",
    [
        '42["note",{"text":"a"}]',
        '42["note",{"text":"a"},1,2]',
        '42["note", {"text":"a"} ] ',
        ' 42["note",{"text":"a"}]'.strip(),
        '42["\\u006eote",{"text":"a"}]',
        '42["note",{"text":"a","unknown":{"deep":[1,2,{"x":null}]}}]',
    ],
)
async def test_every_way_to_write_the_same_event(server: Harness, packet: str) -> None:
    client = await (await server.websocket()).connect()
    await client.say(packet, '421["note",{"text":"end"}]')
    await client.expect('431[{"text":"end"}]')
    assert server.seen[0] == ("note", Note("a"), None)


async def test_wide_integers_are_passed_on(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    await client.say('421["note",{"text":"a","number":123456789012345678901234567890}]')
    await client.expect('431[{"text":"a"}]')
    server.accepted[0].emit("number", 123456789012345678901234567890)
    await client.expect('42["number",123456789012345678901234567890]')


async def test_nesting_as_deep_as_can_be_read_does_no_harm() -> None:
    """Around the depth the decoder refuses, reading works and writing the same value again might not."""
    async with serving(packets_per_window=0) as server:
        server.sockets.namespace().on_unknown = lambda socket, event, args, ack: socket.emit(event, *args)
        for depth in (100, 400, 700, *range(880, 1010, 3)):
            client = await (await server.websocket()).connect()
            await client.say('42["deep",' + "[" * depth + "]" * depth + "]")
            message = await client.socket.receive(5)
            assert message.type.name in ("TEXT", "CLOSED")


async def test_attachments(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    await client.say('451-5["other",{"_placeholder":true,"num":0}]', b"\x01\x02", '450-["other",1]')
    await client.say('421["note",{"text":"end"}]')
    await client.expect('431[{"text":"end"}]')
    assert server.seen[:2] == [("unknown", "other", [b"\x01\x02"], 5), ("unknown", "other", [1], None)]


@pytest.mark.parametrize(
    "packets",
    [
        [b"\x01"],
        ['451-["other",{"_placeholder":true,"num":1}]', b"\x01"],
        ['451-["other"]', b"\x01"],
        ['452-["other",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]', b"\x01", b"\x02"],
        ['451-["other",{"_placeholder":true,"num":0}]', '42["note",{"text":"a"}]'],
        ['451-["other",{"_placeholder":true,"num":0}]', '451-["other",{"_placeholder":true,"num":0}]'],
        ['452-["other",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"x" * 40_000, b"x" * 40_000],
    ],
)
async def test_wrong_attachments_close_the_session(server: Harness, packets: list[str | bytes]) -> None:
    client = await (await server.websocket()).connect()
    await client.say(*packets)
    await client.closed()
    assert server.seen == [("disconnect", "parse error")]


async def test_attachments_that_never_come_close_the_session(engine: str) -> None:
    async with serving(websocket_engine=engine, attachment_timeout=0.1) as server:
        client = await (await server.websocket()).connect()
        await client.say('451-["other",{"_placeholder":true,"num":0}]')
        await client.closed()
        assert server.seen == [("disconnect", "attachment timeout")]


async def test_a_client_that_does_not_connect_is_closed(engine: str) -> None:
    async with serving(websocket_engine=engine, connect_timeout=0.1) as server:
        client = await server.websocket()
        sid = await server.open_polling()
        await client.closed()
        await server.until(lambda: server.sockets.sessions == 0)
        assert (await server.poll(sid))[0] == 400
        assert server.sockets.counters.closed == {"connect timeout": 2}


async def test_a_client_that_leaves_its_last_namespace_is_closed_after_a_while() -> None:
    async with serving(connect_timeout=0.1) as server:
        client = await (await server.websocket()).connect()
        await client.say("41")
        await client.closed()
        assert server.seen == [("disconnect", "client namespace disconnect")]


@pytest.mark.parametrize("flood", ["3", '43999["x"]', '42["other"]', "6", '42["note",{"text":"a"}]'])
async def test_a_flood_closes_the_session(flood: str, log_lines: list[MutableMapping[str, Any]]) -> None:
    async with serving(packets_per_window=50) as server:
        client = await (await server.websocket()).connect()
        await client.say(*[flood] * 60)
        await client.closed()
        assert server.seen[-1] == ("disconnect", "packet budget")
        assert [line["event"] for line in log_lines] == ["client rejected"]


async def test_a_flood_of_connects_closes_the_session() -> None:
    async with serving(packets_per_window=50) as server:
        client = await server.websocket()
        await client.say(*["40", "41"] * 30, *["40/nowhere"] * 10)
        await client.closed()
        assert server.sockets.counters.closed == {"packet budget": 1}


async def test_a_flood_in_one_post_is_refused() -> None:
    async with serving(packets_per_window=50) as server:
        sid = await server.open_polling()
        assert (await server.post(sid, "\x1e".join(["40", *["3"] * 10_000])))[0] == 400
        assert server.sockets.counters.closed == {"packet budget": 1}
        assert server.sockets.counters.packets_in == 51


async def test_a_flood_of_bytes_closes_the_session(engine: str) -> None:
    async with serving(websocket_engine=engine, bytes_per_window=100_000) as server:
        client = await (await server.websocket()).connect()
        await client.say(*['42["other","' + "x" * 30_000 + '"]'] * 5)
        await client.closed()
        assert server.seen[-1] == ("disconnect", "packet budget")


async def test_a_budget_comes_back(engine: str) -> None:
    async with serving(websocket_engine=engine, packets_per_window=10, window=0.05) as server:
        client = await (await server.websocket()).connect()
        session = server.accepted[0].session
        for number in range(30):
            session._window_end = 0.0
            await client.say(f'42{number}["note",{{"text":"a"}}]')
            await client.expect(f'43{number}[{{"text":"a"}}]')


async def test_a_programs_fault_is_logged_once_and_the_socket_stays_open(
    engine: str, log_lines: list[MutableMapping[str, Any]]
) -> None:
    async with serving(websocket_engine=engine) as server:
        client = await (await server.websocket()).connect()
        await client.say(f'42["fail",{{"a":"{SECRET}"}}]', '421["note",{"text":"a"}]')
        await client.expect('431[{"text":"a"}]')
    assert [line["event"] for line in log_lines] == ["handler failed"]
    assert SECRET not in repr(log_lines)
