"""The examples as processes: started on a free port, watched, and gone at the end.

`with example("hello") as server:` is all that a test says. An example that ends by itself, or whose
log tells of a panic, fails the test that used it.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time

# Set by run.py.
binaries = None
artefacts = None

START_SECONDS_MAX = 10


class Server:
    """A running example."""

    def __init__(self, name, port, log):
        self.name = name
        self.port = port
        self.log = log

    def http(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def ws(self, path):
        return f"ws://127.0.0.1:{self.port}{path}"

    def said(self):
        """All that it has printed so far."""
        return text_of(self.log)

    def connect(self):
        """A bare TCP connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@contextlib.contextmanager
def example(name, *arguments):
    """An example on a port of its own, which it gets as its first argument."""
    port = free_port()
    with tempfile.TemporaryFile() as log:
        server = Server(name, port, log)
        process = start([binaries / name, str(port), *map(str, arguments)], log)
        try:
            wait_until_it_listens(server, process)
            yield server
            assert process.poll() is None, f"{name} ended with status {process.returncode}"
        except BaseException:
            print(f"--- {name} has logged:\n{text_of(log)}---")
            raise
        finally:
            end(process)
        assert "panicked at" not in text_of(log), f"a panic in {name}:\n{text_of(log)}"


def start(command, log):
    """A process that does not outlive this one, whatever happens to it."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def end(process):
    """Ends it with all that it has started: a browser is many processes behind a script."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until_it_listens(server, process):
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        assert process.poll() is None, f"{server.name} ended with status {process.returncode}"
        try:
            server.connect().close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"{server.name} does not listen"
            time.sleep(0.01)


def read_to_end(stream):
    """All that comes until the server closes the connection."""
    return b"".join(iter(lambda: stream.recv(65536), b""))


def text_of(log):
    log.seek(0)
    return log.read().decode(errors="replace")
