"""What cannot be compared, and what is asked for wrongly: one line that says so, and no secret in it."""

import socket
from pathlib import Path

import pytest

from onlycare_socket.cli.compare.people import people_of
from onlycare_socket.cli.compare.report import print_stories
from onlycare_socket.cli.compare.stories import STORIES
from onlycare_socket.cli.compare.tour import Server, chosen
from onlycare_socket.cli.failure import WrongUsage

from .conftest import QUICK, Run, between, stories


@pytest.fixture(scope="module")
def nowhere() -> str:
    """An address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_server_that_is_not_there_is_named(which: str, run: Run, new: str, nowhere: str) -> None:
    both = {"old": new, "new": new} | {which: nowhere}
    said = run("--old", both["old"], "--new", both["new"]).end(3)
    assert f"the {which} server: user 100 cannot connect to {nowhere}: Cannot connect" in said.splitlines()[-1]


def test_a_refused_token_is_named_and_not_shown(run: Run, new: str) -> None:
    said = run("--old", new, "--new", new, ONLYCARE_TOKENS="5=dev:5:s3cret 9=dev:8:s3cret").end(4)
    assert said.splitlines()[-1] == "onlycare-socket: the old server did not let user 9 in: Invalid token"
    assert "s3cret" not in said


def test_a_refused_secret_is_named_and_not_shown(run: Run, new: str) -> None:
    said = run("--old", new, "--new", new, LARAVEL_API_SECRET="another-0123456789abcdef").end(4)
    assert "the old server does not take LARAVEL_API_SECRET" in said
    assert "another-0123456789abcdef" not in said


def test_tokens_come_from_a_file(run: Run, new: str, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("# two test users\nUSR_5=dev:USR_5\n\n9=dev:9\n")
    options = [*between(new, new), "--token-file", str(tmp_path / "tokens"), *stories(["accept", "busy-ringing"])]
    accept, busy = run(*options, ONLYCARE_TOKENS="").json()["stories"]
    assert accept["outcome"] == "same"
    assert busy["leftOut"] == "it needs a third user: give --token a third time"


def test_without_a_secret_what_needs_it_is_left_out(run: Run, new: str) -> None:
    (story,) = run(*between(new, new), *stories(["rest-reject"]), LARAVEL_API_SECRET="").json()["stories"]
    assert story["leftOut"].startswith("it needs LARAVEL_API_SECRET of both servers")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--old", "ftp://a", "--new", "http://b"], "--old ftp://a: it must begin with http:// or https://"),
        (["--old", "http://a", "--new", "http://b", "--token", "17|s3cret", "--token", "6=y"], "user 1: the user's id"),
    ],
)
def test_wrong_usage_is_one_line(options: list[str], says: str, run: Run) -> None:
    said = run(*options, ONLYCARE_TOKENS="").end(2)
    assert (says in said, said.count("\n"), "s3cret" in said) == (True, 1, False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["5=s3cret"], "two or three users, and here are 1"),
        (["5=s3cret"] * 4, "two or three users, and here are 4"),
        (["5=s3cret", "USR_5=s3cret"], "must be different ones"),
        (["5=s3cret", "dev:6"], "user 2: the user's id is missing"),
        (["5=s3cret", "6="], "user 2: expected ID=TOKEN"),
        (["=s3cret", "6=s3cret"], "user 1: expected ID=TOKEN"),
    ],
)
def test_users_that_will_not_do_are_told_without_their_tokens(given: list[str], says: str) -> None:
    with pytest.raises(WrongUsage, match=says) as refusal:
        people_of(given, None, ".env")
    assert "s3cret" not in str(refusal.value)


def test_a_file_of_tokens_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"--token-file .*nowhere: No such file or directory"):
        people_of([], tmp_path / "nowhere", ".env")
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(WrongUsage, match="it is no text"):
        people_of([], tmp_path / "bytes", ".env")


def test_no_token_and_no_secret_shows_in_a_repr() -> None:
    assert "s3cret" not in repr(people_of(["5=s3cret", "6=s3cret"], None, ".env"))
    assert "s3cret" not in repr(Server("old", "http://a", "s3cret"))


def test_a_story_is_chosen_by_its_name_or_its_beginning() -> None:
    assert [story.name for story in chosen(["accept"])] == ["accept"]
    assert {story.name for story in chosen(["stranger", "glare"])} > {"stranger-ends", "glare"}
    assert len(chosen([])) > len(QUICK)
    with pytest.raises(WrongUsage, match="--story nosuch: there is no such story"):
        chosen(["nosuch"])


def test_the_stories_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    print_stories(STORIES)
    listed = capsys.readouterr().out
    assert all(f"\n{name} " in listed for name in QUICK)
    assert "--with-timeouts" in listed
