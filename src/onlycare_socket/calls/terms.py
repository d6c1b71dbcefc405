"""The times that the rules go by."""

from msgspec import Struct


class Terms(Struct, frozen=True, kw_only=True):
    """What a deployment may choose, in ms; contract sections 2, 3 and 6, design section 3."""

    ring_timeout: int = 30_000
    caller_grace: int = 15_000
    call_grace: int = 120_000
    max_duration: int = 4 * 3_600_000
    upgrade_timeout: int = 30_000
    remember: int = 60_000
    resume: int = 60_000
    stale: int = 45_000
    stale_after_connect: int = 5_000
    ahead: int = 60_000
