"""Tokens that prove themselves: JWTs signed with a shared secret (HS256) or a private key (RS256).

The algorithm follows from the key that is set, never from the token: a token cannot choose `none`, nor have a public
key taken for a secret (RFC 8725 sections 2.1 and 3.1). `sub` is the user's id, `name` and `gender` are optional, `exp`
must be there. Nobody is asked, so a token holds until it expires: `forget` cannot revoke it.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from onlycare_socket.calls.ids import UserId
from onlycare_socket.config import SettingsError
from onlycare_socket.credentials import INVALID, claimed, identity_of, malformed
from onlycare_socket.ports import Identity, Verdict

LEEWAY: Final = 10.0
"""Seconds that the clocks of two machines may differ."""
_SHORTEST_SECRET: Final = 32
"""Bytes: RFC 7518 section 3.2 wants a key as long as the hash."""
_SHORTEST_MODULUS: Final = 2048
"""Bits: RFC 7518 section 3.3."""


class JwtAuthenticator:
    """The `Authenticator` that checks signatures: at once and without I/O."""

    def __init__(
        self,
        *,
        secret: str | None = None,
        public_key: str | None = None,
        issuer: str | None = None,
        audience: str | None = None,
        leeway: float = LEEWAY,
    ) -> None:
        """Takes either `secret` (HS256) or `public_key` (RS256, PEM text).

        `issuer` and `audience` are checked when given; `leeway` is seconds.
        Raises SettingsError, with a sentence for the operator, when the key cannot be used.
        """
        if bool(secret) == bool(public_key):
            raise SettingsError("AUTH=jwt needs either JWT_SECRET or JWT_PUBLIC_KEY")
        self.accepted = 0
        self.refused = 0
        self._jwt = importlib.import_module("jwt")  # 30 ms and 10 MB that only this kind of authentication pays
        self._algorithm = "HS256" if secret else "RS256"
        self._key = _secret_key(secret) if secret else _public_key(public_key or "")
        self._checks: dict[str, Any] = {
            "algorithms": [self._algorithm],
            "leeway": leeway,
            "issuer": issuer,
            "audience": audience,
            # `sub` may be a number here, which the RFC does not foresee: Laravel's ids are numbers.
            "options": {"require": ["exp", "sub"], "verify_sub": False, "verify_aud": audience is not None},
        }

    def verify(self, token: str, user_id: str, address: str, done: Callable[[Verdict], None]) -> None:
        """Calls `done` before it returns."""
        verdict = self._verdict(token, user_id)
        if isinstance(verdict, Identity):
            self.accepted += 1
        else:
            self.refused += 1
        done(verdict)

    def forget(self, user: UserId) -> None:
        """Does nothing: nothing is remembered, and a signed token holds until it expires."""

    async def start(self) -> None:
        """Does nothing."""

    async def stop(self) -> None:
        """Does nothing."""

    def health(self) -> dict[str, object]:
        return {"auth": "jwt", "algorithm": self._algorithm, "accepted": self.accepted, "refused": self.refused}

    def _verdict(self, token: str, user_id: str) -> Verdict:
        refused = malformed(token, user_id)
        if refused is not None:
            return refused
        claims = self._claims(token)
        if claims is None:
            return INVALID
        identity = identity_of(claims.get("sub"), claims.get("name"), claims.get("gender"))
        return INVALID if identity is None else claimed(identity, user_id)

    def _claims(self, token: str) -> Mapping[str, Any] | None:
        try:
            claims: dict[str, Any] = self._jwt.decode(token, self._key, **self._checks)
        except (self._jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            # The last four: what versions of PyJWT let through of JSON nested too deep and of claims of odd types.
            return None
        return claims


def _secret_key(secret: str) -> bytes:
    key = secret.encode()
    if key.lstrip().startswith((b"-----BEGIN", b"ssh-")):
        raise SettingsError("JWT_SECRET is a key file: a public key belongs in JWT_PUBLIC_KEY")
    if len(key) < _SHORTEST_SECRET:
        raise SettingsError(f"JWT_SECRET must have at least {_SHORTEST_SECRET} bytes")
    return key


def _public_key(pem: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError("JWT_PUBLIC_KEY is no public key in PEM form (-----BEGIN PUBLIC KEY-----)") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _SHORTEST_MODULUS:
        raise SettingsError(f"JWT_PUBLIC_KEY must be an RSA key of at least {_SHORTEST_MODULUS} bits")
    return key
