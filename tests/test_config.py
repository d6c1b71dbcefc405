"""The settings: what may be written, what it becomes, and what is said when it is wrong."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from onlycare_socket.cli import settings_page
from onlycare_socket.config import Settings, SettingsError, is_loopback, load, look_up
from onlycare_socket.config.api_secret import DEVELOPMENT_SECRET
from onlycare_socket.config.fields import FIELDS

ROOT = Path(__file__).parent.parent
BACKEND = {"LARAVEL_API_URL": "https://api.example.com"}
GOOD_SECRET = "k3JhL0vXq9TzP5wB"
PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"


def settings(**environ: str) -> Settings:
    return load({**BACKEND, **environ}, None)[0]


def refusal(**environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load({**BACKEND, **environ}, None)
    return str(caught.value)


def test_the_defaults_are_those_the_operators_know() -> None:
    given = settings()
    assert (given.port, given.host, given.ring_timeout, given.rate_limit) == (3001, "127.0.0.1", 30.0, 100)
    assert (given.auth, given.push, given.log_format) == ("laravel", "none", "auto")
    assert (given.store, given.store_sync) == ("sqlite:////var/lib/onlycare-socket/calls.db", "normal")
    assert (given.presence_scope, given.presence_all_limit) == ("all", 1000)
    assert given.api_open_on_loopback is True
    assert given.trusted_proxies == (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PORT", " 8080 ", 8080),
        ("RING_TIMEOUT", "2.5", 2.5),
        ("LOG_LEVEL", "DEBUG", "debug"),
        ("API_OPEN_ON_LOOPBACK", "False", False),
        ("TEST_CLIENT", "1", True),
        ("LARAVEL_API_URL", "https://api.example.com/api/v1/", "https://api.example.com"),
        ("LARAVEL_API_URL", "http://127.0.0.1:8000/backend/api/v1", "http://127.0.0.1:8000/backend"),
        ("LARAVEL_API_SECRET", f"{GOOD_SECRET}, new-{GOOD_SECRET}", (GOOD_SECRET, f"new-{GOOD_SECRET}")),
        ("ALLOWED_ORIGINS", "HTTPS://App.Example.com:443/, http://[::1]:3000,null", None),
        ("TRUSTED_PROXIES", "10.1.2.3, fd00::/8", (ip_network("10.1.2.3/32"), ip_network("fd00::/8"))),
        ("RING_TIMEOUT", "", 30.0),
    ],
)
def test_a_text_becomes_a_typed_value(name: str, text: str, value: object) -> None:
    expected = value if value is not None else ("https://app.example.com", "http://[::1]:3000", "null")
    assert getattr(settings(**{name: text}), name.lower()) == expected


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("RING_TIMEOUT", "abc", "RING_TIMEOUT=abc: expected seconds as a number from 1 to 600; the default is 30"),
        ("RING_TIMEOUT", "nan", "expected seconds as a number"),
        ("RING_TIMEOUT", "0", "from 1 to 600"),
        ("PORT", "70000", "expected a whole number from 0 to 65535"),
        ("AUTH", "oauth", "expected one of laravel, jwt, static"),
        ("TEST_CLIENT", "maybe", "expected true or false"),
        ("LARAVEL_API_URL", "api.example.com", "begins with http:// or https://"),
        ("LARAVEL_API_URL", "https://user:pw@api.example.com", "without user name"),
        ("LARAVEL_API_URL", "https://api.example.com:99999", "a port from 0 to 65535"),
        ("ALLOWED_ORIGINS", "https://app.example.com/path", "without the path /path"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("LARAVEL_API_SECRET", "a,b,c", "one secret, or two"),
        ("JWT_SECRET", "short", "at least 32 bytes"),
        ("JWT_PUBLIC_KEY", "/no/such/file", "PEM"),
        ("STORE", "sqlite:///", "expected memory, sqlite:///file"),
        ("STORE", "postgres://x", "expected memory, sqlite:///file"),
        ("REDIS_URL", "redis://:pw@127.0.0.1", "later version"),
        ("PUSH", "fcm", "come in a later version"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(name: str, text: str, says: str) -> None:
    message = refusal(**{name: text})
    assert message.startswith(name)
    assert says in message
    assert "\n" not in message
    assert "(set in the environment)" in message


@pytest.mark.parametrize("name", ["JWT_SECRET", "REDIS_URL", "LARAVEL_API_SECRET"])
def test_a_refused_secret_is_not_repeated(name: str) -> None:
    assert "hunter2" not in refusal(**{name: "hunter2,x,y"})


@pytest.mark.parametrize("name", ["LARAVEL_API_URL", "ALLOWED_ORIGINS"])
@pytest.mark.parametrize(
    "text",
    [
        "http://user:hunter2@api.example.com",
        "http://user:hunter2/x@api.example.com",
        "http://user:x@hunter2@api.example.com",
        "user:hunter2@api.example.com",
    ],
)
def test_the_password_in_an_address_is_not_repeated(name: str, text: str) -> None:
    message = refusal(**{name: text})
    assert "hunter2" not in message
    assert "***@api.example.com" in message


def test_secrets_are_hidden_wherever_settings_are_shown() -> None:
    given = settings(LARAVEL_API_SECRET=GOOD_SECRET, AUTH="jwt", JWT_SECRET=GOOD_SECRET * 2)
    assert GOOD_SECRET not in repr(given)
    assert GOOD_SECRET not in str(dict(given.__rich_repr__()))
    assert "laravel_api_secret='***'" in repr(given)


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=4000\nHOST=127.0.0.2\nRING_TIMEOUT=5\nexport CALL_GRACE='60'\nAGORA_APP_ID=$x#y\n")
    given, warnings = load({**BACKEND, "PORT": "5000", "HOST": "127.0.0.3"}, file, host="127.0.0.4")
    assert (given.host, given.port, given.ring_timeout, given.call_grace) == ("127.0.0.4", 5000, 5.0, 60.0)
    assert given.agora_app_id == "$x#y"
    assert warnings == []


def test_only_the_usual_file_may_be_missing_and_none_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(BACKEND, ".env")[1] == []
    with pytest.raises(SettingsError, match="there is no such file"):
        load(BACKEND, tmp_path / "none")
    with pytest.raises(SettingsError, match="there is no such file"):
        look_up(["port"], {}, tmp_path / "none")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(BACKEND, tmp_path)
    (tmp_path / "latin").write_bytes(b"HOST=\xff\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(BACKEND, tmp_path / "latin")


def test_a_file_that_is_for_others_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")  # the tests run as root, who may read everything

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SettingsError, match="secrets: run this with sudo"):
        look_up(["port"], {}, tmp_path / "onlycare-socket.env")


def test_unknown_names_and_unreadable_lines_of_the_file_are_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("NODE_ENV=production\nRING_TIMOUT=5\njust text\nLONELY\n")
    warnings = "\n".join(load(BACKEND, file)[1])
    assert "NODE_ENV in " in warnings
    assert "RING_TIMOUT in " in warnings
    assert "did you mean RING_TIMEOUT?" in warnings
    assert "line 3 of " in warnings


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("RING_TIMOUT", "RING_TIMEOUT"),
        ("LARAVEL_URL", "LARAVEL_API_URL"),
        ("LARAVEL_SECRET", "LARAVEL_API_SECRET"),
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("REDIS_URI", "REDIS_URL"),
        ("port", "PORT"),
    ],
)
def test_a_near_miss_in_the_environment_is_pointed_out(written: str, meant: str) -> None:
    expected = f"{written} in the environment is not a setting of this server; did you mean {meant}?"
    assert load({written: "1"}, None, dev=True)[1] == [expected]


def test_a_near_miss_of_a_setting_that_is_set_is_left_alone(tmp_path: Path) -> None:
    assert load({**BACKEND, "LARAVEL_URL": "https://www.example.com"}, None)[1] == []
    (tmp_path / ".env").write_text("LARAVEL_API_URL=https://api.example.com\n")
    assert load({"LARAVEL_URL": "https://www.example.com"}, tmp_path / ".env")[1] == []


def test_a_near_miss_is_named_beside_the_error_that_it_causes() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"LARAVEL_URL": "https://api.example.com"}, None)
    assert "LARAVEL_API_URL is not set" in str(caught.value)
    assert "did you mean LARAVEL_API_URL?" in caught.value.warnings[0]


def test_everyday_names_of_the_environment_are_left_alone() -> None:
    everyday = (
        "HOME HOSTNAME HOSTTYPE LOGNAME SHELL TERM PATH LANG AUTHOR USER PWD SHLVL WEBSOCKET_URL WEBSOCKET_TIMEOUT"
    )
    assert load({**BACKEND, **dict.fromkeys(everyday.split(), "x")}, None)[1] == []


def test_a_development_server_needs_no_settings() -> None:
    given = load({}, None, dev=True)[0]
    assert (given.auth, given.test_client, given.log_format, given.dev) == ("static", True, "text", True)
    assert given.laravel_api_secret == (DEVELOPMENT_SECRET,)
    assert given.api_secret_problem is None


def test_the_environment_cannot_make_a_development_server() -> None:
    assert load({**BACKEND, "DEV": "true"}, None)[0].dev is False


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_a_development_server_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(SettingsError, match="this machine only"):
        load({}, None, dev=True, host=host)


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("::", False)])
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_static_tokens_need_a_development_server() -> None:
    assert "needs serve --dev" in refusal(AUTH="static")


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "LARAVEL_API_URL is not set"),
        ({"AUTH": "laravel"}, "set LARAVEL_API_URL"),
        ({"AUTH": "jwt"}, "either JWT_SECRET"),
        ({"AUTH": "jwt", "JWT_SECRET": "x" * 32, "JWT_PUBLIC_KEY": PEM}, "not both"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(environ: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load(environ, None)


def test_a_public_key_may_be_a_file_or_have_escaped_line_ends(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(PEM + "\n")
    for text in (str(tmp_path / "key.pem"), PEM, PEM.replace("\n", "\\n")):
        assert settings(AUTH="jwt", JWT_PUBLIC_KEY=text).jwt_public_key == PEM
    assert "begins with -----BEGIN PUBLIC KEY-----" in refusal(JWT_PUBLIC_KEY=PEM.replace("PUBLIC", "PRIVATE"))


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("", "is not set"),
        ("k3JhL0vXq9TzP5w", "shorter than 16"),
        ("changeme-changeme", "well-known"),
        ("your-secret-key-here", "well-known"),
        ("your_laravel_api_secret", "well-known"),
        ("your-secret-key-change-in-production", "well-known"),
        ("0000000000000000", "well-known"),
        ("Secret-1234567890", "well-known"),
        ("k3JhL0vXq9TzP5wé", "HTTP header"),
        (DEVELOPMENT_SECRET, "well-known"),
        (f"{GOOD_SECRET},changeme", "shorter than 16"),
    ],
)
def test_an_unfit_secret_is_a_problem(secret: str, problem: str) -> None:
    said = settings(LARAVEL_API_SECRET=secret).api_secret_problem
    assert said is not None
    assert problem in said


@pytest.mark.parametrize("secret", [GOOD_SECRET, f"{GOOD_SECRET},{GOOD_SECRET}2", "9" * 4 + "8347-2398-2938-1176"])
def test_a_good_secret_is_no_problem(secret: str) -> None:
    assert settings(LARAVEL_API_SECRET=secret).api_secret_problem is None


def test_of_two_secrets_the_unfit_one_is_named() -> None:
    said = settings(LARAVEL_API_SECRET=f"{GOOD_SECRET},short").api_secret_problem
    assert said == "LARAVEL_API_SECRET: the second of the two is shorter than 16 characters"


def test_a_development_server_may_have_a_secret_of_its_own() -> None:
    assert load({"LARAVEL_API_SECRET": "short"}, None, dev=True)[0].api_secret_problem is not None
    assert load({"LARAVEL_API_SECRET": GOOD_SECRET}, None, dev=True)[0].api_secret_problem is None


def test_a_command_reads_only_the_settings_it_needs() -> None:
    assert look_up(("port",), {"PORT": "4000", "RING_TIMEOUT": "abc"}, None) == {"port": 4000}


def test_every_setting_says_what_it_does() -> None:
    assert [field.name for field in FIELDS if not field.meta.description] == []
    assert {field.name for field in FIELDS} == set(Settings.__struct_fields__) - {"dev"}


@pytest.mark.parametrize("field", [field for field in FIELDS if field.example()], ids=lambda field: str(field.name))
def test_every_example_is_a_value_that_is_accepted(field: object, tmp_path: Path) -> None:
    name, example = field.variable, field.example()  # type: ignore[attr-defined]
    if name == "JWT_PUBLIC_KEY":
        assert Path(example).is_absolute()
    else:
        assert look_up((name,), {name: example}, None)


def test_the_settings_page_and_the_example_file_are_up_to_date() -> None:
    assert (ROOT / "docs/settings.md").read_text() == settings_page.markdown(), "run: make docs"
    assert (ROOT / ".env.example").read_text() == settings_page.env_example(), "run: make docs"


def test_the_example_file_sets_nothing_and_names_every_setting() -> None:
    assert load(BACKEND, ROOT / ".env.example") == (settings(), [])
    text = (ROOT / ".env.example").read_text()
    assert [field.variable for field in FIELDS if f"\n#{field.variable}=" not in text] == []
