"""Every story, in the order in which they are played: what may crash the old server comes last."""

from onlycare_socket.cli.compare.steps import Story
from onlycare_socket.cli.compare.stories import (
    backend,
    busy,
    connecting,
    lost,
    payloads,
    plain,
    presence,
    strange,
    timeouts,
    unlucky,
    video,
)

STORIES: tuple[Story, ...] = (
    *plain.STORIES,
    *busy.STORIES,
    *unlucky.STORIES,
    *strange.STORIES,
    *video.STORIES,
    *lost.STORIES,
    *connecting.STORIES,
    *presence.STORIES,
    *payloads.STORIES,
    *backend.STORIES,
    *timeouts.STORIES,
    *payloads.RISKY_STORIES,
)
