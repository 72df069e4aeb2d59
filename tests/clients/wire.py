"""What a server makes of bytes: its answers, what its application has seen, and how it leaves the
connection. Nothing is waited for by the clock.

A server is finished with our bytes when requests that came after them, on other connections, are
answered: it is one thread, and takes what is ready in turn. Only a server that is silent and keeps
the connection has to be asked that often.
"""

import asyncio
import re
from dataclasses import dataclass

# After so many round trips elsewhere nothing more is on its way.
ROUND_TRIPS = 4
SECONDS_MAX = 20

PROBE = b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    seen: str | None
    fields: str

    def __str__(self):
        return f"{self.status} {self.seen}" if self.seen else str(self.status)


@dataclass(frozen=True)
class Outcome:
    answers: tuple
    is_open: bool

    def __str__(self):
        answers = ", ".join(map(str, self.answers)) or "nothing"
        return f"{answers}; {'open' if self.is_open else 'closed'}"


class Prober:
    """A connection beside the one that matters, to know when a server has had its turn."""

    def __init__(self, port):
        self.port = port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def make_a_round_trip(self):
        self.writer.write(PROBE)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if match := re.search(r"\r\ncontent-length: (\d+)", head):
            await self.reader.readexactly(int(match[1]))
        else:
            await self.reader.readuntil(b"0\r\n\r\n")


class Listener(asyncio.Protocol):
    """Collects what comes, and notices the end."""

    def __init__(self):
        self.octets = b""
        self.is_open = True
        self.told = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.octets += data
        self.told.set()

    def eof_received(self):
        self.is_open = False
        self.told.set()

    def connection_lost(self, _):
        self.is_open = False
        self.told.set()


async def outcome(port, request, pieces=1):
    """Sends a request (in so many pieces), and tells what came of it."""
    async with asyncio.timeout(SECONDS_MAX):
        loop = asyncio.get_running_loop()
        _, listener = await loop.create_connection(Listener, "127.0.0.1", port)
        async with Prober(port) as prober:
            size = -(-len(request) // pieces)
            for start in range(0, len(request), size):
                if not listener.is_open:
                    break
                listener.transport.write(request[start : start + size])
                if pieces > 1:
                    await prober.make_a_round_trip()
            await settle(listener, prober)
        listener.transport.abort()
        return Outcome(tuple(answers_in(listener.octets)), listener.is_open)


async def settle(listener, prober):
    """Until nothing has come for some round trips; and for many if nothing has come at all, since
    an application behind its server, or one in Python, may only be late."""
    quiet = 0
    while listener.is_open and quiet < (ROUND_TRIPS if listener.octets else 20 * ROUND_TRIPS):
        listener.told.clear()
        await prober.make_a_round_trip()
        quiet = 0 if listener.told.is_set() else quiet + 1


def answers_in(octets):
    """All answers, those of 1xx too."""
    while octets:
        head, found, rest = octets.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.[01] (\d\d\d)[ \r]?", head + b"\r")
        if not match or not found:
            # Content alone, as HTTP/0.9 had it, or what was cut off.
            yield Answer(0, f"without a head: {octets[:40].decode('latin-1')!r}", "")
            return
        status, fields = int(match[1]), head.decode("latin-1")
        seen = field(fields, "x-seen")
        if status >= 200:
            rest = without_content(fields, seen, rest)
        yield Answer(status, readable(seen), fields)
        octets = rest


def without_content(fields, seen, rest):
    # A refused HEAD has no content either, and is the last.
    if seen and seen.startswith("HEAD "):
        return rest
    if length := field(fields, "content-length"):
        return rest[int(length) :]
    if field(fields, "transfer-encoding") == "chunked":
        return rest.partition(b"0\r\n\r\n")[2]
    # As long as the connection.
    return b""


def field(fields, name):
    match = re.search(rf"\r\n{name}: *(.*?)\r?$", fields, re.IGNORECASE | re.MULTILINE)
    return match[1] if match else None


def readable(seen):
    """Method, target and content, as they are written down in the cases."""
    if seen is None:
        return None
    method, target, content = (seen.split(" ") + [""])[:3]
    text = bytes.fromhex(content).decode("latin-1")
    return f"{method} {target}" + (f" {text!r}" if text else "")
