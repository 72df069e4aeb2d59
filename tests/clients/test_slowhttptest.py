"""Reliability: slowhttptest in its three modes, against a server with the defaults."""

import contextlib
import re
import subprocess
import threading

from process import Growth
from raw import LAST_GET, ask_status
from server import example

CONNECTIONS = 1000
MODES = {
    "slow headers": ["-H", "-i", "2", "-l", "60", "/x"],
    "slow body": ["-B", "-i", "10", "-s", "8192", "-l", "100", "/collect"],
    "slow read": [
        "-X",
        "-w",
        "1",
        "-y",
        "8",
        "-n",
        "5",
        "-z",
        "32",
        "-k",
        "3",
        "-l",
        "120",
        "/big?bytes=10000000",
    ],
}
BYTES_EACH_MAX = 512 * 1024


def long_05_06_07_slowhttptest_closes_none_of_its_doors():
    with example("trials") as server:
        for mode, (*options, path) in MODES.items():
            growth = Growth(server)
            with asked_meanwhile(server) as statuses:
                said = slowhttptest(*options, "-u", server.http(path))
            available = re.findall(r"service available: +(\w+)", said)
            counts = [
                {name: int(number) for name, number in re.findall(COUNT, status)}
                for status in said.split("slow HTTP test status on")[1:]
            ]
            ended = re.search(r"Exit status: *(.*)", said)[1].strip()
            print(
                f"{mode}: {len(statuses)} others served, service available"
                f" {available.count('YES')} of {len(available)} times, the most at once"
                f" {max(count['connected'] for count in counts)}, {growth.bytes() >> 10} KiB,"
                f" {ended} after {re.search('Test ended on ([0-9]+)', said)[1]} s",
                flush=True,
            )
            assert set(statuses) == {200} and len(statuses) > 20, statuses
            assert ended == "No open connections left", said
            assert growth.bytes() < CONNECTIONS * BYTES_EACH_MAX, growth.bytes()


@contextlib.contextmanager
def asked_meanwhile(server):
    """What another client is told, once a second."""
    statuses, over = [], threading.Event()

    def ask_again_and_again():
        while not over.wait(1):
            statuses.append(ask_status(server, LAST_GET))

    thread = threading.Thread(target=ask_again_and_again)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join()


COUNT = r"(initializing|pending|connected|error|closed): +(\d+)"


def slowhttptest(*arguments):
    command = ["slowhttptest", "-c", str(CONNECTIONS), "-r", "500", "-p", "5", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # In colours.
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", done.stdout)
