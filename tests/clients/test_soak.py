"""Reliability: hours in minutes. All that clients do, round after round, and nothing grows."""

import random
import statistics

from process import Growth, Process, wait_until_descriptors_are
from raw import GET, LAST_GET, ask_status, reset, send_what_is_taken
from server import example
from test_cost import read_answers
from test_descriptors import STATES, ab
from test_fuzz import mutants
from test_slow import load
from test_upload import upload

MIB = 1024 * 1024
WARM_UP_ROUNDS, ROUNDS = 5, 60


def test_30_a_few_rounds_of_everything_leave_nothing_behind():
    soak(warm_up=2, rounds=2)


def long_30_an_hour_of_everything_leaves_nothing_behind():
    soak(WARM_UP_ROUNDS, ROUNDS)


def soak(warm_up, rounds):
    chance = random.Random(30)
    with example("trials") as server:
        for _ in range(warm_up):
            do_everything(server, chance)
        base, growth = Process(server).descriptors(), Growth(server)
        costs = [do_everything(server, chance) for _ in range(rounds)]
        wait_until_descriptors_are(server, base)
        print(f"{rounds} rounds: {growth.bytes() / 1024:.0f} KiB more", flush=True)
        assert growth.bytes() < MIB + rounds * 16 * 1024, growth.bytes()
        # What a request costs does not creep up.
        half = len(costs) // 2
        assert statistics.median(costs[half:]) < 1.5 * statistics.median(costs[:half]), costs


def do_everything(server, chance):
    """Keep-alive, a connection for each, in one go, uploads, resets, nonsense; what each of the
    first kind has cost."""
    _, cost = load(server, "/x", 1)
    ab(server, 1000)
    with server.connect() as stream:
        stream.sendall(GET * 500)
        read_answers(stream, 500)
    for chunks in (), ("--header", "Transfer-Encoding: chunked"):
        upload(server.http("/echo"), *chunks)
    for octets in STATES.values():
        stream = server.connect()
        stream.sendall(octets)
        reset(stream)
    nonsense = mutants(chance)
    for _ in range(200):
        with server.connect() as stream:
            send_what_is_taken(stream, next(nonsense))
    assert ask_status(server, LAST_GET) == 200
    return cost
