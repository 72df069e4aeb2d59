"""Reliability: slowhttptest in its three modes, against a server with the defaults."""

import re
import subprocess

from process import Growth
from raw import LAST_GET, ask_status
from server import example

CONNECTIONS = 1000
MODES = {
    "slow headers": ["-H", "-i", "2", "-l", "60", "/"],
    "slow body": ["-B", "-i", "10", "-s", "8192", "-l", "100", "/"],
    "slow read": ["-X", "-w", "1", "-y", "8", "-n", "5", "-z", "32", "-k", "3", "-l", "120",
                  "/big?bytes=10000000"],
}
BYTES_EACH_MAX = 512 * 1024


def long_05_06_07_slowhttptest_closes_none_of_its_doors():
    with example("conformance") as server:
        for mode, (*options, path) in MODES.items():
            growth = Growth(server)
            said = slowhttptest(*options, "-u", server.http(path))
            assert ask_status(server, LAST_GET) == 200
            available = re.findall(r"service available: +(\w+)", said)
            counts = [
                {name: int(number) for name, number in re.findall(COUNT, status)}
                for status in said.split("slow HTTP test status on")[1:]
            ]
            ended = re.search(r"Exit status: *(.*)", said)[1].strip()
            print(
                f"{mode}: service available {set(available)}, the most at once"
                f" {max(count['connected'] for count in counts)}, {growth.bytes() >> 10} KiB,"
                f" {ended} after {re.search('Test ended on ([0-9]+)', said)[1]} s",
                flush=True,
            )
            assert set(available) == {"YES"}, said
            assert ended == "No open connections left", said
            assert growth.bytes() < CONNECTIONS * BYTES_EACH_MAX, growth.bytes()


COUNT = r"(initializing|pending|connected|error|closed): +(\d+)"


def slowhttptest(*arguments):
    command = ["slowhttptest", "-c", str(CONNECTIONS), "-r", "500", "-p", "5", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # In colours.
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", done.stdout)
