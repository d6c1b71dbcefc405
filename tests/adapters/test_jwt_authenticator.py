"""Signed tokens: which are believed, and every way to forge one."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onlycare_socket.adapters.jwt import JwtAuthenticator
from onlycare_socket.config import SettingsError
from onlycare_socket.ports import Identity, Refused, Verdict

SECRET = "a shared secret of the two sides, 32+ bytes"
PRIVATE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def claims(**changes: Any) -> dict[str, Any]:
    all_claims = {"sub": "USR_5", "name": "Asha", "gender": "FEMALE", "exp": time.time() + 60, **changes}
    return {name: value for name, value in all_claims.items() if value is not None}


def signed(**changes: Any) -> str:
    return jwt.encode(claims(**changes), SECRET, "HS256")


def by_hand(header: object, payload: object, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def by_signing(payload: dict[str, Any]) -> str:
    """Signs what PyJWT's own `encode` would refuse to write."""
    return jwt.api_jws.encode(json.dumps(payload).encode(), SECRET, "HS256")


def by_hmac(key: bytes) -> str:
    signed_part = by_hand({"alg": "HS256", "typ": "JWT"}, claims()).rpartition(".")[0]
    signature = hmac.new(key, signed_part.encode(), hashlib.sha256).digest()
    return f"{signed_part}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def verdict(authenticator: JwtAuthenticator, token: str, user_id: str = "5") -> Verdict:
    told: list[Verdict] = []
    authenticator.verify(token, user_id, "203.0.113.7", told.append)
    assert len(told) == 1
    return told[0]


def is_invalid(answer: Verdict) -> bool:
    return isinstance(answer, Refused) and answer.message == "Invalid token"


HS256 = JwtAuthenticator(secret=SECRET)
RS256 = JwtAuthenticator(public_key=PUBLIC_PEM)


def test_the_claims_become_the_identity() -> None:
    assert verdict(HS256, signed()) == Identity(user="5", id="USR_5", name="Asha", gender="FEMALE")  # type: ignore[arg-type]


def test_rs256_is_checked_with_the_public_key() -> None:
    answer = verdict(RS256, jwt.encode(claims(), PRIVATE_KEY, "RS256"))
    assert isinstance(answer, Identity)


@pytest.mark.parametrize(("sub", "user"), [(5, "5"), ("5", "5"), ("USR_USR_5", "5"), ("anna", "anna")])
def test_the_subject_may_have_every_form_of_a_user_id(sub: object, user: str) -> None:
    answer = verdict(HS256, by_signing({**claims(), "sub": sub}), user)
    assert isinstance(answer, Identity)
    assert (answer.user, answer.id) == (user, str(sub))


def test_half_a_character_in_a_name_is_replaced() -> None:
    answer = verdict(HS256, signed(name="A\ud800sha"))
    assert isinstance(answer, Identity)
    assert answer.name == "A?sha"


def test_name_and_gender_may_be_missing_or_mistyped() -> None:
    for changes in ({"name": None, "gender": None}, {"name": 7, "gender": ["F"]}):
        answer = verdict(HS256, signed(**changes))
        assert isinstance(answer, Identity)
        assert (answer.name, answer.gender) == ("", "")


def test_another_users_id_is_an_invalid_token() -> None:
    assert is_invalid(verdict(HS256, signed(), "6"))


@pytest.mark.parametrize("sub", [None, True, 5.0, "", {"id": 5}, "x" * 129, 10**128])
def test_a_subject_that_names_no_user_is_an_invalid_token(sub: object) -> None:
    payload = claims()
    payload["sub"] = sub
    assert is_invalid(verdict(HS256, by_signing(payload)))


def test_a_token_without_an_end_is_refused() -> None:
    assert is_invalid(verdict(HS256, signed(exp=None)))


def test_the_clocks_may_differ_by_a_few_seconds_and_no_more() -> None:
    assert isinstance(verdict(HS256, signed(exp=time.time() - 2)), Identity)
    assert is_invalid(verdict(HS256, signed(exp=time.time() - 12)))
    assert is_invalid(verdict(HS256, signed(nbf=time.time() + 60)))


