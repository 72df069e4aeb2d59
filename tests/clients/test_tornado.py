"""Tornado's own clients: they are to find what they would find at home."""

import asyncio
import os

from server import example
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

MIB = 1024 * 1024


async def test_get_json():
    with example("bench_server") as server:
        answer = await AsyncHTTPClient().fetch(server.http("/json"))
        assert answer.code == 200
        assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
        assert answer.body == b'{"message":"Hello, World!"}'


async def test_path_arguments_are_decoded():
    with example("bench_server") as server:
        answer = await AsyncHTTPClient().fetch(server.http("/user/J%C3%BCrgen%20M"))
        assert answer.body == "Jürgen M".encode()


async def test_an_error_is_an_error():
    with example("bench_server") as server:
        answer = await AsyncHTTPClient().fetch(server.http("/nowhere"), raise_error=False)
        assert answer.code == 404
        assert answer.reason == "Not Found"


async def test_content_that_is_made_on_the_way():
    pieces = [os.urandom(size) for size in [1, 10_000, 100_000]]

    async def produce(write):
        for piece in pieces:
            await write(piece)

    with example("bench_server") as server:
        answer = await AsyncHTTPClient().fetch(
            server.http("/echo"), method="POST", body_producer=produce
        )
        assert answer.body == b"".join(pieces)


async def test_content_after_100_continue():
    with example("bench_server") as server:
        content = os.urandom(MIB)
        answer = await AsyncHTTPClient().fetch(
            server.http("/echo"), method="POST", body=content, expect_100_continue=True
        )
        assert answer.body == content


async def test_many_requests_at_once():
    with example("bench_server") as server:
        client = AsyncHTTPClient(force_instance=True, max_clients=50)
        answers = await asyncio.gather(
            *[client.fetch(server.http(f"/user/{number}")) for number in range(200)]
        )
        client.close()
        assert [int(answer.body) for answer in answers] == list(range(200))


async def test_a_websocket_echoes_text_and_binary():
    with example("bench_server") as server:
        socket = await websocket_connect(server.ws("/ws"))
        for message in ["Hello", "", "Grüße ✓", b"\x00\xff", b"", os.urandom(MIB)]:
            await socket.write_message(message, binary=isinstance(message, bytes))
            assert await socket.read_message() == message
        socket.close(1000, "done")
        assert await socket.read_message() is None
        assert socket.close_code == 1000


async def test_a_websocket_that_offers_compression_is_served_without():
    with example("bench_server") as server:
        socket = await websocket_connect(server.ws("/ws"), compression_options={})
        await socket.write_message("a" * 1000)
        assert await socket.read_message() == "a" * 1000
        socket.close()


async def test_a_websocket_that_pings_is_answered():
    with example("bench_server") as server:
        socket = await websocket_connect(server.ws("/ws"))
        pong = asyncio.get_running_loop().create_future()
        socket.on_pong = pong.set_result
        socket.ping(b"still here?")
        assert await pong == b"still here?"
        socket.close()
