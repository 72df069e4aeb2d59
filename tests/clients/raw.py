"""Bare HTTP/1.1 over sockets that do as they are told."""

import contextlib
import json
import socket
import struct

from curl import answer_of
from server import read_to_end

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def get(target, *fields):
    return request("GET", target, *fields)


def request(method, target, *fields, content=b""):
    lines = [f"{method} {target} HTTP/1.1", "Host: a", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + content


def ask(server, octets):
    """Sends all of it, and returns all that comes until the server closes."""
    with server.connect() as stream:
        send_what_is_taken(stream, octets)
        return read_to_end(stream)


def status_of(octets):
    return answer_of(octets).status


def ask_status(server, octets):
    return status_of(ask(server, octets))


def send_what_is_taken(stream, octets):
    """A server may close, when it has heard enough."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        stream.sendall(octets)


def read_answer(stream):
    """One answer with a length, on a connection that stays: its head and content."""
    octets = b""
    while b"\r\n\r\n" not in octets:
        octets += receive(stream)
    answer = answer_of(octets)
    missing = int(answer.fields["Content-Length"]) - len(answer.content)
    while missing > 0:
        piece = receive(stream)
        answer.content += piece
        missing -= len(piece)
    return answer


def receive(stream):
    octets = stream.recv(65536)
    if not octets:
        raise ConnectionError("closed before the answer was whole")
    return octets


def reset(stream):
    """Closes with RST."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def counts(server):
    """What the example `trials` has counted."""
    return json.loads(answer_of(ask(server, get("/counts", "Connection: close"))).content)
