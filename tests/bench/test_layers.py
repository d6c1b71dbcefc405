"""Samples of a profiler, shared out over the layers of the server."""

import pytest

from bench import profile
from bench.layers import REST, fold
from bench.processes import Failed

LOOP = "serve (onlycare_socket/app.py:282);Loop__run (loop.c:20313);uv__stream_io (stream.c:1210)"
FRAME = (
    f"{LOOP};buffer_updated (picows/picows.so);PicowsSocket.on_ws_frame (onlycare_socket/transport/picowssocket.py:131)"
)
RULES = f"{FRAME};SocketApi._end (onlycare_socket/socket_api.py:170);decide (onlycare_socket/calls/rules.py:104)"


@pytest.mark.parametrize(
    ("stack", "layer"),
    [
        (f"{LOOP};read (libc.so.6)", "system calls"),
        (f"{FRAME};send (libc.so.6)", "system calls"),
        (f"{LOOP};epoll_pwait (libc.so.6)", "system calls"),
        (LOOP, "event loop, picows"),
        (f"{FRAME};__pyx_getprop_msg_type (picows/picows.so)", "event loop, picows"),
        (FRAME, "transport"),
        (f"{RULES};JSONEncoder_encode (msgspec/_core.so);json_encode_str (msgspec/_core.so)", "JSON"),
        (f"{FRAME};ack_packet (onlycare_socket/wire/socketio.py:99)", "JSON"),
        (f"{FRAME};EventBudget.allow (onlycare_socket/limits.py:58)", "events of clients"),
        (RULES, "rules of calls"),
        (f"{RULES};Struct_vectorcall (msgspec/_core.so);malloc (libc.so.6)", "rules of calls"),
        (f"{FRAME};CPyDef_rules___decide (__native_onlycare_socket.c:5);Py_DECREF (object.h:537)", "rules of calls"),
        (f"{RULES};CPyPy_transport___session___Session___receive (onlycare_socket__mypyc.so)", "transport"),
        (f"{RULES};CPyDef_socketio___ack_packet (onlycare_socket__mypyc.so)", "JSON"),
        (f"{FRAME};CPyDef_words___reason_of (onlycare_socket__mypyc.so)", "rules of calls"),
        (f"{RULES};CPyDef_unheard_of___thing (onlycare_socket__mypyc.so)", "rules of calls"),
        (f"{FRAME};MemoryCallStore.note (onlycare_socket/adapters/memory.py:5)", "switchboard, sockets, store"),
        (f"{FRAME};info (structlog/_native.py:5)", "metrics, logs"),
        ("run_forever (somewhere/else.py:1)", REST),
    ],
)
def test_a_sample_belongs_to_its_innermost_layer(stack: str, layer: str) -> None:
    layers, _ = fold([f"{stack} 3", f"{stack} 2"])
    assert layers == {layer: 5}


def test_functions_are_counted_without_their_lines() -> None:
    _, functions = fold([f"{RULES} 3", RULES.replace(":104)", ":99)") + " 4", f"{FRAME};read (libc.so.6) 1"])
    assert functions == {"decide (onlycare_socket/calls/rules.py)": 7, "read (libc.so.6)": 1}


def test_a_compiled_function_is_named_as_in_its_source() -> None:
    _, functions = fold([f"{FRAME};CPyDef_client___SocketClient____typed (__native_onlycare_socket.c:100503) 1"])
    assert functions == {"SocketClient._typed (onlycare_socket/transport/client.py)": 1}


def test_the_start_of_a_server_does_not_count() -> None:
    assert not fold(["<module> (onlycare_socket/app.py:3);_find (importlib) 900", "", "nonsense"])[0]


def test_shares_add_up_to_the_cycle() -> None:
    found = profile.shares({"a": 1, "b": 3}, 200.0, ("a", "b"))
    assert [(one.name, one.share, one.microseconds) for one in found] == [("a", 0.25, 50.0), ("b", 0.75, 150.0)]


def test_without_the_profiler_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Failed, match="py-spy is not installed"):
        profile.find_profiler("/nowhere/python")
