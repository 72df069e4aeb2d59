"""Reliability: peers that send without end, or take nothing, meet a limit and cost no memory."""

import contextlib
import resource
import select
import socket
import subprocess
import tempfile

from process import Growth, wait_until
from raw import (
    LAST_GET,
    ask,
    ask_status,
    get,
    read_answer,
    request,
    send_what_is_taken,
    status_of,
)
from server import example, read_to_end

MIB = 1024 * 1024
# What the limits of the server are by default.
CONTENT_BYTES_MAX = 10 * MIB


def test_07_slow_readers_of_a_big_answer_cost_a_bounded_buffer_and_are_cut():
    readers, bytes_each_max = 200, 512 * 1024
    with example("trials", "timeout_write", 1500) as server, contextlib.ExitStack() as stack:
        growth = Growth(server)
        streams = [stack.enter_context(server.connect()) for _ in range(readers)]
        for stream in streams:
            stream.sendall(get("/big?bytes=100000000"))
        assert ask_status(server, LAST_GET) == 200
        assert growth.bytes() < readers * bytes_each_max, growth.bytes()
        # They read nothing until the server has cut them: then what had been sent, and an end.
        wait_until(lambda: growth.process.descriptors() < 30, "the server has cut them")
        assert all(len(read_to_cut(stream)) < 20 * MIB for stream in streams)


def read_to_cut(stream):
    octets = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := stream.recv(1 << 20):
            octets += piece
    return octets


def test_09_pipelined_requests_whose_answers_are_not_read_are_not_read_either():
    with example("trials") as server, server.connect() as stream, server.connect() as beside:
        growth = Growth(server)
        stream.setblocking(False)
        requests = get("/whole?bytes=10000") * 1000
        sent, stalls = 0, 0
        # Full when nothing more is taken, although the server has had its turns.
        while stalls < 20:
            with contextlib.suppress(BlockingIOError):
                sent += stream.send(requests[sent % len(requests) :])
                stalls = 0
                assert sent < 64 * MIB, "it reads on and on"
                continue
            stalls += 1
            beside.sendall(get("/"))
            assert read_answer(beside).status == 200
        assert growth.bytes() < 5 * MIB, growth.bytes()


def test_10_an_upload_of_4_gib_is_refused_from_its_head_and_the_client_hears_it():
    with example("trials") as server:
        growth = Growth(server)
        with server.connect() as stream:
            stream.sendall(request("POST", "/x", "Content-Length: 4294967296"))
            assert status_of(read_to_end(stream)) == 413
        with server.connect() as stream:
            stream.sendall(request("POST", "/x", "Content-Length: 4294967296"))
            for _ in range(8):
                send_what_is_taken(stream, bytes(MIB // 16))
            assert status_of(read_to_end(stream)) == 413
        with tempfile.NamedTemporaryFile() as sparse:
            sparse.truncate(4 * 1024 * MIB)
            for expectation in "Expect:", "Expect: 100-continue":
                command = ["curl", "--silent", "--max-time", "20", "--header", expectation]
                command += ["--write-out", "%{http_code} %{size_upload}", "--output", "/dev/null"]
                command += ["--upload-file", sparse.name, server.http("/x")]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                status, sent = done.stdout.split()
                assert status == "413", f"{expectation} {done}"
                assert int(sent) <= 16 * MIB, done
        assert growth.bytes() < 2 * MIB, growth.bytes()


def test_11_endless_chunks_end_at_the_limit():
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with example("trials") as server:
        growth = Growth(server)
        for target in "/sink", "/x":
            head = request("POST", target, "Transfer-Encoding: chunked")
            assert send_without_end(server, head, chunk) == 413
        assert growth.bytes() < CONTENT_BYTES_MAX + 5 * MIB, growth.bytes()


def test_11_a_million_chunks_of_one_octet_are_content_like_any_other():
    chunk = b"1\r\nx\r\n" * 10_000
    with example("trials") as server, server.connect() as stream:
        growth = Growth(server)
        stream.sendall(request("POST", "/sink", "Transfer-Encoding: chunked"))
        for _ in range(100):
            stream.sendall(chunk)
        stream.sendall(b"0\r\n\r\n")
        assert read_answer(stream).content == b"1000000"
        assert growth.bytes() < 1 * MIB, growth.bytes()


def test_12_heads_extensions_and_trailers_without_end_are_refused():
    chunked = "Transfer-Encoding: chunked"
    with example("trials") as server:
        growth = Growth(server)
        for octets, without_end, statuses in [
            (b"GET /", b"a" * 65536, {414}),
            (b"", b"A" * 65536, {501}),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n" * 10_000, {431}),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a" * 65536, {431}),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X" * 65536, {431}),
            (request("POST", "/x", chunked), b"0" * 65536, {400}),
            (request("POST", "/x", chunked, content=b"1;"), b"a" * 65536, {400}),
            (request("POST", "/x", chunked), b"1;a=b\r\nx\r\n" * 10_000, {400}),
            (request("POST", "/x", chunked, content=b"0\r\n"), b"X: y\r\n" * 10_000, {431}),
            (request("POST", "/x", chunked, content=b"0\r\nX: "), b"a" * 65536, {431}),
        ]:
            status = send_without_end(server, octets, without_end)
            assert status in statuses, f"{octets} and {without_end[:10]}...: {status}"
        assert ask_status(server, head_of(20_000)) == 431
        assert ask_status(server, LAST_GET) == 200
        assert growth.bytes() < 2 * MIB, growth.bytes()


def head_of(count):
    return request("GET", "/", *[f"X{number}: y" for number in range(count)])


def send_without_end(server, octets, piece):
    """Goes on until the server has answered: with which status."""
    sent, left = 0, b""
    with server.connect() as stream:
        stream.sendall(octets)
        while sent < 64 * MIB:
            readable, writable, _ = select.select([stream], [stream], [], 10)
            if readable:
                return status_of(read_to_cut(stream))
            assert writable, "it neither reads nor answers"
            left = left or piece
            with contextlib.suppress(ConnectionError):
                count = stream.send(left, socket.MSG_DONTWAIT)
                left, sent = left[count:], sent + count
    raise AssertionError("it has taken everything")


def test_26_uploads_beyond_the_memory_that_there_is_are_refused():
    cap, uploads, length = 1536 * MIB, 40, 99 * MIB
    with example("trials", limits={resource.RLIMIT_AS: cap}) as server:
        growth = Growth(server)
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(server.connect()) for _ in range(uploads)]
            for stream in streams:
                stream.sendall(request("POST", "/x", f"Content-Length: {length}"))
            for stream in streams:
                send_what_is_taken(stream, bytes(MIB // 2))
            assert [status_of(read_to_end(stream)) for stream in streams] == [413] * uploads
        assert growth.bytes() < 20 * MIB, growth.bytes()
        assert ask_status(server, LAST_GET) == 200


def test_26_what_is_allowed_is_served_to_forty_at_once():
    uploads, length = 40, 5 * MIB
    content = bytes(length)
    with example("trials") as server, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(server.connect()) for _ in range(uploads)]
        for stream in streams:
            stream.sendall(request("POST", "/sink", f"Content-Length: {length}"))
        for stream in streams:
            stream.sendall(content)
        for stream in streams:
            assert read_answer(stream).content == b"%d" % length
        assert ask(server, LAST_GET)
