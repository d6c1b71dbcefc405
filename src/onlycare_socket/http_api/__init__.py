"""The HTTP side for the backend, operators and monitors (contract section 4).

`access` says who may ask, `exchange` reads bodies and turns every failure into JSON, and each family of requests has a
file: `monitoring`, `users`, `words` (what the backend says of calls), `calls`, `page` (the browser phone).
"""

from onlycare_socket.http_api.access import Access
from onlycare_socket.http_api.application import HttpApi
from onlycare_socket.http_api.monitoring import Condition

__all__ = ["Access", "Condition", "HttpApi"]
