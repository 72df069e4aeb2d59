"""`callbacks`: requests that are answered when somebody else says something."""

from curl import answer_of, fetch
from server import example, read_to_end

WAIT = b"GET /wait HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def test_a_long_poll_is_answered_when_another_client_posts():
    with example("callbacks") as server:
        with server.connect() as first, server.connect() as second:
            for listener in [first, second]:
                listener.sendall(WAIT)
            make_a_round_trip(server)
            assert say(server, "Hello") == b"2 heard it\n"
            for listener in [first, second]:
                answer = answer_of(read_to_end(listener))
                assert (answer.status, answer.content) == (200, b"Hello")
        assert say(server, "Is somebody there?") == b"0 heard it\n"


def test_who_has_gone_is_not_told():
    with example("callbacks") as server:
        with server.connect() as listener:
            listener.sendall(WAIT)
            make_a_round_trip(server)
        make_a_round_trip(server)
        assert say(server, "Hello") == b"0 heard it\n"


def test_say_takes_only_post():
    with example("callbacks") as server:
        answer = fetch(server.http("/say"))
        assert (answer.status, answer.fields["Allow"]) == (405, "POST, OPTIONS")


def make_a_round_trip(server):
    """What was sent before this on other connections has been read when it returns."""
    assert fetch(server.http("/nowhere")).status == 404


def say(server, message):
    return fetch("--data-binary", message, server.http("/say")).content
