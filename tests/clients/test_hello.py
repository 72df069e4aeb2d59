"""`hello`, as curl and a bare socket see it: methods, error pages, connections that last."""

from curl import answer_of, curl, fetch
from server import example, read_to_end


def test_get_is_answered_with_the_content_and_what_it_is():
    with example("hello") as server:
        answer = fetch(server.http())
        assert (answer.version, answer.status) == ("HTTP/1.1", 200)
        assert answer.content == b"Hello, World!"
        assert answer.fields["Content-Length"] == "13"
        assert answer.fields["Content-Type"] == "text/html; charset=UTF-8"
        assert answer.fields["Date"].endswith(" GMT")


def test_head_has_the_head_of_get_and_no_content():
    with example("hello") as server:
        answer = fetch("--head", server.http())
        assert answer.status == 200
        assert answer.fields["Content-Length"] == "13"
        assert answer.content == b""


def test_a_path_of_nothing_gets_a_404_page_without_the_path():
    with example("hello") as server:
        answer = fetch(server.http("/<nowhere>"))
        assert answer.status == 404
        assert answer.fields["Content-Type"].startswith("text/html")
        assert b"404" in answer.content
        assert b"nowhere" not in answer.content


def test_another_method_gets_405_and_hears_which_there_are():
    with example("hello") as server:
        answer = fetch("--request", "DELETE", server.http())
        assert answer.status == 405
        allowed = {method.strip() for method in answer.fields["Allow"].split(",")}
        assert {"GET", "HEAD"} <= allowed
        assert "DELETE" not in allowed


def test_options_is_answered_by_itself():
    with example("hello") as server:
        answer = fetch("--request", "OPTIONS", server.http())
        assert answer.status == 204
        assert "GET" in answer.fields["Allow"]
        assert answer.content == b""


def test_two_requests_share_a_connection():
    with example("hello") as server:
        assert connections_made(server.http(), server.http("/nowhere")) == [1, 0]


def test_http_1_0_is_answered_and_the_connection_closed():
    with example("hello") as server:
        answer = fetch("--http1.0", server.http())
        assert answer.status == 200
        assert answer.content == b"Hello, World!"
        assert connections_made("--http1.0", server.http(), server.http()) == [1, 1]


def test_pipelined_requests_are_answered_in_order():
    with example("hello") as server, server.connect() as stream:
        stream.sendall(
            b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
            b"GET /nowhere HTTP/1.1\r\nHost: here\r\n\r\n"
            b"HEAD / HTTP/1.1\r\nHost: here\r\n\r\n"
            b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        )
        octets = read_to_end(stream)
        statuses = []
        for is_head in [False, False, True, False]:
            answer = answer_of(octets)
            statuses.append(answer.status)
            length = 0 if is_head else int(answer.fields["Content-Length"])
            octets = answer.content[length:]
        assert statuses == [200, 404, 200, 200]
        assert answer.fields["Connection"] == "close"
        assert octets == b""


def test_what_is_not_http_gets_400_and_an_end():
    with example("hello") as server, server.connect() as stream:
        stream.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        octets = read_to_end(stream)
        assert octets.startswith(b"HTTP/1.1 400 "), octets


def connections_made(*arguments):
    """How many connections curl opens for each of two addresses."""
    no_content = ["--output", "/dev/null"] * 2
    done = curl(*no_content, "--write-out", "%{num_connects} ", *arguments)
    return [int(count) for count in done.stdout.split()]
