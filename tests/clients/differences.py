"""The same bytes to Squall, nginx, Node and Tornado: what each makes of them, and who is right.

    python tests/clients/differences.py [--binaries FOLDER]

writes `docs/differences.md`, from the requests in `cases`. The test of it is
`test_differences.py`.
"""

import argparse
import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import peers
import server
import wire
from cases import ACCEPT, GROUPS, OPEN, REFUSE

PAGE = server.ROOT / "docs/differences.md"
OURS = "Squall"
# Connections at a time, each with another beside it.
AT_ONCE = 8

RULES = {
    REFUSE: "must not reach the application",
    ACCEPT: "must reach the application, just so",
    OPEN: "left to the server",
}


@dataclass
class Row:
    """One request, and what each server has made of it."""

    group: object
    name: str
    request: bytes
    ours: str
    outcomes: dict

    def is_right(self, peer):
        """Whether it keeps to the standard."""
        outcome = self.outcomes[peer]
        seen = [answer.seen for answer in outcome.answers if answer.seen]
        if self.group.rule == REFUSE:
            return not seen and (bool(outcome.answers) or not outcome.is_open)
        if self.group.rule == ACCEPT:
            ours = self.outcomes[OURS]
            is_other = self.group.is_about_connections and outcome.is_open != ours.is_open
            expected = [answer.seen for answer in ours.answers if answer.seen]
            is_same = list(map(in_origin_form, seen)) == list(map(in_origin_form, expected))
            return is_same and not is_other
        return True

    def reaches_the_application(self, peer):
        return any(answer.seen for answer in self.outcomes[peer].answers)

    def classes(self, peer):
        """What is compared: classes of statuses, what was seen, and what became of the line."""
        outcome = self.outcomes[peer]
        answers = [(answer.status // 100, answer.seen) for answer in outcome.answers]
        return answers, outcome.is_open

    def is_a_difference(self):
        return any(self.classes(peer) != self.classes(OURS) for peer in self.outcomes)


def in_origin_form(seen):
    """A proxy may turn an absolute-form into it."""
    return re.sub(r"^(\S+) https?://[^/? ]*/?", r"\1 /", seen, flags=re.IGNORECASE)


async def compare(ports, pieces=lambda _request: 1):
    """A row for each case."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def row(group, name, request, ours):
        async with gate:
            outcomes = {
                peer: await wire.outcome(port, request, pieces(request))
                for peer, port in ports.items()
            }
            return Row(group, name, request, ours, outcomes)

    return await asyncio.gather(*[row(group, *case) for group in GROUPS for case in group.cases])


def page(rows, versions):
    return "\n".join([*head(rows, versions), *body(rows)]) + "\n"


def head(rows, versions):
    compared = ", ".join(f"{peer} {version}" for peer, version in versions.items())
    yield (
        f"""\
# Differences

The same {len(rows)} requests, the same bytes, to Squall and to {compared}:
what each answers, what its application sees, and whether the connection stays open. Each server has its
defaults; nginx is a proxy, as it mostly is, and the application is behind it.

`python tests/clients/differences.py` writes this page, and `tests/clients/test_differences.py` fails
where a server does something else than is written here. The requests are in
[`cases`](../tests/clients/cases).

An outcome is the answers, each with method, target and content that the application has seen, then
the connection. `400; closed` is a refusal.

| | """
        + " | ".join(rows[0].outcomes)
        + " |"
    )
    yield "|---" * (1 + len(rows[0].outcomes)) + "|"
    for rule in REFUSE, ACCEPT:
        of_rule = [row for row in rows if row.group.rule == rule]
        counts = [sum(row.is_right(peer) for row in of_rule) for peer in rows[0].outcomes]
        yield f"| of {len(of_rule)} that {RULES[rule]} | " + " | ".join(map(str, counts)) + " |"
    differing = sum(row.is_a_difference() for row in rows)
    yield f"\nOf {differing} requests not all four make the same.\n"


def body(rows):
    for group in GROUPS:
        of_group = [row for row in rows if row.group is group]
        differing = [row for row in of_group if row.is_a_difference()]
        yield f"## {group.title}\n"
        yield f"{group.clause}: {RULES[group.rule]}. {group.why}\n"
        if len(differing) < len(of_group):
            same = [code(row.name) for row in of_group if row not in differing]
            outcomes = {text(row.outcomes[OURS]) for row in of_group if row not in differing}
            what = f": {code(outcomes.pop())}" if len(outcomes) == 1 else ""
            yield f"All four alike{what}: {', '.join(same)}.\n"
        if differing:
            yield "| | " + " | ".join(rows[0].outcomes) + " | right |"
            yield "|---" * (2 + len(rows[0].outcomes)) + "|"
            for row in differing:
                outcomes = [cell(text(outcome)) for outcome in row.outcomes.values()]
                yield f"| {cell(row.name)} | " + " | ".join(outcomes) + f" | {right(row)} |"
            yield ""


def right(row):
    if row.group.rule == OPEN:
        return "each"
    those = [peer for peer in row.outcomes if row.is_right(peer)]
    return "all" if len(those) == len(row.outcomes) else ", ".join(those) or "none"


def text(outcome):
    """Short, and in ASCII."""
    shortened = re.sub(r"(.)\1{20,}", lambda run: f"{run[1]} x {len(run[0])}", str(outcome))
    return ascii(shortened)[1:-1].replace("\\\\", "\\").replace("\\'", "'")


def code(words):
    return f"`` {words} ``" if "`" in words else f"`{words}`" if words.strip() else f"`{words!r}`"


def cell(words):
    return code(words.replace("|", "\\|"))


async def all_rows():
    with peers.all_of_them() as ports:
        return await compare(ports)


def main():
    parser = argparse.ArgumentParser(description="Writes docs/differences.md.")
    parser.add_argument("--binaries", type=Path, default=server.ROOT / "target/release/examples")
    server.binaries = parser.parse_args().binaries.resolve()
    PAGE.write_text(page(asyncio.run(all_rows()), peers.versions()))


if __name__ == "__main__":
    main()
