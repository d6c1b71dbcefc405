"""What two phones of a call say, as frames that are ready but for the call's id.

An id has always the same length, that of Laravel's (`CALL_`, 14 digits), so everything else is built once. The numbers
of the acks are constant, too: a phone has one call at a time, and asks for nothing new before it has all its acks.
"""

import secrets
from string import ascii_lowercase, digits
from typing import Final

from bench.load.frames import Template, masked
from bench.load.packets import parse, shown
from bench.load.reports import Unexpected

ID_LENGTH: Final = 19
AGORA_TOKEN: Final = "007eJx" + "t" * 133
"""As long as Agora's are."""

ACK_OF_INITIATE: Final = b"431["
ACK_OF_ANSWER: Final = b"432["
ACK_OF_END: Final = b"433["
SUCCESS: Final = b'"success":true'

ACCEPT: Final = Template('422["call:accept",{"callId":"', ID_LENGTH, '"}]')
REJECT: Final = Template('422["call:reject",{"callId":"', ID_LENGTH, '","reason":"User declined"}]')
END: Final = Template('423["call:end",{"callId":"', ID_LENGTH, '"}]')


def initiate(receiver: str) -> Template:
    """Returns the frames that dial this user."""
    return Template(
        f'421["call:initiate",{{"receiverId":"{receiver}","callId":"',
        ID_LENGTH,
        f'","callType":"audio","channelName":"channel_of_{receiver}","agoraToken":"{AGORA_TOKEN}"}}]',
    )


class CallIds:
    """Ids that were not used before, nor by an earlier run against the same server.

    They look like Laravel's but for a letter, since those hold the time at which a call is dialled.
    """

    __slots__ = ("_before", "_number")

    def __init__(self, pair: int, run: str) -> None:
        self._before = f"CALL_{run}{pair:04}".encode()
        self._number = 0

    def next(self) -> tuple[bytes, bytes]:
        """Returns the next id, as it will come back and masked."""
        self._number += 1
        call_id = b"%b%06d" % (self._before, self._number)
        return call_id, masked(call_id)


def new_run() -> str:
    """Returns four characters that tell the calls of this run from those of others."""
    return secrets.choice(ascii_lowercase) + "".join(secrets.choice(ascii_lowercase + digits) for _ in range(3))


def succeeded(ack: bytes) -> bool:
    """Tells whether an ack says yes. Raises Unexpected when it does not."""
    if SUCCESS in ack:
        return True
    _, answer = parse(ack)
    if isinstance(answer, dict) and answer.get("success") is True:
        return True
    raise Unexpected(f"the server answered no: {shown(ack)}")
