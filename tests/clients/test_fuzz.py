"""Reliability: requests that are almost what they should be, in numbers, to a server with all of
Rust's checks.

The seeds are the requests of `cases`. The test has always the same mutants; with `--long` there
are others each time, and the seed is printed.
"""

import random
import re
import time

from cases import GROUPS
from process import Growth, Process, wait_until_descriptors_are
from raw import LAST_GET, ask_status, read_answer, request, send_what_is_taken
from server import debug_example

SEED = 22
MIB = 1024 * 1024
SEEDS = [octets for group in GROUPS for _, octets, _ in group.cases if len(octets) < 2000]
TELLING = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"=", b'"', b"0", b"\xff"]
TELLING += [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"]
TELLING += [b"Host: a\r\n", b"Expect: 100-continue\r\n", b"ffffffff\r\n", b"0\r\n\r\n"]
ANSWERS = re.compile(rb"HTTP/1\.1 [1-5]\d\d [A-Z]")
LONG_SECONDS = 600


def test_22_five_thousand_mutants_are_answered_or_closed():
    with debug_example("trials", "timeout_content", 2000, "timeout_header", 2000) as server:
        check(server, mutants(random.Random(SEED)), lambda count: count < 5000)


def long_22_mutants_for_ten_minutes():
    seed = random.randrange(1 << 32)
    print(f"the seed is {seed}", flush=True)
    until = time.monotonic() + LONG_SECONDS
    with debug_example("trials", "timeout_content", 2000, "timeout_header", 2000) as server:
        count = check(server, mutants(random.Random(seed)), lambda _: time.monotonic() < until)
        print(f"{count} mutants", flush=True)


def mutants(chance):
    while True:
        octets = chance.choice(SEEDS)
        for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 5, 8])):
            octets = mutated(octets, chance)
        yield octets


def mutated(octets, chance):
    at = chance.randrange(len(octets) + 1)
    until = min(len(octets), at + chance.choice([1, 1, 2, 4, 8, 64]))
    match chance.randrange(7):
        case 0:
            return octets[:at] + bytes([chance.randrange(256)]) + octets[at + 1 :]
        case 1:
            return octets[:at] + chance.choice(TELLING) + octets[at:]
        case 2:
            return octets[:at] + octets[until:]
        case 3:
            return octets[:until] + octets[at:]
        case 4:
            return octets[:at] + chance.choice(SEEDS)
        case 5:
            return octets[:at]
        case _:
            return octets + chance.choice(SEEDS)


def check(server, inputs, goes_on):
    """Sends them, each on a connection of its own, half of which the client closes at once."""
    warm_up(server)
    base, growth, count = Process(server).descriptors(), Growth(server), 0
    while goes_on(count):
        octets = next(inputs)
        with server.connect() as stream:
            send_what_is_taken(stream, octets)
            if count % 2:
                check_answers(octets, read_until_it_has_answered(stream, server))
        count += 1
    wait_until_descriptors_are(server, base)
    assert growth.bytes() < 5 * MIB, growth.bytes()
    assert ask_status(server, LAST_GET) == 200
    return count


def warm_up(server):
    content = bytes(1000)
    for _ in range(20):
        with server.connect() as stream:
            stream.sendall(request("POST", "/collect", "Content-Length: 1000", content=content))
            assert read_answer(stream).status == 200


def read_until_it_has_answered(stream, server):
    """What has come when a request that was sent after it is answered."""
    assert ask_status(server, LAST_GET) == 200
    octets = b""
    stream.setblocking(False)
    try:
        while piece := stream.recv(65536):
            octets += piece
    except (BlockingIOError, ConnectionResetError):
        pass
    return octets


def check_answers(octets, heard):
    assert not heard or ANSWERS.match(heard), f"{octets} was answered with {heard}"
    # Each answer has a request of its own: none is answered twice.
    answers = len(re.findall(rb"HTTP/1\.1 [2-5]\d\d [A-Z]", heard))
    lines = len(re.findall(rb"[^\r\n]+", octets))
    assert answers <= max(1, lines), f"{octets} was answered with {heard}"
    assert b"500 Internal" not in heard, f"{octets} was answered with {heard}"
