"""Reliability: slowhttptest in its three modes, against a server with the defaults."""

import contextlib
import re
import subprocess
import threading
from pathlib import Path

from process import Growth, Process, wait_until_descriptors_are
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
        base = Process(server).descriptors()
        for mode, (*options, path) in MODES.items():
            growth = Growth(server)
            with asked_meanwhile(server) as samples:
                said = slowhttptest(*options, "-u", server.http(path))
            available = re.findall(r"service available: +(\w+)", said)
            counts = [
                {name: int(number) for name, number in re.findall(COUNT, status)}
                for status in said.split("slow HTTP test status on")[1:]
            ]
            ended = re.search(r"Exit status: *(.*)", said)[1].strip()
            print(
                f"{mode}: {len(samples)} others served, service available"
                f" {available.count('YES')} of {len(available)} times, the most at once"
                f" {max(count['connected'] for count in counts)}, {growth.bytes() >> 10} KiB,"
                f" {ended} after {re.search('Test ended on ([0-9]+)', said)[1]} s",
                flush=True,
            )
            assert {status for status, *_ in samples} == {200} and len(samples) > 20, samples
            if mode == "slow read":
                # They would go on for hours. The server has let go of them, and so has the system.
                _, descriptors, unsent = samples[-2]
                assert descriptors <= base + 4 and unsent < 64 * 1024, samples
            wait_until_descriptors_are(server, base)
            assert growth.bytes() < CONNECTIONS * BYTES_EACH_MAX, growth.bytes()


@contextlib.contextmanager
def asked_meanwhile(server):
    """Once a second: what another client is told, the server's descriptors, and the octets that the
    system has not sent."""
    samples, over = [], threading.Event()

    def ask_again_and_again():
        while not over.wait(1):
            try:
                status = ask_status(server, LAST_GET)
            except OSError:
                status = None
            samples.append((status, Process(server).descriptors(), unsent_bytes(server)))

    thread = threading.Thread(target=ask_again_and_again)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def unsent_bytes(server):
    """Of all its connections, those that it has closed too."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    ours = [one for one in fields if int(one[1].split(":")[1], 16) == server.port]
    is_listening = "0A"
    return sum(int(one[4].split(":")[0], 16) for one in ours if one[3] != is_listening)


COUNT = r"(initializing|pending|connected|error|closed): +(\d+)"


def slowhttptest(*arguments):
    command = ["slowhttptest", "-c", str(CONNECTIONS), "-r", "500", "-p", "5", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # In colours.
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", done.stdout)
