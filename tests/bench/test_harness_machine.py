"""What is written down of the machine, and what is warned of."""

import platform
import sys

from msgspec import structs

from bench.machine import describe

from .reports import MACHINE


def test_this_machine_is_described() -> None:
    found = describe(sys.executable, [0])
    assert found.python.version == f"CPython {platform.python_version()}"
    assert found.python.packages["picows"]
    assert found.cores >= 1
    assert found.memory_mb > 100
    assert found.kernel == platform.release()


def test_a_fit_machine_is_not_warned_of() -> None:
    assert MACHINE.warnings() == []


def test_what_slows_the_servers_is_warned_of() -> None:
    slow = structs.replace(MACHINE.python, profile_guided=False, compiled=False)
    warnings = structs.replace(MACHINE, python=slow, load_average=1.5, server_cores=[]).warnings()
    told = "profile-guided", "uncompiled", "1.5", "one core"
    assert [word in warning for word, warning in zip(told, warnings, strict=True)] == [True] * 4
