"""The `websockets` library, strict about RFC 6455, against the echo and the broadcast."""

import asyncio
import os

from server import example
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

KIB = 1024
MIB = 1024 * KIB


async def test_text_and_binary_of_every_size_come_back():
    with example("bench_server") as server:
        async with connect(server.ws("/ws"), compression=None) as socket:
            # The lengths around which a frame's head changes its form, and one in many reads.
            for length in [0, 1, 125, 126, 127, 65_535, 65_536, MIB]:
                for message in ["x" * length, os.urandom(length)]:
                    await socket.send(message)
                    assert await socket.recv() == message


async def test_a_message_in_fragments_comes_back_whole():
    async def later():
        for piece in ["in ", "", "pie", "ces ✓"]:
            await asyncio.sleep(0)
            yield piece

    with example("bench_server") as server:
        async with connect(server.ws("/ws")) as socket:
            await socket.send(["Hel", "", "lo"])
            assert await socket.recv() == "Hello"
            await socket.send(later())
            assert await socket.recv() == "in pieces ✓"
            await socket.send([b"\x00" * 1000] * 300)
            assert await socket.recv() == b"\x00" * 300_000


async def test_a_ping_is_answered_also_between_fragments():
    with example("bench_server") as server:
        async with connect(server.ws("/ws")) as socket:
            await (await socket.ping(b"alone"))

            async def with_a_ping_inside():
                yield "before "
                await (await socket.ping(b"inside"))
                yield "after"

            await socket.send(with_a_ping_inside())
            assert await socket.recv() == "before after"


async def test_messages_sent_without_waiting_come_back_in_order():
    with example("bench_server") as server:
        async with connect(server.ws("/ws")) as socket:
            for number in range(500):
                await socket.send(str(number))
            assert [int(await socket.recv()) for _ in range(500)] == list(range(500))


async def test_the_closing_handshake_gives_the_code_back():
    with example("bench_server") as server:
        socket = await connect(server.ws("/ws"))
        await socket.close(4001, "as agreed")
        assert socket.close_code == 4001


async def test_a_message_over_the_limit_is_refused_with_1009():
    with example("bench_server") as server:
        socket = await connect(server.ws("/ws"), compression=None)
        try:
            await socket.send(b"\x00" * (10 * MIB + 1))
            await socket.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1009, closed
        else:
            raise AssertionError("it was taken")


async def test_a_page_of_another_origin_is_refused():
    with example("bench_server") as server:
        try:
            async with connect(server.ws("/ws"), origin="http://elsewhere.example"):
                raise AssertionError("it was let in")
        except InvalidStatus as refused:
            assert refused.response.status_code == 403
        async with connect(server.ws("/ws"), origin=server.http("")) as socket:
            await socket.ping()


async def test_a_broadcast_reaches_all_and_the_sender():
    with example("bench_server") as server:
        sockets = [await connect(server.ws("/broadcast")) for _ in range(20)]
        # An answer to a ping comes after `open`, so by now all have subscribed.
        for socket in sockets:
            await (await socket.ping())
        for message in ["one", "two", "three" * 10 * KIB]:
            await sockets[7].send(message)
            assert [await socket.recv() for socket in sockets] == [message] * 20
        await sockets.pop().close()
        await sockets[0].send("without the last")
        assert {await socket.recv() for socket in sockets} == {"without the last"}
        for socket in sockets:
            await socket.close()
