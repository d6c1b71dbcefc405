"""What `/metrics` shows, and what the process measures of itself."""

import asyncio
import gc

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from onlycare_socket.pulse import Buckets, GcPauses, Pulse

from .in_process import SECRET, InProcess, initiate, new_call_id, talk


async def scrape(server: InProcess) -> dict[str, float]:
    """Returns every number by its name and labels."""
    async with server.http.get("/metrics", headers={"X-Internal-Secret": SECRET}) as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        text = await response.text()
    numbers = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            numbers[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return numbers


async def test_numbers_follow_a_call(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await talk(caller, receiver, "2", call)
    numbers = await scrape(server)
    assert numbers["onlycare_users_online"] == numbers["onlycare_connections"] == 2
    assert numbers["onlycare_calls_live"] == 1
    assert numbers["onlycare_sessions"] == numbers["onlycare_sessions_opened_total"] == 2
    assert numbers["onlycare_connects_total{outcome=accepted}"] == 2
    assert numbers["onlycare_events_total{event=call:initiate,result=ok}"] == 1
    assert numbers["onlycare_events_total{event=call:accept,result=ok}"] == 1
    assert numbers["onlycare_presence_changes_total{event=user:online}"] == 2
    assert numbers["onlycare_presence_narrowed"] == 0
    assert numbers["onlycare_packets_total{direction=in}"] >= 4

    await caller.ask("call:end", {"callId": call})
    await caller.ask("call:end", {"callId": "unknown"})
    await caller.ask("call:teleport", {})
    await caller.ask("call:initiate", {"callId": call})
    await caller.ask("call:initiate", initiate("9", new_call_id()))
    await (await server.open()).connect({"token": "no", "userId": "5"})
    assert (await server.get("/api/calls", secret=None))[0] == 401
    numbers = await scrape(server)
    assert numbers["onlycare_calls_ended_total{code=completed}"] == 1
    assert numbers["onlycare_events_total{event=call:end,result=not_found}"] == 1
    assert numbers["onlycare_events_total{event=unknown,result=invalid_payload}"] == 1
    assert numbers["onlycare_events_total{event=call:initiate,result=invalid_payload}"] == 1
    assert numbers["onlycare_events_total{event=call:initiate,result=offline}"] == 1
    assert numbers["onlycare_connects_total{outcome=invalid_token}"] == 1
    assert numbers["onlycare_http_unauthorized_total"] == 1
    assert numbers["process_resident_memory_bytes"] > 0


async def test_no_client_can_make_new_labels(server: InProcess) -> None:
    phone = await server.phone("1")
    await phone.ask("first", {})
    before = set(await scrape(server))
    for number in range(20):
        await phone.ask(f"event {number}", {})
    assert set(await scrape(server)) == before


async def test_what_the_process_measures_of_itself(server: InProcess) -> None:
    gc.collect()
    numbers = await scrape(server)
    assert numbers["onlycare_gc_pause_seconds_count"] >= 1
    assert numbers["onlycare_gc_pause_seconds_bucket{le=+Inf}"] == numbers["onlycare_gc_pause_seconds_count"]
    assert "onlycare_loop_lag_seconds_sum" in numbers


def test_buckets_count_upwards() -> None:
    buckets = Buckets((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        buckets.observe(seconds)
    assert buckets.cumulative() == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert buckets.sum == pytest.approx(7.65)


async def test_a_failing_task_stops_no_other_and_fills_no_log() -> None:
    beats: list[int] = []

    def fail() -> None:
        raise ZeroDivisionError

    pulse = Pulse([fail, lambda: beats.append(1)])
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            pulse.beat()
    assert (len(beats), len(lines)) == (3, 1)


async def test_the_pulse_goes_on_until_it_is_stopped() -> None:
    beaten = asyncio.Event()
    pulse = Pulse([beaten.set])
    pulse.start()
    for _ in range(2):
        async with asyncio.timeout(5):
            await beaten.wait()
        beaten.clear()
    pulse.stop()
    pulse.stop()
    assert pulse.lag.cumulative()[-1][1] == 2.0


def test_pauses_are_measured_while_wanted() -> None:
    pauses = GcPauses()
    pauses.start()
    gc.collect()
    pauses.stop()
    counted = pauses.pauses.cumulative()[-1][1]
    gc.collect()
    assert pauses.pauses.cumulative()[-1][1] == counted >= 1
