"""What Squall makes of some hundred telling requests, beside nginx, Node and Tornado."""

from types import MappingProxyType

import differences
import peers
from differences import OURS, compare
from server import example

# What is said about a request that is all there cannot be said before: octet by octet these have
# another outcome.
IN_PIECES = {
    # The content has not come when the application asks for it.
    "100-continue, content behind it": "100, 200 POST / 'hi'; open",
    # A head is looked at when its first octets come, and then when a line ends: here none does, and
    # the deadline decides.
    "instead of line ends": "nothing; open",
}

# Squall takes these and all three others refuse them, or do not understand: each with the reason
# why that is right. Nothing else may be here.
TAKEN_BY_US_ALONE = {}


async def test_each_request_is_taken_as_the_cases_say():
    with example("trials") as server:
        rows = await compare({OURS: server.port})
        check_ours(rows)
        wrong = [row.name for row in rows if not row.is_right(OURS)]
        assert not wrong, wrong


async def test_each_request_is_taken_the_same_octet_by_octet():
    octet_by_octet_max = 120
    some_pieces = 23

    def pieces(request):
        return len(request) if len(request) <= octet_by_octet_max else some_pieces

    with example("trials") as server:
        check_ours(await compare({OURS: server.port}, pieces), IN_PIECES)


async def test_every_difference_to_nginx_node_and_tornado_is_in_the_page():
    """On a busy machine a peer may be late, and then says nothing: it is asked again."""
    attempts = 3
    for attempt in range(attempts):
        rows = await differences.all_rows()
        check_ours(rows)
        if differences.page(rows, peers.versions()) == differences.PAGE.read_text():
            break
        print(f"attempt {attempt + 1}: not as in the page")
    alone = {
        row.name
        for row in rows
        if row.reaches_the_application(OURS)
        and not any(row.reaches_the_application(peer) for peer in row.outcomes if peer != OURS)
    }
    assert alone == set(TAKEN_BY_US_ALONE), alone
    versions = peers.versions()
    written = differences.PAGE.read_text()
    if all(f"{peer} {version}" in written for peer, version in versions.items()):
        made = differences.page(rows, versions)
        changed = sorted(set(made.splitlines()) ^ set(written.splitlines()))
        assert made == written, "differs from docs/differences.md:\n" + "\n".join(changed)
    else:
        # The page is of other versions. That Squall does what it should was seen above.
        print(f"docs/differences.md is not of {versions}: only Squall's part is compared")
        assert all(len(row.outcomes) == 1 + len(versions) for row in rows)


def check_ours(rows, otherwise=MappingProxyType({})):
    wrong = [
        f"{row.group.title}: {row.name}: {row.outcomes[OURS]}, not as in the cases"
        for row in rows
        if str(row.outcomes[OURS]) != otherwise.get(row.name, row.ours)
    ]
    assert not wrong, "\n".join(wrong)
