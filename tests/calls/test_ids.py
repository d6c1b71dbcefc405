"""The forms in which users and calls are named, and what a call id says about time (contract sections 1 and 2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlycare_socket.calls.ids import canonical_call, canonical_user, dialled_at, is_user

CALL_ID = st.text("0123456789ABCxyz._~-", min_size=1, max_size=128)


@pytest.mark.parametrize("written", ["5", "USR_5", "USR_USR_5", "USR_USR_USR_5"])
def test_every_form_of_a_numbered_user_is_one_user(written: str) -> None:
    assert canonical_user(written) == "5"


@pytest.mark.parametrize("written", ["ana", "USR_", "USR_ana", "usr_5", "USR_5x", "xUSR_5", "USR_٥", "", " 5", "05"])
def test_other_users_stay_as_they_are(written: str) -> None:
    assert canonical_user(written) == written


@pytest.mark.parametrize(
    ("written", "valid"), [("5", True), ("a" * 128, True), ("a" * 129, False), ("", False), ("a\nb", False)]
)
def test_a_user_id_is_short_and_printable(written: str, valid: bool) -> None:
    assert is_user(written) is valid


@given(CALL_ID)
def test_a_canonical_call_id_is_its_own(written: str) -> None:
    canonical = canonical_call(written)
    assert canonical_call(canonical) == canonical or canonical.startswith("CALL_")


@given(CALL_ID)
def test_with_and_without_prefix_is_one_call(written: str) -> None:
    if len(written) <= 123 and not written.startswith("CALL_"):
        assert canonical_call("CALL_" + written) == canonical_call(written) == written


@pytest.mark.parametrize("written", ["", "a b", "a/b", "é", "x" * 129, "CALL 1", "1\n", "<1>", "%31", "CALL_\x00"])
def test_a_malformed_call_id_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="a call id has"):
        canonical_call(written)


def test_the_bare_prefix_is_an_id_like_any_other() -> None:
    assert canonical_call("CALL_") == "CALL_"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("CALL_17900000000042", 1_790_000_000),
        ("CALL_00000000010000", 1),
        ("17900000000042", None),
        ("CALL_179000000000421", None),
        ("CALL_1790000000004", None),
        ("CALL_1790000000004x", None),
        ("CALL_CALL_17900000000042", None),
        ("call_17900000000042", None),
    ],
)
def test_only_the_backends_form_tells_the_time(written: str, seconds: int | None) -> None:
    assert dialled_at(written) == seconds
