"""The `websockets` library and Tornado, which compress by default, against `ws_echo`, which does so
with a history and without."""

import os

import tornado.websocket
from server import example
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

KIB = 1024
MIB = 1024 * KIB

MESSAGES = [
    "",
    "short",
    "the same again and again, " * 1000,
    "✓" * 70_000,
    b"",
    bytes(MIB),
    os.urandom(300 * KIB),
    # What comes twice is found in a history, if there is one.
    "the same again and again, " * 1000,
]


async def test_websockets_and_every_parameter():
    for arguments in [[], ["takeover"]]:
        with example("ws_echo", *arguments) as server:
            for parameters in [
                {},
                {"server_no_context_takeover": True},
                {"client_no_context_takeover": True},
                {"server_max_window_bits": 9},
                {"client_max_window_bits": 10},
                {"server_max_window_bits": 8, "client_max_window_bits": True},
            ]:
                factory = ClientPerMessageDeflateFactory(**parameters)
                async with connect(
                    server.ws("/"), compression=None, extensions=[factory], max_size=None
                ) as socket:
                    names = [extension.name for extension in socket.protocol.extensions]
                    assert names == ["permessage-deflate"], (parameters, names)
                    for message in MESSAGES:
                        await socket.send(message)
                        assert await socket.recv() == message, parameters


async def test_websockets_and_fragments_with_a_ping_inside():
    with example("ws_echo", "takeover") as server:
        async with connect(server.ws("/")) as socket:

            async def with_a_ping_inside():
                yield "before " * 100
                await (await socket.ping(b"inside"))
                yield "after " * 100

            for _ in range(3):
                await socket.send(with_a_ping_inside())
                assert await socket.recv() == "before " * 100 + "after " * 100


async def test_tornado_with_a_history():
    # Without one, Tornado 6.6 does not understand its own negotiation: it drops parameters that
    # have no value.
    with example("ws_echo", "takeover") as server:
        socket = await tornado.websocket.websocket_connect(
            server.ws("/"), compression_options={}
        )
        for message in MESSAGES:
            await socket.write_message(message, binary=isinstance(message, bytes))
            assert await socket.read_message() == message
        socket.close()
