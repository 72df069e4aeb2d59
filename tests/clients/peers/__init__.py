"""The servers that Squall is compared with: each on a port of its own, with an application that
answers 200 and says in `X-Seen` what it has seen."""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from server import example, free_port, running

HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def all_of_them():
    """The name of each server, and its port."""
    with contextlib.ExitStack() as stack:
        starters = {"Squall": squall, "nginx": nginx, "Node": node, "Tornado": tornado}
        yield {name: stack.enter_context(start()) for name, start in starters.items()}


@contextlib.contextmanager
def squall():
    with example("trials") as server:
        yield server.port


@contextlib.contextmanager
def nginx():
    with tempfile.TemporaryDirectory() as folder:
        port, upstream = free_port(), free_port()
        configuration = Path(folder) / "nginx.conf"
        text = (HERE / "nginx.conf").read_text()
        for name, value in ("FOLDER", folder), ("PORT", port), ("UPSTREAM", upstream):
            text = text.replace(name, str(value))
        configuration.write_text(text)
        # Its workers are another user's, if it is started by root.
        Path(folder).chmod(0o755)
        with (
            running([sys.executable, HERE / "upstream.py", upstream], upstream),
            running(["nginx", "-p", folder, "-c", configuration], port),
        ):
            yield port


@contextlib.contextmanager
def node():
    port = free_port()
    with running(["node", HERE / "application.js", port], port):
        yield port


@contextlib.contextmanager
def tornado():
    port = free_port()
    with running([sys.executable, HERE / "application.py", port], port):
        yield port


def versions():
    """What is compared with what."""
    import tornado as package

    nginx_says = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    node_says = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return {
        "nginx": nginx_says.strip().rpartition("/")[2],
        "Node": node_says.strip().removeprefix("v"),
        "Tornado": package.version,
    }
