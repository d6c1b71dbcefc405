"""A Laravel that is not there, is another site, or says what it must not; and the way back from it."""

from typing import Any

import pytest

from onlycare_socket import __version__
from tests.doctor.laravel import ME, TOKEN, WELL, Behaviour, Laravel, answers, told, writes
from tests.doctor.running import Doctor
from tests.interop.server_process import SECRET, free_port

UNAUTHENTICATED = {"message": "Unauthenticated."}
PAGE = "<!doctype html><title>Welcome</title>"


def slowly(request: Any) -> None:
    """Answers rightly, after a while."""
    writes(b"", every=1.2)(request)
    answers(401, UNAUTHENTICATED)(request)


@pytest.mark.parametrize(
    ("nobody", "mark", "says"),
    [
        (answers(403, {"message": "Forbidden"}), "ok", "answers 403 with application/json without a token, as it must"),
        (answers(401, PAGE), "warn", "something in front of Laravel"),
        (answers(401, PAGE, WWW_Authenticate='Basic realm="staging"'), "fail", "asks for a password"),
        (slowly, "warn", "but takes 1.2 s"),
        (answers(200, WELL), "fail", "anybody could pass for that user"),
        (answers(200, PAGE), "fail", "answers 200 with text/html, where Laravel would answer 401 in JSON"),
        (answers(200, {"status": "up"}), "fail", "answers 200 with application/json, where"),
        (answers(404, PAGE), "fail", "answers 404 with text/html, where"),
        (answers(500, {"message": "Server Error"}), "fail", "storage/logs/laravel.log"),
        (answers(503, PAGE), "fail", "answers 503 with text/html"),
        (answers(429, {"message": "Too Many Attempts."}), "fail", "raise its rate limit"),
        (answers(302, PAGE, Location="/login?next=1"), "fail", "a redirect (302) to /login"),
        (answers(301, PAGE, Location=f"https://api.example.com{ME}"), "fail", "put the address it leads to"),
        (answers(302, PAGE, Location=ME), "fail", "a redirect (302) to /api/v1/users/me"),  # to itself, for ever
        (answers(302, PAGE), "fail", "a redirect (302) to nowhere"),
        (writes(b"+OK POP3 ready\r\n"), "fail", "does not speak HTTP"),
        (writes(b""), "fail", "closed the connection without an answer"),
        (writes(b"\x15\x03\x01\x00\x02\x02\x46"), "fail", "does not speak HTTP"),  # a TLS alert
        (writes(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"), "fail", "HTTP"),
        (answers(200, "[" * 100_000), "fail", "answers 200 with text/html"),
        (answers(401, " " * 5_000_000), "warn", "something in front of Laravel"),
    ],
)
def test_what_a_request_without_a_token_meets(
    nobody: Behaviour, mark: str, says: str, laravel: Laravel, doctor: Doctor
) -> None:
    laravel.nobody = nobody
    found = doctor(ONLYCARE_TOKEN=TOKEN)
    found.one("laravel", mark, says)
    if mark == "fail":
        assert found.named("fail") == {"laravel"}
        assert {"laravel to server", "connect"} <= found.named("skipped")
        assert not [headers for _, headers in laravel.seen if "Authorization" in headers]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"http://127.0.0.1:{free_port()}", "the connection is refused"),
        ("http://nosuch.invalid", "the name nosuch.invalid cannot be resolved"),
        (f"http://{'a' * 64}.example", "the name a"),
    ],
)
def test_nobody_is_there(url: str, says: str, doctor: Doctor) -> None:
    doctor.settings["LARAVEL_API_URL"] = url
    found = doctor()
    found.one("laravel", "fail", f"{url}/api/v1/users/me: {says}", "LARAVEL_API_URL")
    assert found.named("fail") == {"laravel"}


def test_https_at_a_port_without_tls(laravel: Laravel, doctor: Doctor) -> None:
    doctor.settings["LARAVEL_API_URL"] = laravel.url.replace("http:", "https:")
    found = doctor()
    found.one("laravel", "fail", "no TLS connection came about")
    found.one("laravel certificate", "fail", "no TLS connection came about")


# ---------------------------------------------------------------- the form of the address


