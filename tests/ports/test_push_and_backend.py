"""What every `Push` and `Backend` promise: they take everything at once and never fail the caller."""

import pytest

from onlycare_socket.adapters.absent import AbsentBackend
from onlycare_socket.calls.effects import Report, ReportKind
from onlycare_socket.calls.ids import DeviceId
from tests.ports.adapters import BACKENDS, PUSHES, a_call


@pytest.mark.parametrize("name", PUSHES)
def test_a_push_takes_every_wish(name: str) -> None:
    push, call = PUSHES[name](), a_call()
    push.wake(call, None)
    push.wake(call, DeviceId("d:1"))
    push.cancel(call)
    push.cancel(call)


def test_whether_anybody_pushes_is_known() -> None:
    assert PUSHES["none, the backend pushes"]().can_wake is True
    assert PUSHES["none"]().can_wake is False


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("kind", ReportKind)
def test_a_backend_takes_every_report(name: str, kind: ReportKind) -> None:
    BACKENDS[name]().report(Report(kind, a_call()))


def test_without_a_backend_the_reports_are_counted() -> None:
    backend = AbsentBackend()
    backend.report(Report(ReportKind.DECLINED, a_call()))
    backend.report(Report(ReportKind.DECLINED, a_call()))
    assert backend.unheard == 2
