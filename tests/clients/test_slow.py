"""Reliability: slow clients of seven shapes are cut, each in its time, and cost the others little.

The test has few clients and short deadlines; with `--long` there are ten thousand of each shape,
against `bench_server` as it is by default.
"""

import contextlib
import json
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from process import Process
from server import example

SLOW = Path(__file__).resolve().parent / "slow.py"


@dataclass
class Expected:
    """The setting whose time cuts them, and the status that they hear, if they do."""

    setting: str
    status: str | None


EXPECTED = {
    "nothing": Expected("timeout_header", None),
    "half a head": Expected("timeout_header", "408"),
    "a dripping head": Expected("timeout_header", "408"),
    "a silent content": Expected("timeout_content", "408"),
    "a dripping content": Expected("timeout_content", "408"),
    "dripping chunks": Expected("timeout_content", "408"),
    "idle": Expected("timeout_idle", None),
}
# Of the server, in seconds.
DEFAULTS = {"timeout_header": 30, "timeout_content": 60, "timeout_idle": 75}
SHORT = {"timeout_header": 1, "timeout_content": 2, "timeout_idle": 3}
# How much later than due a client may see the end, on a machine that has other things to do.
LATE_SECONDS_MAX = 5


def test_08_each_slow_shape_is_cut_by_its_deadline_with_408_where_a_request_had_begun():
    count = 200
    settings = [word for name, value in SHORT.items() for word in (name, value * 1000)]
    with example("trials", *settings) as server, contextlib.ExitStack() as stack:
        crowds = {
            shape: stack.enter_context(crowd(server, shape, count, 0.3, 20, target="/sink"))
            for shape in EXPECTED
        }
        # The others are served meanwhile.
        requests, _ = load(server, "/x", 2)
        assert requests > 1000, requests
        for shape, process in crowds.items():
            check(shape, count, SHORT, report_of(process))


def long_08_ten_thousand_of_each_slow_shape_beside_64_that_go_on():
    """Of two servers one has them. Both are asked in turn, and what counts is the ratio of each two
    that follow each other: whatever else the machine does happens to both."""
    count, pairs, seconds, least = 10_000, 10, 1, 0.90
    missed = []
    with example("bench_server") as free, example("bench_server") as held:
        load(free, "/", 2)
        load(held, "/", 2)
        process = Process(held)
        for shape in EXPECTED:
            with crowd(held, shape, count, interval=10, give_up=90) as slow:
                samples = [
                    (load(held, "/", seconds), load(free, "/", seconds)) for _ in range(pairs)
                ]
                assert process.descriptors() > count, "they were cut before they were measured"
                report = report_of(slow)
            ratio, cost = (
                statistics.median(with_them[what] / without[what] for with_them, without in samples)
                for what in (0, 1)
            )
            print(
                f"{shape}: {report['cut']} cut after {report['seconds']} s with"
                f" {report['statuses']}; 64 others kept {ratio:.3f} of their throughput,"
                f" at {cost:.3f} of the CPU each",
                flush=True,
            )
            check(shape, count, DEFAULTS, report)
            # A server that is asked as fast as it answers is bound by its processor: what an answer
            # costs there bounds the throughput too, where the machine has other things to do.
            if max(ratio, 1 / cost) < least:
                missed.append(f"{shape}: {ratio:.3f}")
    assert not missed, missed


def check(shape, count, settings, report):
    expected = EXPECTED[shape]
    due = settings[expected.setting]
    assert (report["cut"], report["left"]) == (count, 0), f"{shape}: {report}"
    statuses = {expected.status: count} if expected.status else {}
    assert report["statuses"] == statuses, f"{shape}: {report}"
    # The clock of a loop is read once a turn, and drips earn some milliseconds.
    first, _, last = report["seconds"]
    assert due - 0.5 <= first and last <= due + LATE_SECONDS_MAX, f"{shape}: {report}"


@contextlib.contextmanager
def crowd(server, shape, count, interval, give_up, target="/echo"):
    """Slow clients that have begun."""
    command = [sys.executable, SLOW, server.port, shape, count]
    command += ["--target", target, "--interval", interval, "--give-up", give_up]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.wait()


def report_of(process):
    return json.loads(process.stdout.readline())


def load(server, path, seconds):
    """64 connections that ask as fast as they are answered: answers a second, and the server's CPU
    for each in seconds."""
    process = Process(server)
    before = process.cpu_seconds()
    command = ["wrk", "-t1", "-c64", f"-d{seconds}", server.http(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu = process.cpu_seconds() - before
    assert "Socket errors" not in said and "Non-2xx" not in said, said
    count = int(re.search(r"(\d+) requests in", said)[1])
    return float(re.search(r"Requests/sec: +([\d.]+)", said)[1]), cpu / count
