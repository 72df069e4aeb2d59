"""Reliability: a server's end, its next beginning, and handlers that fail."""

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import threading

from curl import answer_of
from process import wait_until
from raw import GET, LAST_GET, ask_status, get, read_answer, request
from server import example, free_port, read_to_end


def test_17_a_server_that_was_killed_has_its_port_again_at_once():
    port = free_port()
    with contextlib.ExitStack() as stack:
        with example("trials", port=port, may_end=True) as server:
            streams = [stack.enter_context(server.connect()) for _ in range(100)]
            for stream in streams:
                stream.sendall(GET)
                assert read_answer(stream).status == 200
            for stream in streams[:50]:
                stream.sendall(request("POST", "/sink", "Content-Length: 10"))
            server.process.kill()
            server.ended()
        with example("trials", port=port) as server:
            assert ask_status(server, LAST_GET) == 200


def test_18_a_stopping_server_answers_what_has_begun_and_closes_what_is_idle():
    with example("trials", may_end=True) as server, contextlib.ExitStack() as stack:
        idle, half_head, half_content, streamed = [
            stack.enter_context(server.connect()) for _ in range(4)
        ]
        idle.sendall(GET)
        assert read_answer(idle).status == 200
        half_head.sendall(GET[:20])
        half_content.sendall(request("POST", "/sink", "Content-Length: 10", content=b"hello"))
        streamed.sendall(get("/big?bytes=30000000"))
        assert streamed.recv(100)
        assert ask_status(server, LAST_GET) == 200

        server.process.send_signal(signal.SIGTERM)
        assert read_to_end(idle) == b""
        assert not listens(server)
        half_head.sendall(GET[20:])
        half_content.sendall(b"world")
        for stream in half_head, half_content:
            answer = answer_of(read_to_end(stream))
            assert (answer.status, answer.fields["Connection"]) == (200, "close")
        assert read_to_end(streamed).endswith(b"\r\n0\r\n\r\n")
        assert server.ended() == 0
        assert "idle: 1, finished: 3, cut: 0" in server.said(), server.said()


def test_18_a_deadline_and_a_second_signal_cut_what_is_left():
    for grace, signals in (500, 1), (60_000, 2):
        with example("trials", "grace", grace, may_end=True) as server:
            with server.connect() as stream:
                stream.sendall(get("/never"))
                assert ask_status(server, LAST_GET) == 200
                for _ in range(signals):
                    server.process.send_signal(signal.SIGTERM)
                    # Two that are under way are one.
                    wait_until(lambda: not listens(server), "it has heard the signal")
                assert read_to_end(stream) == b""
            cut_somebody = 3
            assert server.ended() == cut_somebody
            assert "cut: 1" in server.said(), server.said()


def listens(server):
    try:
        server.connect().close()
    except (ConnectionRefusedError, ConnectionResetError):
        # The second: it was in the queue when the socket was closed.
        return False
    return True


