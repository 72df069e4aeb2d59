"""Slow clients in numbers, of seven shapes, and how each was cut.

    python tests/clients/slow.py PORT SHAPE COUNT [--target PATH] [--interval S] [--give-up S]

Prints `open` when all connections are made and have said what they say at first; then, when the
server has cut them all or the time is up, a line of JSON: how many were cut, after how many seconds,
and with which statuses. One process has as many as its limit of descriptors allows.
"""

import argparse
import collections
import heapq
import json
import selectors
import socket
import statistics
import sys
import time

# For it content is read to its end before there is an answer.
HEAD = b"POST TARGET HTTP/1.1\r\nHost: a\r\n"


class Shape:
    """What a client says at first, and again and again; whether it has a whole answer before it
    falls silent."""

    def __init__(self, first, again=b"", has_answer=False):
        self.first = first
        self.again = again
        self.has_answer = has_answer


SHAPES = {
    "nothing": Shape(b""),
    "half a head": Shape(b"GET / HTTP/1.1\r\nHos"),
    "a dripping head": Shape(b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n"),
    "a silent content": Shape(HEAD + b"Content-Length: 100000\r\n\r\n"),
    "a dripping content": Shape(HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
    "dripping chunks": Shape(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "idle": Shape(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", has_answer=True),
}

# Connections that are made before their first octets are sent: fewer than a backlog.
AT_ONCE = 200


class Crowd:
    """All clients of one shape."""

    def __init__(self, port, shape, target, interval):
        self.port = port
        self.shape = shape
        self.first = shape.first.replace(b"TARGET", target.encode())
        self.interval = interval
        self.selector = selectors.DefaultSelector()
        self.since = {}
        self.heard = collections.defaultdict(bytes)
        self.cuts = []
        self.drips = []

    def open(self, count):
        for start in range(0, count, AT_ONCE):
            streams = [self.connect() for _ in range(start, min(start + AT_ONCE, count))]
            for stream in streams:
                if self.first:
                    stream.sendall(self.first)
                if self.shape.has_answer:
                    assert stream.recv(65536).startswith(b"HTTP/1.1 200")
                self.since[stream] = time.monotonic()
                stream.setblocking(False)
                self.selector.register(stream, selectors.EVENT_READ)
                if self.shape.again:
                    heapq.heappush(self.drips, (self.due(), id(stream), stream))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def due(self):
        return time.monotonic() + self.interval

    def wait_until_cut(self, seconds):
        deadline = time.monotonic() + seconds
        while self.since and (left := deadline - time.monotonic()) > 0:
            if self.drips:
                left = min(left, max(0, self.drips[0][0] - time.monotonic()))
            for key, _ in self.selector.select(left):
                self.hear(key.fileobj)
            while self.drips and self.drips[0][0] <= time.monotonic():
                self.drip(heapq.heappop(self.drips)[2])

    def hear(self, stream):
        try:
            octets = stream.recv(65536)
        except OSError:
            octets = b""
        if octets:
            self.heard[stream] += octets
            return
        self.cuts.append(time.monotonic() - self.since.pop(stream))
        self.selector.unregister(stream)
        stream.close()

    def drip(self, stream):
        if stream not in self.since:
            return
        try:
            stream.send(self.shape.again)
        except OSError:
            # Its end is about to be heard.
            return
        heapq.heappush(self.drips, (self.due(), id(stream), stream))

    def report(self):
        statuses = collections.Counter(
            octets.split(b" ", 2)[1].decode() for octets in self.heard.values()
        )
        cuts = sorted(self.cuts) or [0.0]
        return {
            "cut": len(self.cuts),
            "left": len(self.since),
            "statuses": dict(statuses),
            "seconds": [round(value, 2) for value in (cuts[0], statistics.median(cuts), cuts[-1])],
        }


def main():
    parser = argparse.ArgumentParser(description="Slow clients.")
    parser.add_argument("port", type=int)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("count", type=int)
    parser.add_argument("--target", default="/echo")
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--give-up", type=float, default=90)
    arguments = parser.parse_args()
    crowd = Crowd(arguments.port, SHAPES[arguments.shape], arguments.target, arguments.interval)
    crowd.open(arguments.count)
    print("open", flush=True)
    crowd.wait_until_cut(arguments.give_up)
    print(json.dumps(crowd.report()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
