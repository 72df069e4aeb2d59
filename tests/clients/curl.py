"""curl, and what it was answered."""

import email
import subprocess
from dataclasses import dataclass
from email.message import Message

SECONDS_MAX = 20


@dataclass
class Answer:
    version: str
    status: int
    fields: Message
    content: bytes


def curl(*arguments, content=None):
    """Runs curl; `content` is its standard input. It must succeed."""
    command = ["curl", "--silent", "--show-error", "--max-time", str(SECONDS_MAX), *arguments]
    done = subprocess.run(command, input=content or b"", capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')}"
    return done


def fetch(*arguments, content=None):
    """One request, and its answer taken apart."""
    return answer_of(curl("--include", *arguments, content=content).stdout)


def answer_of(octets):
    head, _, content = octets.partition(b"\r\n\r\n")
    status_line, _, fields = head.decode("latin-1").partition("\r\n")
    version, status = status_line.split(" ")[:2]
    return Answer(version, int(status), email.message_from_string(fields), content)
