"""Reliability: connections that come in numbers, stay, vanish, or cannot be accepted."""

import contextlib
import re
import resource
import signal
import subprocess
import tempfile
import time

from process import Growth, Process, wait_until, wait_until_descriptors_are
from raw import (
    GET,
    LAST_GET,
    ask_status,
    counts,
    get,
    read_answer,
    request,
    reset,
    send_what_is_taken,
)
from server import example

KIB = 1024


def test_01_five_thousand_idle_connections_are_held_and_cost_little():
    count, bytes_max = 5000, 6 * KIB
    with example("trials") as server, contextlib.ExitStack() as stack:
        growth = Growth(server)
        streams = [stack.enter_context(server.connect()) for _ in range(count)]
        for stream in streams:
            stream.sendall(GET)
        for stream in streams:
            assert read_answer(stream).status == 200
        assert ask_status(server, LAST_GET) == 200
        assert growth.bytes() / count <= bytes_max, growth.bytes() / count
        print(f"RSS of {count} idle connections: {growth.bytes() / count:.0f} B each")
        for stream in streams[::500]:
            stream.sendall(GET)
            assert read_answer(stream).status == 200


def test_02_a_full_table_of_descriptors_costs_nothing_and_serves_the_old():
    limits = {resource.RLIMIT_NOFILE: 256}
    with example("trials", limits=limits) as server, contextlib.ExitStack() as stack:
        old = [stack.enter_context(server.connect()) for _ in range(240)]
        for stream in old:
            stream.sendall(GET)
            assert read_answer(stream).status == 200
        new = [stack.enter_context(server.connect()) for _ in range(100)]
        process = Process(server)
        wait_until(lambda: "cannot accept" in server.said(), "it has run out of them")
        cpu, lines, seconds = process.cpu_seconds(), len(server.said().splitlines()), 2
        # The only sleep here: what is measured is a share of this time.
        time.sleep(seconds)
        assert process.cpu_seconds() - cpu < 0.05 * seconds
        assert len(server.said().splitlines()) - lines <= seconds + 1
        old[0].sendall(GET)
        assert read_answer(old[0]).status == 200
        for stream in old[1:]:
            stream.close()
        # Those that waited were let in, or told by a close: nobody hangs.
        for stream in new:
            send_what_is_taken(stream, GET)
        assert sum(is_served(stream) for stream in new) > 0
        assert ask_status(server, LAST_GET) == 200


def is_served(stream):
    try:
        return read_answer(stream).status == 200
    except ConnectionError:
        return False


def test_03_errors_of_accept_lose_no_request_and_cause_no_busy_loop():
    for error in "EMFILE", "ECONNABORTED", "ENOBUFS":
        requests = 12
        calls = injected(f"accept4:error={error}:when=2+3", "accept4", one_by_one, requests)
        failed = sum(f" {error} " in call for call in calls)
        assert failed >= 3, calls
        assert len(calls) <= 6 * requests, f"{error}: {len(calls)} calls of accept"


def test_04_interrupted_system_calls_are_not_noticed():
    names = "epoll_wait,recvfrom,sendto,sendmsg,accept4,read,write"
    calls = injected(f"{names}:error=EINTR:when=4+5", names, keep_alive_and_streams, 40)
    interrupted = {re.sub(r"^\d+ +", "", call).split("(")[0] for call in calls if " EINTR " in call}
    assert {"epoll_wait", "recvfrom", "sendto", "accept4"} <= interrupted, interrupted


def injected(fault, names, talk, count):
    """Talks to a server whose system calls fail so; its calls."""
    with tempfile.NamedTemporaryFile() as trace:
        strace = ["strace", "-f", "-o", trace.name, "-e", f"trace={names}", "-e", f"inject={fault}"]
        with example("trials", before=strace) as server:
            talk(server, count)
        return trace.read().decode().splitlines()


def one_by_one(server, count):
    for _ in range(count):
        assert ask_status(server, LAST_GET) == 200


