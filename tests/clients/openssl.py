"""openssl as it is on the command line: certificates, clients and servers."""

import contextlib
import queue
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from server import end, free_port, start

SECONDS_MAX = 20


def openssl(*arguments, content=b""):
    """Runs it to its end, and returns all that it has printed."""
    done = run(*arguments, content=content)
    assert done.returncode == 0, f"{arguments}: {done.stdout.decode(errors='replace')}"
    return done.stdout.decode(errors="replace")


def run(*arguments, content=b""):
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(
        command,
        input=content,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS_MAX,
        check=False,
    )


class Certificates:
    """A folder with an authority and what it has signed."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.authority = self.folder / "authority.pem"
        # Its name is its own: by it a certificate says who has signed it.
        self._new("authority", "-subj", f"/CN=Authority {self.folder.name}")

    def issue(self, name, subject="localhost", key="ec"):
        """A certificate and its key, for the host `subject`."""
        authority = "-CA", self.authority, "-CAkey", self.folder / "authority.key"
        names = f"subjectAltName=DNS:{subject}"
        return self._new(name, "-subj", f"/CN={subject}", "-addext", names, *authority, key=key)

    def _new(self, name, *arguments, key="ec"):
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        kind = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256") if key == "ec" else (key,)
        is_authority = "basicConstraints=critical,CA:" + ("TRUE" if name == "authority" else "FALSE")
        openssl(
            *("req", "-x509", "-nodes", "-days", "2", "-newkey", *kind),
            *("-keyout", private, "-out", certificate, "-addext", is_authority, *arguments),
        )
        return certificate, private


@contextlib.contextmanager
def certificates():
    with tempfile.TemporaryDirectory() as folder:
        yield Certificates(folder)


class Client:
    """`openssl s_client`, spoken to line by line."""

    def __init__(self, port, *arguments):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.transcript = ""
        self._lines = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self._lines.put(line.decode(errors="replace"))
        self._lines.put(None)

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, what):
        """Waits for a line that has `what` in it."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            assert line is not None, f"no {what!r} in:\n{self.transcript}"
            self.transcript += line
            if what in line:
                return line

    def finish(self):
        """Says the end, and returns all that it has printed."""
        self.process.stdin.close()
        while (line := self._lines.get(timeout=SECONDS_MAX)) is not None:
            self.transcript += line
        self.process.wait(SECONDS_MAX)
        return self.transcript


@contextlib.contextmanager
def client(port, *arguments):
    talking = Client(port, *arguments)
    try:
        yield talking
    finally:
        talking.process.kill()
        talking.process.wait()


@contextlib.contextmanager
def server(*arguments):
    """`openssl s_server`; gives its port."""
    port = free_port()
    with tempfile.TemporaryFile() as log:
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", *map(str, arguments)]
        process = start(command, log)
        try:
            deadline = time.monotonic() + SECONDS_MAX
            while b"ACCEPT" not in _text(log):
                assert process.poll() is None, _text(log)
                assert time.monotonic() < deadline, "openssl s_server does not listen"
                time.sleep(0.01)
            yield port
        finally:
            end(process)


def _text(log):
    log.seek(0)
    return log.read()
