"""HTTP as curl speaks it: forms of a target, versions, expectations, ranges, chunks, sockets."""

import subprocess
import tempfile
from pathlib import Path

from curl import answer_of, curl, fetch
from server import example

ALPHABET = b"abcdefghijklmnopqrstuvwxyz"


def test_options_for_all_of_the_server():
    with example("conformance") as server:
        whole = ["--request", "OPTIONS", "--request-target", "*"]
        answer = fetch(*whole, server.http())
        assert answer.status == 200


def test_options_for_all_of_a_server_that_has_routes():
    with example("hello") as server:
        answer = fetch("--request", "OPTIONS", "--request-target", "*", server.http())
        assert (answer.status, answer.content) == (204, b"")


def test_a_target_with_its_authority_is_routed_by_its_path():
    with example("hello") as server:
        proxy = ["--proxy", server.http()]
        answer = fetch(*proxy, "http://elsewhere.test/")
        assert (answer.status, answer.content) == (200, b"Hello, World!")
        assert fetch(*proxy, "http://elsewhere.test/nowhere").status == 404


def test_a_tunnel_is_refused():
    with example("hello") as server:
        command = ["--proxytunnel", "--proxy", server.http(), "http://elsewhere.test:80/"]
        # It says so in a code of its own, and not in an answer.
        said = failing("--write-out", "%{http_connect}", "--output", "/dev/null", *command)
        assert said in (b"400", b"404", b"405", b"501"), said


def test_a_method_that_nobody_knows():
    with example("hello") as server:
        assert fetch("--request", "BREW", server.http()).status in (405, 501)


def test_http_1_0_that_asks_for_it_is_kept():
    with example("hello") as server:
        kept = ["--http1.0", "--header", "Connection: keep-alive"]
        answer = fetch(*kept, server.http())
        assert answer.fields["Connection"].lower() == "keep-alive"
        assert connections_made(3, *kept, server.http()) == 1


def test_twenty_requests_share_a_connection_and_close_ends_it():
    with example("conformance") as server:
        assert connections_made(20, server.http("/uri?[1-20]")) == 1
        closing = ["--header", "Connection: close"]
        assert connections_made(5, *closing, server.http("/uri?[1-5]")) == 5


def connections_made(count, *arguments):
    """How many connections curl has opened for so many requests."""
    urls = [word for word in arguments if word.startswith("http://")]
    options = [word for word in arguments if not word.startswith("http://")]
    if "[" not in urls[0]:
        urls *= count
    done = curl(*options, "--write-out", "\n%{http_code} %{num_connects}\n", *urls)
    told = [line.split() for line in done.stdout.splitlines() if line.startswith(b"200 ")]
    assert len(told) == count, done.stdout
    return sum(int(connects) for _, connects in told)


def test_an_unknown_expectation_is_417():
    with example("conformance") as server:
        answer = fetch("--header", "Expect: the-unexpected", "--data", "a", server.http())
        assert answer.status == 417


def test_head_is_the_head_of_get():
    with example("conformance") as server:
        for path in "/alpha.txt", "/uri", "/204", "/big?bytes=100000":
            got, head = fetch(server.http(path)), fetch("--head", server.http(path))
            assert head.content == b""
            for name in "Content-Type", "Content-Length", "ETag", "Accept-Ranges":
                assert head.fields[name] == got.fields[name], f"{path}: {name}"


def test_a_range_of_the_alphabet():
    with example("conformance") as server:
        for wanted, content, told in [
            ("0-0", b"a", "bytes 0-0/26"),
            ("5-9", b"fghij", "bytes 5-9/26"),
            ("20-", b"uvwxyz", "bytes 20-25/26"),
            ("-3", b"xyz", "bytes 23-25/26"),
            ("20-99", b"uvwxyz", "bytes 20-25/26"),
        ]:
            answer = fetch("--range", wanted, server.http("/alpha.txt"))
            assert (answer.status, answer.content) == (206, content), wanted
            assert answer.fields["Content-Range"] == told
        beyond = fetch("--range", "26-", server.http("/alpha.txt"))
        assert (beyond.status, beyond.fields["Content-Range"]) == (416, "bytes */26")


def test_a_download_is_resumed():
    with example("conformance") as server, tempfile.NamedTemporaryFile() as half:
        half.write(ALPHABET[:10])
        half.flush()
        curl("--continue-at", "-", "--output", half.name, server.http("/alpha.txt"))
        assert Path(half.name).read_bytes() == ALPHABET


def test_what_is_known_already_is_not_sent_again():
    with example("conformance") as server, tempfile.TemporaryDirectory() as folder:
        tag = Path(folder) / "tag"
        known = ["--etag-save", str(tag), "--etag-compare", str(tag)]
        assert fetch(*known, server.http("/alpha.txt")).status == 200
        again = fetch(*known, server.http("/alpha.txt"))
        assert (again.status, again.content) == (304, b"")


def test_a_stream_is_chunked_and_ends_with_the_connection_in_http_1_0():
    with example("trials") as server:
        raw = answer_of(curl("--include", "--raw", server.http("/big?bytes=20000")).stdout)
        assert raw.fields["Transfer-Encoding"] == "chunked"
        assert raw.content.startswith(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        assert raw.content.endswith(b"\r\n0\r\n\r\n")
        old = fetch("--http1.0", server.http("/big?bytes=20000"))
        assert old.content == b"x" * 20_000
        assert not {"Transfer-Encoding", "Content-Length"} & set(old.fields)


def test_an_upload_in_chunks_arrives():
    with example("trials") as server:
        chunked = ["--header", "Transfer-Encoding: chunked", "--header", "Expect:"]
        for target, content in ("/collect", b"100000"), ("/sink", b"100000"):
            answer = fetch(
                *chunked, "--data-binary", "@-", server.http(target), content=bytes(100_000)
            )
            assert (answer.status, answer.content) == (200, content)


def test_an_answer_that_breaks_is_seen_to_be_broken():
    with example("trials") as server:
        chunked = b"5\r\nhello\r\nnot a chunk\r\n"
        with server.connect() as stream:
            head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            stream.sendall(head + chunked)
            octets = b"".join(iter(lambda: stream.recv(65536), b""))
        assert octets.startswith(b"HTTP/1.1 200 ")
        assert b"hello" in octets and not octets.endswith(b"0\r\n\r\n"), octets


def test_a_unix_socket_is_served():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/trials.socket"
        with example("trials", "unix", path) as server:
            answer = fetch("--unix-socket", path, "http://localhost/over/a/file")
            assert answer.fields["X-Seen"].split() == ["GET", "/over/a/file"]
            assert connections_made(5, "--unix-socket", path, "http://localhost/[1-5]") == 1
            assert fetch(server.http("/as/well")).status == 200


def failing(*arguments):
    """What curl says when the server refuses."""
    command = ["curl", "--silent", "--max-time", "20", *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode != 0
    return done.stdout