def keep_alive_and_streams(server, count):
    with server.connect() as stream:
        for number in range(count):
            stream.sendall(get(f"/{number}"))
            assert f" /{number} " in read_answer(stream).fields["X-Seen"]
    for _ in range(5):
        with server.connect() as stream:
            stream.sendall(get("/whole?bytes=3000000", "Connection: close"))
            answer = read_answer(stream)
            assert answer.content == b"x" * 3_000_000
        with server.connect() as stream:
            content = bytes(range(256)) * 2000
            length = f"Content-Length: {len(content)}"
            stream.sendall(request("POST", "/sink", length, content=content))
            assert read_answer(stream).content == b"%d" % len(content)


STATES = {
    "nothing said": b"",
    "half a head": b"GET / HTTP/1.1\r\nHos",
    "half a content": request("POST", "/sink", "Content-Length: 100", content=b"half"),
    "half a chunk": request("POST", "/echo", "Transfer-Encoding: chunked", content=b"5\r\nhe"),
    "a due answer": get("/never"),
    "an answer on its way": get("/big?bytes=10000000"),
    "an answered request": GET,
}


def test_13_resets_in_every_state_leave_nothing_behind():
    rounds = 400
    with example("trials") as server:
        base = Process(server).descriptors()
        ask_status(server, LAST_GET)
        growth = Growth(server)
        with server.connect() as beside:
            for number in range(rounds):
                streams = [server.connect() for _ in STATES]
                for stream, octets in zip(streams, STATES.values(), strict=True):
                    stream.sendall(octets)
                # Before the server has looked at them, or after.
                if number % 2:
                    beside.sendall(GET)
                    assert read_answer(beside).status == 200
                for stream in streams:
                    reset(stream)
        assert ask_status(server, LAST_GET) == 200
        wait_until_descriptors_are(server, base)
        wait_until(lambda: counts(server)["at_work"] == 1, "no service works for the gone")
        assert growth.bytes() < 5 * KIB * KIB, growth.bytes()


def test_14_churn_costs_nothing_that_stays():
    with example("trials") as server:
        ab(server, 2000)
        process = Process(server)
        descriptors, growth = process.descriptors(), Growth(server)
        ab(server, 10_000)
        wait_until_descriptors_are(server, descriptors)
        assert growth.bytes() < 1 * KIB * KIB, growth.bytes()


def ab(server, requests):
    command = ["ab", "-q", "-n", str(requests), "-c", "100", server.http("/x")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^Failed requests: +0$", said, re.MULTILINE), said
    assert re.search(rf"^Complete requests: +{requests}$", said, re.MULTILINE), said
    assert "Non-2xx" not in said, said


def test_15_who_goes_before_the_answer_or_during_a_stream_is_noticed():
    clients = 50
    with example("trials") as server:
        base = Process(server).descriptors()
        for target in "/never", "/drip?ms=5":
            before = counts(server)
            streams = [server.connect() for _ in range(clients)]
            for stream in streams:
                stream.sendall(get(target))
            wait_until(lambda: counts(server)["at_work"] == clients + 1, "all are at work")
            for number, stream in enumerate(streams):
                if number % 2:
                    reset(stream)
                else:
                    stream.close()
            expected = before["gone"] + clients
            wait_until(lambda: counts(server)["gone"] == expected, "all are known to be gone")
            wait_until(lambda: counts(server)["at_work"] == 1, "nobody works for them")
        wait_until_descriptors_are(server, base)


def test_16_three_hundred_connections_wait_while_the_process_is_frozen():
    with example("trials") as server, contextlib.ExitStack() as stack:
        server.process.send_signal(signal.SIGSTOP)
        streams = [stack.enter_context(server.connect()) for _ in range(300)]
        for stream in streams:
            stream.sendall(GET)
        server.process.send_signal(signal.SIGCONT)
        assert [read_answer(stream).status for stream in streams] == [200] * 300


def test_25_half_requests_leak_no_descriptors():
    with example("trials") as server:
        base = Process(server).descriptors()
        for _ in range(100):
            for octets in STATES.values():
                with server.connect() as stream:
                    stream.sendall(octets)
        assert ask_status(server, LAST_GET) == 200
        wait_until_descriptors_are(server, base)