def test_19_a_restart_under_load_loses_no_request():
    """As a service manager does it: the socket is its own, and outlives the servers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        port = listening.getsockname()[1]
        shared = {"port": port, "sockets": [listening], "may_end": True}
        with example("trials", **shared) as first:
            tallies = [beside(ask_again_and_again, port, keeps) for keeps in (True, False)]
            with example("trials", **shared) as second:
                stop(first)
                with example("trials", **shared) as third:
                    stop(second)
                    assert ask_status(third, LAST_GET) == 200
                    totals = [tally() for tally in tallies]
    for total in totals:
        assert total["answered"] > 100, totals
        assert (total["refused"], total["lost"]) == (0, 0), totals


def stop(server):
    server.process.send_signal(signal.SIGTERM)
    assert server.ended() == 0


CLIENTS = 16


async def ask_again_and_again(port, keeps, is_over):
    """What became of the requests of some clients, each one after the other."""
    total = {"answered": 0, "repeated": 0, "refused": 0, "lost": 0}

    async def client():
        reader = writer = None
        while not is_over():
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    is_new = True
                writer.write(GET if keeps else LAST_GET)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(4)
            except ConnectionRefusedError:
                total["refused"] += 1
                return
            except (asyncio.IncompleteReadError, ConnectionError):
                # RFC 9112, 9.3.1: a connection that was kept may close while a request is on its
                # way. Without an octet of an answer it is sent again; on a new one it is lost.
                # It may also be reset before it is open, in the queue of one that is killed.
                total["lost" if writer is None or is_new else "repeated"] += 1
                if writer is not None:
                    writer.close()
                writer = None
                continue
            assert head.startswith(b"HTTP/1.1 200 "), head
            total["answered"] += 1
            is_new = False
            if not keeps or b"connection: close" in head.lower():
                writer.close()
                writer = None
        if writer is not None:
            writer.close()

    await asyncio.gather(*[client() for _ in range(CLIENTS)])
    return total


def beside(function, *arguments):
    """Runs it beside, until its result is asked for."""
    results, over = [], threading.Event()
    thread = threading.Thread(
        target=lambda: results.append(asyncio.run(function(*arguments, over.is_set)))
    )
    thread.start()

    def result():
        over.set()
        thread.join()
        return results[0]

    return result


def test_20_a_worker_that_is_killed_is_not_missed():
    """Two processes with a socket each on the same port."""
    port = free_port()
    shared = {"port": port, "may_end": True}
    with example("trials", "reuse_port", "true", **shared) as first:
        with example("trials", "reuse_port", "true", **shared) as second:
            tally = beside(ask_again_and_again, port, True)
            assert ask_status(first, LAST_GET) == 200
            second.process.kill()
            second.ended()
            for _ in range(50):
                assert ask_status(first, LAST_GET) == 200
            with example("trials", "reuse_port", "true", **shared):
                for _ in range(50):
                    assert ask_status(first, LAST_GET) == 200
                total = tally()
    assert total["answered"] > 100, total
    assert total["refused"] == 0, total
    # Those that were with the one that was killed, each once.
    assert total["lost"] + total["repeated"] <= 2 * CLIENTS, total


def test_21_a_handler_that_panics_costs_its_own_request():
    with example("trials", may_panic=True) as server, server.connect() as other:
        other.sendall(GET)
        assert read_answer(other).status == 200
        with server.connect() as stream:
            stream.sendall(get("/panic"))
            answer = read_answer(stream)
            assert answer.status == 500
            assert b"as it was asked for" not in answer.content
        for _ in range(100):
            assert ask_status(server, get("/panic", "Connection: close")) == 500
        other.sendall(GET)
        assert read_answer(other).status == 200


def test_21_a_handler_that_blocks_or_never_answers_ends_nothing_else():
    with example("trials") as server, contextlib.ExitStack() as stack:
        never = stack.enter_context(server.connect())
        never.sendall(get("/never"))
        blocking = stack.enter_context(server.connect())
        blocking.sendall(get("/block?ms=1000"))
        streams = [stack.enter_context(server.connect()) for _ in range(50)]
        for stream in streams:
            stream.sendall(GET)
        assert [read_answer(stream).status for stream in streams] == [200] * 50
        assert read_answer(blocking).content == b"blocked"


def test_29_a_log_on_a_full_disk_or_on_nothing_is_survived():
    for log in "2>/dev/full", "2>&-":
        before = ["sh", "-c", f'exec "$0" "$@" {log}']
        with example("trials", "log", "debug", before=before) as server:
            for _ in range(20):
                assert ask_status(server, b"nonsense\r\n\r\n") == 400
                assert ask_status(server, LAST_GET) == 200


def test_wrk_with_a_connection_for_each_request_has_no_error():
    with example("trials") as server:
        command = ["wrk", "-t1", "-c32", "-d1", "-H", "Connection: close", server.http("/x")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "Socket errors" not in said and "Non-2xx" not in said, said
        assert int(re.search(r"(\d+) requests in", said)[1]) > 100, said
        assert ask_status(server, LAST_GET) == 200
