"""Development tokens: identity comes from the token only, in every form of a user id."""

import pytest

from onlycare_socket.adapters.static import StaticAuthenticator, dev_token
from onlycare_socket.ports import Identity, Refused, Verdict


def verdict(token: str, user_id: str) -> Verdict:
    told: list[Verdict] = []
    StaticAuthenticator().verify(token, user_id, "127.0.0.1", told.append)
    assert len(told) == 1, "done is called exactly once, and before verify returns"
    return told[0]


@pytest.mark.parametrize("written", ["5", "USR_5", "USR_USR_5"])
def test_a_token_names_its_user_in_every_form(written: str) -> None:
    for claimed in ("5", "USR_5", "USR_USR_5"):
        answer = verdict(f"dev:{written}", claimed)
        assert isinstance(answer, Identity)
        assert (answer.user, answer.id, answer.name) == ("5", written, f"User {written}")


def test_another_users_id_is_an_invalid_token() -> None:
    for token in ("dev:5", "dev:5:6", "dev:USR_5:6"):
        answer = verdict(token, "6")
        assert isinstance(answer, Refused)
        assert answer.message == "Invalid token"


def test_the_part_behind_the_user_makes_another_device_of_the_same_user() -> None:
    first, second = dev_token("anna"), dev_token("anna")
    assert first != second
    assert verdict(first, "anna") == verdict(second, "anna") == verdict(dev_token("anna", "tablet"), "anna")


@pytest.mark.parametrize("token", ["5", "dev:", "dev::5", "Dev:5", "dev 5", "dev:5\n", "dev:\u00e95", " dev:5"])
def test_anything_else_is_an_invalid_token(token: str) -> None:
    answer = verdict(token, "5")
    assert isinstance(answer, Refused)
    assert answer.message == "Invalid token"


@pytest.mark.parametrize(
    ("token", "user_id", "message"),
    [
        ("", "5", "Authentication required"),
        ("dev:5", "", "Authentication required"),
        ("dev:" + "5" * 4093, "5", "Authentication failed"),
        ("dev:5", "5" * 129, "Authentication failed"),
    ],
)
def test_absent_and_over_long_values_have_their_own_words(token: str, user_id: str, message: str) -> None:
    answer = verdict(token, user_id)
    assert isinstance(answer, Refused)
    assert answer.message == message


def test_a_user_has_the_same_gender_on_every_run() -> None:
    genders = []
    for user in ("4", "5", "4"):
        answer = verdict(dev_token(user), user)
        assert isinstance(answer, Identity)
        genders.append(answer.gender)
    assert genders == ["MALE", "FEMALE", "MALE"]


@pytest.mark.parametrize("user_id", ["", "a:b"])
def test_no_token_is_made_for_an_id_that_could_not_be_read_back(user_id: str) -> None:
    with pytest.raises(ValueError, match="':'"):
        dev_token(user_id)
