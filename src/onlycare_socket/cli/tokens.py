"""Tokens for trying things out: of a development server, or signed with the server's own JWT secret."""

import os
import time
from typing import Any

from onlycare_socket.adapters.static import dev_token
from onlycare_socket.cli.failure import Failure, WrongUsage
from onlycare_socket.config import look_up

_SETTINGS = ("auth", "laravel_api_url", "jwt_secret", "jwt_issuer", "jwt_audience")


def make_token(
    user: str, env_file: str, *, device: str | None = None, name: str | None = None, lifetime: float = 3600
) -> str:
    """Returns a token that the server of these settings accepts for this user.

    `device` keeps a development token the same each time; `name` and `lifetime` (seconds) go into a JWT.
    Raises Failure when only the backend can make one.
    """
    given = look_up(_SETTINGS, os.environ, env_file)
    auth = given.get("auth") or ("laravel" if given.get("laravel_api_url") else "static")
    if auth == "static":
        try:
            return dev_token(user, device)
        except ValueError as error:
            raise WrongUsage(str(error)) from None
    if auth == "jwt" and given.get("jwt_secret"):
        return _signed(user, name or f"User {user}", lifetime, given)
    if auth == "jwt":
        raise Failure("AUTH=jwt with JWT_PUBLIC_KEY: only the holder of the private key can make a token")
    raise Failure(
        "AUTH=laravel: the backend makes the tokens. Log in with the app, or make one in `php artisan tinker` with "
        "User::find(5)->createToken('test')->plainTextToken; `call` takes two with --caller-token and --callee-token"
    )


def _signed(user: str, name: str, lifetime: float, given: dict[str, Any]) -> str:
    import jwt

    now = int(time.time())
    claims = {"sub": user, "name": name, "iat": now, "exp": now + int(lifetime)}
    claims |= {claim: given[field] for claim, field in _CLAIMS.items() if field in given}
    return jwt.encode(claims, given["jwt_secret"], algorithm="HS256")


_CLAIMS = {"iss": "jwt_issuer", "aud": "jwt_audience"}
