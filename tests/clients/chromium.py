"""A headless Chromium, driven by its DevTools protocol: JSON over one WebSocket per page.

Only what the tests need: open a page, type, press, click, ask JavaScript, take a picture, and say
what the page has complained about.
"""

import base64
import contextlib
import json
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

import server

START_SECONDS_MAX = 30
ANSWER_SECONDS_MAX = 20

# Without the last four it looks for its maker's hosts at every start.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--window-size=800,600",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium():
    """A browser with a profile of its own."""
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert program, "no Chromium is installed"
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        tempfile.TemporaryFile() as log,
        contextlib.ExitStack() as pages,
    ):
        process = server.start([program, *FLAGS, f"--user-data-dir={profile}"], log)
        try:
            yield Browser(debugging_port(Path(profile), process), pages)
        except BaseException:
            print(f"--- {program} has logged:\n{server.text_of(log)}---")
            raise
        finally:
            pages.close()
            server.end(process)


def debugging_port(profile, process):
    """The port it has chosen, which it writes into its profile."""
    file = profile / "DevToolsActivePort"
    deadline = time.monotonic() + START_SECONDS_MAX
    while not file.exists() or "\n" not in file.read_text():
        assert process.poll() is None, f"Chromium ended with status {process.returncode}"
        assert time.monotonic() < deadline, "Chromium does not start"
        time.sleep(0.02)
    return int(file.read_text().splitlines()[0])


class Browser:
    def __init__(self, port, pages):
        self.port = port
        self.pages = pages

    def open(self, url):
        """A page in a tab of its own, loaded."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT"
        )
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        # No limit on a message: a screenshot is one.
        socket = self.pages.enter_context(connect(address, max_size=None))
        page = Page(socket)
        page.load(url)
        return page


class Page:
    def __init__(self, socket):
        self.socket = socket
        self.commands = 0
        self.events = []
        for domain in ["Page", "Runtime", "Log"]:
            self.command(f"{domain}.enable")

    def load(self, url):
        failure = self.command("Page.navigate", url=url).get("errorText")
        assert not failure, f"{url}: {failure}"
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def ask(self, expression):
        """The value of a JavaScript expression; of a promise, what it comes to."""
        answer = self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait_until(self, condition):
        """Waits in the page until a JavaScript expression is true."""
        self.ask(
            "new Promise(done => { const look = () =>"
            f" ({condition}) ? done() : setTimeout(look, 10); look(); }})"
        )

    def type(self, selector, text):
        """Clicks into a field and types."""
        self.click(selector)
        for character in text:
            self.command("Input.dispatchKeyEvent", type="char", text=character)

    def press_enter(self):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        self.command("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        self.command("Input.dispatchKeyEvent", type="keyUp", **key)

    def click(self, selector):
        """A press of the mouse where the element is."""
        at = self.ask(
            f"(box => ({{x: box.x + box.width / 2, y: box.y + box.height / 2}}))"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        for kind in ["mousePressed", "mouseReleased"]:
            self.command("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def take_picture(self, path):
        data = self.command("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def complaints(self):
        """Errors and warnings of the console, and exceptions nobody caught."""
        # Events come in order, so after an answer all that happened before it are here.
        self.ask("null")
        return [event for event in self.events if is_complaint(event)]

    def command(self, method, **parameters):
        self.commands += 1
        self.socket.send(json.dumps({"id": self.commands, "method": method, "params": parameters}))
        while True:
            message = self.receive()
            if message.get("id") == self.commands:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def receive(self):
        return json.loads(self.socket.recv(timeout=ANSWER_SECONDS_MAX))


def is_complaint(event):
    method, parameters = event["method"], event["params"]
    return (
        method == "Runtime.exceptionThrown"
        or (method == "Runtime.consoleAPICalled" and parameters["type"] in ["error", "warning"])
        or (method == "Log.entryAdded" and parameters["entry"]["level"] in ["error", "warning"])
    )
