"""What Laravel is asked, and what is made of its answer."""

import gc
import weakref

import msgspec
import pytest

from onlycare_socket.adapters.laravel import LaravelAuthenticator
from onlycare_socket.ports import Identity, Refused

from .laravel_asking import ASHA, OTHER, TOKEN, Clock, ask, asking, begin, turns, verified
from .laravel_stand_in import Laravel, answer, status, user

pytestmark = pytest.mark.usefixtures("logged")


class TestTheQuestion:
    @pytest.mark.parametrize("ending", ["", "/", "/api/v1", "/api/v1/", "/sub/site/api/v1"])
    async def test_it_is_put_to_users_me_whichever_way_the_url_is_given(self, laravel: Laravel, ending: str) -> None:
        laravel.always = answer({"success": True, "data": user(5)})
        async with asking(laravel, url=laravel.url + ending) as authenticator:
            assert await ask(authenticator) == ASHA
        path, headers = laravel.seen[0]
        assert path == ("/sub/site" if "sub" in ending else "") + "/api/v1/users/me"
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        assert headers["Accept"] == "application/json"
        assert "Cookie" not in headers

    @pytest.mark.parametrize(
        "url", ["", "api.example.com", "ftp://x", "https://", "https://a:b@x", "http://x?y", "http://x:y"]
    )
    def test_a_url_that_is_none_is_named_at_start(self, url: str) -> None:
        with pytest.raises(ValueError, match="LARAVEL_API_URL"):
            LaravelAuthenticator(url)

    async def test_cookies_are_not_kept(self, laravel: Laravel) -> None:
        laravel.next.append(answer({"success": True, "data": user(5)}, Set_Cookie="laravel_session=x"))
        by_name = f"http://localhost:{laravel.port}"  # of a bare address no HTTP client would keep any
        async with asking(laravel, url=by_name) as authenticator:
            await ask(authenticator)
            await ask(authenticator, OTHER, "6")
        assert "Cookie" not in laravel.seen[1][1]

    async def test_only_id_name_and_gender_are_kept(self, laravel: Laravel) -> None:
        async with asking(laravel) as authenticator:
            verdict = await ask(authenticator)
        assert msgspec.to_builtins(verdict) == {"user": "5", "id": "5", "name": "Name of 5", "gender": "FEMALE"}

    async def test_nothing_keeps_the_token_once_it_is_verified(self, laravel: Laravel) -> None:
        class Token(str):
            """A text that can be seen to vanish."""

        async with asking(laravel) as authenticator:
            token = Token(TOKEN)
            vanished = weakref.ref(token)
            assert await ask(authenticator, token) == ASHA
            del token
            await turns()
            gc.collect()
            assert vanished() is None


class TestUserIds:
    """Contract section 7, row 5: `USR_USR_5`, `USR_5` and `5` name one user."""

    @pytest.mark.parametrize("written", [5, "5", "USR_5", "USR_USR_5"])
    @pytest.mark.parametrize("claimed", ["5", "USR_5", "USR_USR_5"])
    async def test_every_form_names_one_user_and_the_backends_is_shown(
        self, laravel: Laravel, written: object, claimed: str
    ) -> None:
        laravel.users[TOKEN] = user(written)
        async with asking(laravel) as authenticator:
            verdict = await ask(authenticator, TOKEN, claimed)
            assert isinstance(verdict, Identity)
            assert (verdict.user, verdict.id) == ("5", str(written))
            assert await ask(authenticator, TOKEN, claimed) == verdict

    async def test_another_users_id_is_an_invalid_token_now_and_from_the_cache(self, laravel: Laravel) -> None:
        async with asking(laravel) as authenticator:
            for _ in range(2):
                verdict = await ask(authenticator, TOKEN, "6")
                assert isinstance(verdict, Refused)
                assert verdict.message == "Invalid token"
            assert await ask(authenticator, TOKEN, "5") == ASHA
        assert laravel.asked == 1

    @pytest.mark.parametrize(("name", "gender"), [(None, None), (7, ["F"]), ("", "")])
    async def test_a_missing_or_mistyped_name_reads_as_empty(
        self, laravel: Laravel, name: object, gender: object
    ) -> None:
        laravel.users[TOKEN] = user(5, name=name, gender=gender)
        laravel.users[OTHER] = {"id": 6}
        async with asking(laravel) as authenticator:
            for token, user_id in ((TOKEN, "5"), (OTHER, "6")):
                verdict = await ask(authenticator, token, user_id)
                assert isinstance(verdict, Identity)
                assert (verdict.name, verdict.gender) == ("", "")


class TestNoQuestionIsPut:
    @pytest.mark.parametrize(
        ("token", "user_id", "message"),
        [
            ("", "5", "Authentication required"),
            (TOKEN, "", "Authentication required"),
            ("x" * 4097, "5", "Authentication failed"),
            (TOKEN, "5" * 129, "Authentication failed"),
            ("17|SECRET\r\nX-Evil: 1", "5", "Invalid token"),
            ("17|SECRET\x00", "5", "Invalid token"),
            ("17|SECRET\u00e9", "5", "Invalid token"),
            (" 17|SECRET", "5", "Invalid token"),
        ],
    )
    async def test_about_credentials_nobody_can_have_issued(
        self, laravel: Laravel, token: str, user_id: str, message: str
    ) -> None:
        async with asking(laravel) as authenticator:
            told = begin(authenticator, token, user_id)
            assert told.done(), "before verify returns"
            verdict = told.result()
            assert isinstance(verdict, Refused)
            assert verdict.message == message
        assert laravel.asked == 0

    async def test_about_a_token_verified_within_five_minutes(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, clock=clock) as authenticator:
            await verified(authenticator)
            clock.ahead = 295
            again = begin(authenticator)
            assert again.done(), "before verify returns"
            assert again.result() == ASHA
            clock.ahead = 301
            assert not begin(authenticator).done()
        assert authenticator.counters.hits["fresh"] == 1

    async def test_about_a_token_refused_within_five_seconds(self, laravel: Laravel, clock: Clock) -> None:
        del laravel.users[TOKEN]
        async with asking(laravel, clock=clock) as authenticator:
            assert isinstance(await ask(authenticator), Refused)
            again = begin(authenticator)
            assert again.done(), "before verify returns"
            assert isinstance(again.result(), Refused)
            assert laravel.asked == 1
            clock.ahead = 6
            laravel.users[TOKEN] = user(5)
            assert await ask(authenticator) == ASHA


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refusal_is_final_and_forgets_the_verdict_at_once(laravel: Laravel, clock: Clock, code: int) -> None:
    async with asking(laravel, clock=clock) as authenticator:
        await ask(authenticator)
        clock.ahead = 301
        laravel.always = status(code)
        verdict = await ask(authenticator)
        assert isinstance(verdict, Refused)
        assert verdict.message == "Invalid token"
        clock.ahead = 310
        await laravel.stop()
        assert not begin(authenticator).done(), "the yes from before is gone, so nothing is at hand"