@pytest.mark.parametrize("path", ["", "/", "/api/v1", "/api/v1/"])
def test_either_form_is_right(path: str, laravel: Laravel, doctor: Doctor) -> None:
    doctor.settings["LARAVEL_API_URL"] = f"{laravel.url}{path}"
    doctor().one("laravel", "ok", f"{laravel.url}/api/v1/users/me", "with or without /api/v1 is the same")


@pytest.mark.parametrize("path", ["/api", "/v1", "/index.php/api/v1", "/api/v1/users"])
def test_a_wrong_form_is_told_and_the_right_one_named(path: str, laravel: Laravel, doctor: Doctor) -> None:
    doctor.settings["LARAVEL_API_URL"] = f"{laravel.url}{path}"
    found = doctor()
    found.one("laravel", "fail", "answers 404", f"set LARAVEL_API_URL={laravel.url}, which is right")
    assert found.named("fail") == {"laravel"}


def test_a_laravel_below_a_path_is_right(laravel: Laravel, doctor: Doctor) -> None:
    laravel.me = f"/backend{ME}"
    doctor.settings["LARAVEL_API_URL"] = f"{laravel.url}/backend/api/v1"
    doctor().one("laravel", "ok", f"{laravel.url}/backend/api/v1/users/me answers 401")


def test_a_laravel_that_serves_elsewhere_is_found(laravel: Laravel, doctor: Doctor) -> None:
    laravel.me = "/users/me"
    doctor().one("laravel", "fail", "let Laravel serve /api/v1/users/me", f"but the route is at {laravel.url}/users/me")


# ---------------------------------------------------------------- a token


def test_a_number_is_an_id_as_well(laravel: Laravel, doctor: Doctor) -> None:
    laravel.known = answers(200, {"success": True, "data": {"id": 5, "name": "Asha"}})
    found = doctor(ONLYCARE_TOKEN=TOKEN)
    found.one("laravel token", "ok", "user 5 (data.id is a number; gender missing")


@pytest.mark.parametrize("user", ["5", "USR_5", "USR_USR_5"])
def test_the_users_id_may_be_given_in_any_form(user: str, doctor: Doctor) -> None:
    found = doctor("--user", user, ONLYCARE_TOKEN=TOKEN)
    found.one("laravel token", "ok")
    found.one("connect", "ok")


def test_the_token_of_another_user_is_noticed(doctor: Doctor) -> None:
    found = doctor("--user", "6", ONLYCARE_TOKEN=TOKEN)
    found.one("laravel token", "fail", "the token is of user USR_5, not of 6")


def test_a_token_that_laravel_does_not_know_is_not_tried_at_the_server(doctor: Doctor) -> None:
    found = doctor(ONLYCARE_TOKEN="6|unknown-to-everybody")
    found.one("laravel token", "fail", "refuses the token (401)", "createToken")
    found.one("connect", "skipped")


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (answers(200, {"data": {"id": 5}}), "but no `success: true` in it"),
        (answers(200, {"success": "true", "data": {"id": 5}}), "but no `success: true` in it"),
        (answers(200, {"success": True, "id": 5}), "the id stands beside `data`"),
        (answers(200, {"success": True, "user": {"id": 5}}), "but no `data` in it"),
        (answers(200, {"success": True, "data": {"user": {"id": 5}}}), "the id is in data.user.id"),
        (answers(200, {"success": True, "data": {"id": None}}), "but no data.id that names a user"),
        (answers(200, {"success": True, "data": {"id": 5.0}}), "but no data.id that names a user"),
        (answers(200, PAGE), "answers 200 with text/html"),
        (answers(500, {"message": "Server Error"}), "answers 500 with application/json"),
        (writes(b""), "closed the connection without an answer"),
    ],
)
def test_the_shape_of_the_answer_is_explained(known: Behaviour, says: str, laravel: Laravel, doctor: Doctor) -> None:
    laravel.known = known
    found = doctor(ONLYCARE_TOKEN=TOKEN)
    found.one("laravel token", "fail", says)
    found.one("connect", "skipped")


@pytest.mark.parametrize("status", [302, 401])
def test_a_token_that_is_echoed_is_not_shown(status: int, laravel: Laravel, doctor: Doctor) -> None:
    laravel.known = answers(status, {"message": TOKEN}, Location=f"/login/{TOKEN}", Content_Type=f"text/{TOKEN}")
    doctor(ONLYCARE_TOKEN=TOKEN).one("laravel token", "fail")


