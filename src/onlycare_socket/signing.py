"""Signs requests of this server to the backend, so that the backend knows who asks.

The middleware in laravel/ checks the same: HMAC-SHA256 with the shared secret over the time, the method, the path with
its query, and the body, each on its own line. A request that is older than the window is refused there.
"""

import hashlib
import hmac

TIMESTAMP = "X-OnlyCare-Timestamp"
SIGNATURE = "X-OnlyCare-Signature"


def signed_headers(secret: str, method: str, target: str, body: bytes, *, now: int) -> dict[str, str]:
    """Returns the two headers of a request. `target` is the path with its query, `now` unix time in seconds."""
    signed = b"\n".join((str(now).encode(), method.upper().encode(), target.encode(), body))
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {TIMESTAMP: str(now), SIGNATURE: f"sha256={digest}"}
