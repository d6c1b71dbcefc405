"""Stands in for Laravel's `users/me`, behind TLS, on a machine without Laravel: a token `<id>|...` is that user's.

python3 tls_backend.py certificate.pem key.pem 8443
"""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class UsersMe(BaseHTTPRequestHandler):
    """Answers `GET /api/v1/users/me` (contract section 1)."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        user = self.headers.get("Authorization", "").removeprefix("Bearer ").partition("|")[0]
        known = self.path == "/api/v1/users/me" and user.isdecimal()
        body = {"success": known, "data": {"id": user, "name": f"User {user}", "gender": "FEMALE"} if known else None}
        text = json.dumps(body).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main() -> None:
    certificate, key, port = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), UsersMe)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
