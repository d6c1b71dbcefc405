"""The load's framing and percentiles."""

import random
import statistics

import pytest

from bench.load.calls import ACCEPT, ID_LENGTH, CallIds, initiate
from bench.load.frames import PING, TEXT, Template, frame, masked, split
from bench.load.latencies import Latencies


def unframed(data: bytes) -> tuple[int, bytes]:
    """Returns the first byte and the payload of a client's frame, read as RFC 6455 section 5.2 says."""
    assert data[1] & 0x80, "a client must mask"
    length, at = data[1] & 0x7F, 2
    if length == 126:
        length, at = int.from_bytes(data[2:4], "big"), 4
        assert length > 125, "the length must be written as short as can be"
    assert length < 127 or at == 4
    key, body = data[at : at + 4], data[at + 4 :]
    assert len(body) == length
    assert any(key), "servers may skip the unmasking with a key of zeros"
    return data[0], bytes(byte ^ key[index % 4] for index, byte in enumerate(body))


def framed(payload: bytes, first: int = TEXT) -> bytes:
    """Returns a server's frame."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65_536:
        return bytes((first, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535])
def test_a_frame_is_what_a_server_reads(length: int) -> None:
    payload = random.Random(length).randbytes(length)
    assert unframed(frame(payload)) == (TEXT, payload)


@pytest.mark.parametrize("beside", [10, 96, 97, 300])
def test_a_template_makes_the_same_frame(beside: int) -> None:
    template = Template("a" * beside, 19, "é")
    assert template.around(masked(b"CALL_17954014191910")) == frame(
        b"a" * beside + b"CALL_17954014191910" + "é".encode()
    )


def test_what_the_phones_say_carries_the_id_of_the_call() -> None:
    ids = CallIds(pair=7, run="abcd")
    known, hidden = ids.next()
    assert len(known) == ID_LENGTH
    assert ids.next()[0] != known
    assert CallIds(pair=8, run="abcd").next()[0] != known
    assert unframed(ACCEPT.around(hidden))[1] == b'422["call:accept",{"callId":"%b"}]' % known
    assert b'"callId":"%b"' % known in unframed(initiate("USR_2").around(hidden))[1]


def test_frames_are_read_however_they_are_cut() -> None:
    sent = [(TEXT, b"2"), (TEXT, b"a" * 125), (PING, b""), (TEXT, b"b" * 126), (TEXT, b"c" * 70_000), (TEXT, b"43")]
    stream = b"".join(framed(payload, first) for first, payload in sent)
    assert split(stream) == (sent, b"")
    cuts = [*range(300), 330, len(stream) - 70_006, len(stream) - 5, len(stream) - 1]
    for cut in cuts:
        early, rest = split(stream[:cut])
        late, nothing = split(rest + stream[cut:])
        assert early + late == sent
        assert nothing == b""


def test_percentiles_are_exact() -> None:
    latencies = Latencies(expected=3)  # far too few
    values = [number / 1000 for number in range(1, 1001)]
    random.Random(1).shuffle(values)
    for value in values:
        latencies.add(value)
    assert len(latencies) == 1000
    assert latencies.milliseconds() == {"p50": 500, "p90": 900, "p99": 990, "p999": 999, "max": 1000}
    assert latencies.seconds()["max"] == 1


def test_percentiles_of_few_are_values_that_were_there() -> None:
    latencies = Latencies()
    assert latencies.milliseconds() == {}
    for value in (0.003, 0.001, 0.002):
        latencies.add(value)
    figures = latencies.milliseconds()
    assert figures["p50"] == statistics.median((1, 2, 3))
    assert figures["p99"] == figures["max"] == 3
    latencies.forget()
    assert latencies.seconds() == {}
