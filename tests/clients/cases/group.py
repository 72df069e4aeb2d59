"""Requests that servers take differently, and what is right.

A group has a clause and a rule: REFUSE (the application must not see it), ACCEPT (it must see just
this), OPEN (the standard leaves it to the server; `why` says what we have chosen). A case has a
name, bytes, and what Squall does: its answers with what the application has seen, and whether the
connection stays open.
"""

from dataclasses import dataclass, field

REFUSE, ACCEPT, OPEN = "refuse", "accept", "open"

BAD = "400; closed"


@dataclass
class Group:
    title: str
    clause: str
    rule: str
    why: str
    # Whether it is also right or wrong to close.
    is_about_connections: bool = False
    cases: list = field(default_factory=list)

    def add(self, name, request, ours=BAD):
        octets = request if isinstance(request, bytes) else request.encode("latin-1")
        self.cases.append((name, octets, ours))
        return self

    def add_all(self, pairs, make, ours=BAD):
        """A case for each name and word, of which `make` makes a request."""
        for name, word in pairs:
            self.add(name, make(word), ours(word) if callable(ours) else ours)
        return self


def named(*words):
    """Words as names of themselves, as they would be written in Python."""
    return [(ascii(word)[1:-1], word) for word in words]


def line(request_line):
    return f"{request_line}\r\nHost: a\r\n\r\n"


def fields(lines):
    return f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"


def post(lines, content=""):
    return f"POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{content}"


def chunked(content):
    return post("Transfer-Encoding: chunked", content)


# What an attacker would have behind a request whose end two servers see at different places.
HIDDEN = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"

GROUPS = []


def group(*facts, **more):
    GROUPS.append(Group(*facts, **more))
    return GROUPS[-1]


def seen(what, status=200):
    return f"{status} {what}; open"