# ---------------------------------------------------------------- from Laravel to the server


def test_laravels_files_are_not_there(laravel: Laravel, doctor: Doctor) -> None:
    laravel.check = answers(404, PAGE)
    found = doctor()
    found.one("laravel to server", "warn", "has not this project's files", "install laravel/")
    assert found.code == 0


@pytest.mark.parametrize(
    ("said", "mark", "says"),
    [
        ({"health": None}, "fail", "Laravel reaches no server at http://localhost:3001. correct WEBSOCKET_URL"),
        (
            {"health": None, "problem": "It was late."},
            "fail",
            "at http://localhost:3001 (it says: It was late). correct",
        ),
        ({"enabled": False}, "warn", "WEBSOCKET_ENABLED=true"),
        ({"secretAccepted": False}, "fail", "that server does not accept its secret"),
        (
            {"health": {"status": "OK"}, "secretAccepted": False},
            "warn",
            "reaches the old Node server at http://localhost",
        ),
        (
            {"health": {"status": "OK", "version": "0.9"}},
            "warn",
            f"reaches version 0.9 at http://localhost:3001, not {__version__}",
        ),
        ({"problem": "One secret is short.", "code": 2}, "warn", "(it says: One secret is short). run `php artisan"),
    ],
)
def test_what_laravel_says_of_the_server(
    said: dict[str, Any], mark: str, says: str, laravel: Laravel, doctor: Doctor
) -> None:
    well = {"health": {"status": "OK", "version": __version__}, "secretAccepted": True}
    laravel.check = answers(200, told("http://localhost:3001", **(well | said)))
    doctor().one("laravel to server", mark, says)


@pytest.mark.parametrize(
    "check", [answers(500, {"message": "Server Error"}), answers(200, PAGE), answers(302, PAGE, Location="/"), writes()]
)
def test_a_check_that_goes_wrong_in_laravel(check: Behaviour, laravel: Laravel, doctor: Doctor) -> None:
    laravel.check = check
    found = doctor()
    found.one("laravel to server", "fail", "laravel.log")


def test_another_secret_in_laravel_is_noticed(laravel: Laravel, doctor: Doctor) -> None:
    laravel.websocket_secret = "another-2f1c9a77d0e84b55"
    found = doctor()
    found.one("laravel to server", "fail", "refuses the signature", "WEBSOCKET_SECRET")
    assert found.named("fail") == {"laravel to server"}


def test_a_laravel_without_a_secret_says_so(laravel: Laravel, doctor: Doctor) -> None:
    laravel.check = answers(503, {"success": False, "error": {"code": "SECRET_MISSING", "message": "..."}})
    doctor().one("laravel to server", "fail", "Laravel has no proper WEBSOCKET_SECRET", "config:clear")


def test_a_signature_of_another_time_is_a_matter_of_clocks(laravel: Laravel, doctor: Doctor) -> None:
    laravel.ahead = 400
    found = doctor()
    found.one("clock", "fail", "s ahead")
    found.one("laravel to server", "fail", "differ by more than 5 minutes", "see `clock`")


def test_while_the_secret_is_changed_laravel_may_have_the_old_one(laravel: Laravel, doctor: Doctor) -> None:
    laravel.websocket_secret = SECRET
    doctor.settings["LARAVEL_API_SECRET"] = f"newer-2f1c9a77d0e84b55,{SECRET}"
    doctor().one("laravel to server", "warn", "has the second of the two secrets")


# ---------------------------------------------------------------- the clock


@pytest.mark.parametrize(
    ("ahead", "mark", "says"),
    [(20, "warn", "s ahead"), (-20, "warn", "s behind"), (90, "fail", "refused as stale"), (-90, "fail", "s behind")],
)
def test_clocks_that_differ(ahead: float, mark: str, says: str, laravel: Laravel, doctor: Doctor) -> None:
    laravel.ahead = ahead
    doctor().one("clock", mark, "Laravel's is ", says, "set-ntp true")


def test_a_date_that_is_none_is_no_clock(laravel: Laravel, doctor: Doctor) -> None:
    laravel.nobody = writes(b"HTTP/1.1 401 No\r\nDate: yesterday\r\nContent-Length: 2\r\n\r\n{}")
    assert "Laravel's" not in doctor().checks["clock"]["found"]
