"""What the times of the Laravel authenticator must be to each other."""

from onlycare_socket.adapters.laravel import Patience


def test_a_backend_that_is_merely_slow_gets_to_answer() -> None:
    patience = Patience()
    assert patience.wait == 8, "contract section 1"
    assert patience.request >= patience.wait, "a request that is cut before would be made again and again"
