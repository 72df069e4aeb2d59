"""Content on its way in: `bench_server`'s /echo gives it back."""

import os

from curl import answer_of, curl
from server import example

CONTENT = os.urandom(300 * 1024)

# curl itself expects 100 for large content; here each test says what it wants.
AT_ONCE = ["--header", "Expect:"]
# It would go on by itself after a minute, and is not given so long.
WHEN_ASKED = ["--header", "Expect: 100-continue", "--expect100-timeout", "60"]
IN_CHUNKS = ["--header", "Transfer-Encoding: chunked"]


def test_content_of_known_length_comes_back():
    with example("bench_server") as server:
        answer = answer_of(upload(server.http("/echo"), *AT_ONCE))
        assert answer.status == 200
        assert answer.content == CONTENT


def test_content_in_chunks_comes_back():
    with example("bench_server") as server:
        answer = answer_of(upload(server.http("/echo"), *AT_ONCE, *IN_CHUNKS))
        assert answer.status == 200
        assert answer.content == CONTENT


def test_a_client_that_expects_100_hears_it_before_it_sends():
    with example("bench_server") as server:
        asked, _, octets = upload(server.http("/echo"), *WHEN_ASKED).partition(b"\r\n\r\n")
        assert asked == b"HTTP/1.1 100 Continue"
        answer = answer_of(octets)
        assert answer.status == 200
        assert answer.content == CONTENT


def test_a_client_that_expects_100_from_nowhere_hears_404_instead():
    with example("bench_server") as server:
        assert answer_of(upload(server.http("/nowhere"), *WHEN_ASKED)).status == 404


def upload(url, *arguments):
    """Posts the content; all heads and the content that come back."""
    command = ["--include", *arguments, "--data-binary", "@-", url]
    return curl(*command, content=CONTENT).stdout
