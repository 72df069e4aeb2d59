"""What the system knows of a server: its memory, its time, its descriptors. And waiting for what is
to become true."""

import os
import time
from pathlib import Path

SECONDS_MAX = 30


class Process:
    def __init__(self, server):
        self.pid = server.process.pid

    def memory(self):
        """Bytes of memory that are there (RSS)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        """Of its first thread, which has the loop."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Growth:
    """How much more memory a server has than when this was made."""

    def __init__(self, server):
        self.process = Process(server)
        self.before = self.process.memory()

    def bytes(self):
        return self.process.memory() - self.before


def wait_until(condition, what):
    deadline = time.monotonic() + SECONDS_MAX
    while not (holds := condition()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)
    return holds


def wait_until_descriptors_are(server, count):
    process = Process(server)
    wait_until(
        lambda: process.descriptors() <= count,
        f"the server has {count} descriptors as before (it has {process.descriptors()})",
    )
