"""Contract section 7, row 19: a log line says whether Laravel verifies tokens; if not, who is wrong and what to do."""

import datetime
import socket
import ssl
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from onlycare_socket.adapters.laravel_users import Denied, Trouble
from onlycare_socket.adapters.laravel_watch import ADVICE, LaravelWatch

from .laravel_asking import STEADY, ask, asking, until
from .laravel_stand_in import Behaviour, Laravel, answer, hanging, status, user

pytestmark = pytest.mark.usefixtures("logged")

Lines = list[MutableMapping[str, Any]]

CHECKS: dict[str, tuple[Behaviour, str, str]] = {
    "not_found": (status(404), "it answers 404", "LARAVEL_API_URL names the wrong place"),
    "redirect": (status(301, Location="https://www.example.com/x?k=SECRET"), "'https://www.example.com/x'", "put the"),
    "server_error": (status(500), "it answers 500", "laravel.log"),
    "throttled": (status(429), "too many requests", "rate limit"),
    "unexpected": (status(405), "it answers 405", "refuses the request"),
    "rubbish": (answer(b"<html>"), "not JSON", "another site"),
    "timeout": (hanging, "no answer within 0.2 s", "firewall"),
}


@pytest.mark.parametrize("kind", CHECKS)
async def test_the_check_says_what_is_wrong_and_what_to_do(laravel: Laravel, logged: Lines, kind: str) -> None:
    behaviour, what, advice = CHECKS[kind]
    laravel.check = behaviour
    async with asking(laravel, msgspec.structs.replace(STEADY, request=0.2)) as authenticator:
        await until(lambda: authenticator.health()["backend"] != "unknown")
        assert authenticator.health()["backend"] == kind
    assert len(logged) == 1
    assert logged[0]["log_level"] == "error"
    assert what in logged[0]["event"]
    assert advice in logged[0]["event"]
    assert logged[0]["url"] == f"{laravel.url}/api/v1/users/me"


async def test_a_refusal_of_no_token_is_the_right_answer(laravel: Laravel, logged: Lines) -> None:
    async with asking(laravel) as authenticator:
        await until(lambda: authenticator.health()["backend"] == "ok")
    assert [(line["log_level"], line["event"]) for line in logged] == [
        ("info", "Laravel answers and will verify the tokens")
    ]


async def test_a_user_without_a_token_is_pointed_out(laravel: Laravel, logged: Lines) -> None:
    laravel.check = answer({"success": True, "data": user(1)})
    async with asking(laravel) as authenticator:
        await until(lambda: authenticator.health()["backend"] == "ok")
    assert [line["log_level"] for line in logged] == ["warning"]
    assert "auth:sanctum" in logged[0]["event"]


async def test_nobody_listens(logged: Lines) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, and connects are refused
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with asking(Laravel(), url=nobody) as authenticator:
            await until(lambda: authenticator.health()["backend"] == "unreachable")
    assert len(logged) == 1
    assert "start Laravel" in logged[0]["event"]


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    (tmp_path / "self-signed.pem").write_bytes(pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "self-signed.pem")
    return context


async def test_a_certificate_that_is_not_trusted(logged: Lines, self_signed: ssl.SSLContext) -> None:
    runner = web.ServerRunner(web.Server(status(401)), shutdown_timeout=0.01)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self_signed).start()
    try:
        async with asking(Laravel(), url=f"https://127.0.0.1:{runner.addresses[0][1]}") as authenticator:
            await until(lambda: authenticator.health()["backend"] == "tls")
    finally:
        await runner.cleanup()
    assert len(logged) == 1
    assert "certificate" in logged[0]["event"]


async def test_while_it_fails_the_check_is_repeated_and_success_is_told(laravel: Laravel, logged: Lines) -> None:
    laravel.check = status(500)
    async with asking(laravel, msgspec.structs.replace(STEADY, check_again=0.01)) as authenticator:
        await until(lambda: laravel.checks >= 3)
        laravel.check = status(401)
        await until(lambda: authenticator.health()["backend"] == "ok")
        checks = laravel.checks
    assert [line["log_level"] for line in logged] == ["error", "info"]
    assert laravel.checks == checks


async def test_a_token_verified_ends_the_trouble_too(laravel: Laravel, logged: Lines) -> None:
    laravel.next.append(status(500))
    async with asking(laravel) as authenticator:
        await until(lambda: len(logged) == 1)
        await ask(authenticator)
    assert [line["log_level"] for line in logged] == ["info", "error", "info"]
    assert logged[2]["event"] == "Laravel verifies tokens again"


def test_trouble_that_comes_and_goes_is_told_once_a_minute(logged: Lines) -> None:
    now = 0.0
    watch = LaravelWatch("http://laravel/api/v1/users/me", lambda: now)
    watch.checked(Denied(401))
    for _ in range(1000):
        watch.troubled(Trouble("server_error", "it answers 500"))
        watch.answered()
    assert [line["log_level"] for line in logged] == ["info", "error", "info"]
    now = 60.0
    watch.troubled(Trouble("timeout", "no answer within 5 s"))
    watch.troubled(Trouble("timeout", "no answer within 5 s"))
    assert [line["kind"] for line in logged if line["log_level"] == "error"] == ["server_error", "timeout"]
    assert watch.state == "timeout"


def test_there_is_advice_for_every_kind_of_trouble() -> None:
    kinds = Trouble.__annotations__["kind"].__args__
    assert set(kinds) == set(ADVICE)
