"""The examples as processes: started on a free port, watched, and gone at the end.

`with example("hello") as server:` is all that a test says. An example that ends by itself, or whose
log tells of a panic, fails the test that used it.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Set by run.py.
binaries = None
artefacts = None

START_SECONDS_MAX = 10


class Server:
    """A running example."""

    def __init__(self, name, port, log, process=None):
        self.name = name
        self.port = port
        self.log = log
        self.process = process

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

    def ended(self, seconds=10):
        """Waits until it has ended by itself: its status."""
        return self.process.wait(seconds)


@contextlib.contextmanager
def example(
    name,
    *arguments,
    port=None,
    before=(),
    limits=None,
    sockets=(),
    may_end=False,
    may_panic=False,
    folder=None,
):
    """An example on a port of its own, which it gets as its first argument.

    It is started by the command `before`, if there is one; with the resource limits `limits`
    (numbers of the module `resource`, and values); with listening `sockets`, handed over as
    systemd does. It is looked for in `folder`.
    """
    port = port or free_port()
    with tempfile.TemporaryFile() as log:
        command = [*before, (folder or binaries) / name, port, *arguments]
        process = start(command, log, limits=limits, sockets=sockets)
        server = Server(name, port, log, process)
        try:
            wait_until_it_listens(server, process)
            if name == "trials":
                # The port may be one that another process has as well.
                wait_until_it_says(server, "listening")
            yield server
            ended = process.poll()
            assert may_end or ended is None, f"{name} ended with status {ended}"
        except BaseException:
            print(f"--- {name} has logged:\n{text_of(log)}---")
            raise
        finally:
            end(process)
        said = text_of(log)
        assert may_panic or "panicked at" not in said, f"a panic in {name}:\n{said}"


def debug_example(name, *arguments, **more):
    """An example with all of Rust's checks, as `cargo test` has built it too."""
    folder = ROOT / "target/debug/examples"
    assert (folder / name).exists(), f"cargo build --example {name} has to come before"
    return example(name, *arguments, folder=folder, **more)


@contextlib.contextmanager
def running(command, port):
    """Another program, as soon as it listens on the port."""
    name = str(command[0])
    with tempfile.TemporaryFile() as log:
        process = start(command, log)
        try:
            wait_until_it_listens(Server(name, port, log), process)
            yield process
        except BaseException:
            print(f"--- {name} has logged:\n{text_of(log)}---")
            raise
        finally:
            end(process)


def start(command, log, limits=None, sockets=()):
    """A process that does not outlive this one, whatever happens to it."""

    def prepare():
        die_with_parent()
        for number, value in (limits or {}).items():
            resource.setrlimit(number, (value, value))

    numbers = [one.fileno() for one in sockets]
    if sockets:
        command = [sys.executable, "-c", HAND_SOCKETS_OVER, *numbers, "--", *command]
    return subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=prepare,
        pass_fds=numbers,
    )


# As systemd does it: sockets are descriptors 3 and up, and the environment says how many.
HAND_SOCKETS_OVER = """
import os, sys
end = sys.argv.index("--")
moved = [os.dup(int(number)) for number in sys.argv[1:end]]
for position, number in enumerate(moved):
    os.dup2(number, 3 + position)
os.environ.update(LISTEN_FDS=str(len(moved)), LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""


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


def wait_until_it_says(server, words):
    deadline = time.monotonic() + START_SECONDS_MAX
    while words not in server.said():
        assert time.monotonic() < deadline, f"{server.name} does not say {words!r}"
        time.sleep(0.01)


def read_to_end(stream):
    """All that comes until the server closes the connection."""
    return b"".join(iter(lambda: stream.recv(65536), b""))


def text_of(log):
    log.seek(0)
    return log.read().decode(errors="replace")
