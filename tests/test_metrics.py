"""What `/metrics` shows, and what the process measures of itself."""

import asyncio
import gc

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from onlycare_socket import __version__
from onlycare_socket.compiled import COMPILED
from onlycare_socket.pauses import Buckets, GcPauses, LoopLag
from onlycare_socket.pulse import Pulse

from .adapters.laravel_stand_in import Laravel, user
from .conftest import Start
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
    assert numbers[f"onlycare_build_info{{compiled={str(COMPILED).lower()},version={__version__}}}"] == 1


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
    before = numbers["onlycare_sweep_seconds_count"]
    server.application.pulse.beat()
    assert (await scrape(server))["onlycare_sweep_seconds_count"] >= before + 2


async def test_heartbeats_are_sweeps_too(server: InProcess) -> None:
    await server.phone("1")
    server.application.pulse.stop()
    before = server.application.pulse.took.cumulative()[-1][1]
    async with asyncio.timeout(5):
        while server.application.pulse.took.cumulative()[-1][1] == before:  # noqa: ASYNC110 - the wheel tells nobody
            await asyncio.sleep(0.01)


async def test_what_is_asked_of_the_backend(start: Start) -> None:
    laravel = Laravel()
    await laravel.start()
    laravel.users["1|token"] = user("5")
    try:
        server = await start(auth="laravel", laravel_api_url=laravel.url)
        for _ in range(2):
            assert await (await server.open()).connect({"token": "1|token", "userId": "5"}) is None
        numbers = await scrape(server)
    finally:
        await laravel.stop()
    assert numbers["onlycare_auth_misses_total"] == 1
    assert numbers["onlycare_auth_remembered_total{verdict=fresh}"] == 1
    assert numbers["onlycare_auth_requests_total{outcome=ok}"] == 1
    assert numbers["onlycare_auth_joined_total"] == numbers["onlycare_auth_delayed_total"] == 0
    assert numbers["onlycare_auth_unavailable_total"] == 0
    assert numbers["onlycare_auth_request_seconds_count"] == 1


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
    assert pulse.took.cumulative()[-1][1] == 2.0


async def test_the_lag_is_measured_until_it_is_stopped() -> None:
    lag = LoopLag(0.001)
    lag.start()
    async with asyncio.timeout(5):
        while lag.late.cumulative()[-1][1] < 3:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
    lag.stop()
    lag.stop()
    counted = lag.late.cumulative()[-1][1]
    await asyncio.sleep(0.02)
    assert lag.late.cumulative()[-1][1] == counted


def test_work_that_fails_is_timed_too() -> None:
    buckets = Buckets()
    with pytest.raises(ZeroDivisionError):
        buckets.timed(lambda: [][1 // 0])
    assert buckets.cumulative()[-1] == ("+Inf", 1.0)


def test_pauses_are_measured_while_wanted() -> None:
    pauses = GcPauses()
    pauses.start()
    gc.collect()
    pauses.stop()
    counted = pauses.pauses.cumulative()[-1][1]
    gc.collect()
    assert pauses.pauses.cumulative()[-1][1] == counted >= 1