@pytest.mark.parametrize("exp", ["soon", [], {}, 1e400, "NaN"])
def test_an_end_that_is_no_time_is_refused(exp: object) -> None:
    assert is_invalid(verdict(HS256, by_signing({**claims(), "exp": exp})))


def test_issuer_and_audience_are_checked_only_when_set() -> None:
    both = JwtAuthenticator(secret=SECRET, issuer="https://onlycare.example", audience="calls")
    right = {"iss": "https://onlycare.example", "aud": "calls"}
    assert isinstance(verdict(both, signed(**right)), Identity)
    assert is_invalid(verdict(both, signed(**{**right, "iss": "https://other.example"})))
    assert is_invalid(verdict(both, signed(**{**right, "aud": "mail"})))
    assert is_invalid(verdict(both, signed()))
    assert isinstance(verdict(HS256, signed(**right)), Identity)


class TestForgeries:
    def test_algorithm_none(self) -> None:
        for name in ("none", "None", "NONE", ""):
            assert is_invalid(verdict(HS256, by_hand({"alg": name, "typ": "JWT"}, claims())))
            assert is_invalid(verdict(RS256, by_hand({"alg": name, "typ": "JWT"}, claims())))

    def test_the_public_key_as_a_secret(self) -> None:
        token = jwt.api_jws.encode(json.dumps(claims()).encode(), "x" * 32, "HS256")
        assert is_invalid(verdict(RS256, token))
        forged = by_hmac(PUBLIC_PEM.encode())
        assert is_invalid(verdict(RS256, forged))

    def test_another_secret_and_another_algorithm(self) -> None:
        assert is_invalid(verdict(HS256, jwt.encode(claims(), "another secret, also of 32 bytes ...", "HS256")))
        assert is_invalid(verdict(HS256, jwt.encode(claims(), SECRET * 2, "HS512")))
        assert is_invalid(verdict(HS256, jwt.encode(claims(), PRIVATE_KEY, "RS256")))

    def test_changed_claims(self) -> None:
        header, _, signature = signed().split(".")
        payload = by_hand({}, claims(sub="6")).split(".")[1]
        assert is_invalid(verdict(HS256, f"{header}.{payload}.{signature}", "6"))

    @pytest.mark.parametrize(
        "token",
        [
            "17|laravel-token",
            "..",
            "a.b.c",
            by_hand([], {}),
            by_hand({"alg": 5}, {}),
            by_hand({"alg": "HS256", "crit": ["x"]}, {}),
            base64.urlsafe_b64encode(b"[" * 2000).decode() + ".e30.",
            "e30." + base64.urlsafe_b64encode(b"[" * 2000).decode() + ".",
        ],
    )
    def test_rubbish(self, token: str) -> None:
        assert is_invalid(verdict(HS256, token))

    def test_a_signed_payload_that_is_no_object(self) -> None:
        for payload in (b"[]", b"5", b"[" * 2000, b"\xff", b'{"sub":'):
            assert is_invalid(verdict(HS256, jwt.api_jws.encode(payload, SECRET, "HS256")))


EC_PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
SMALL_PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=1024)
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, "either JWT_SECRET or JWT_PUBLIC_KEY"),
        ({"secret": SECRET, "public_key": PUBLIC_PEM}, "either JWT_SECRET or JWT_PUBLIC_KEY"),
        ({"secret": "x" * 31}, "at least 32 bytes"),
        ({"secret": PUBLIC_PEM}, "belongs in JWT_PUBLIC_KEY"),
        ({"public_key": "no key"}, "PEM form"),
        ({"public_key": EC_PEM}, "RSA"),
        ({"public_key": SMALL_PEM}, "2048 bits"),
    ],
)
def test_a_key_that_cannot_be_used_is_named_at_start(keys: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        JwtAuthenticator(secret=keys.get("secret"), public_key=keys.get("public_key"))


def test_the_library_is_imported_only_when_it_is_used() -> None:
    program = "import sys, onlycare_socket.adapters.jwt; sys.exit('jwt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_it_counts_both_outcomes() -> None:
    authenticator = JwtAuthenticator(secret=SECRET)
    verdict(authenticator, signed())
    verdict(authenticator, "x")
    verdict(authenticator, "")
    assert authenticator.health() == {"auth": "jwt", "algorithm": "HS256", "accepted": 1, "refused": 2}
