"""What nginx asks: it says in X-Seen what nginx has made of a request.

    python upstream.py PORT

As simple as can be: one request a connection, and its content is as long as nginx says.
"""

import asyncio
import re
import sys


async def serve(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
    length = re.search(r"\r\ncontent-length: (\d+)\r\n", head, re.IGNORECASE)
    content = await reader.readexactly(int(length[1])) if length else b""
    writer.write(
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\nX-Seen: "
        + f"{method} {target} {content.hex()}".encode("latin-1")
        + b"\r\n\r\n"
        + (b"" if method == "HEAD" else b"seen")
    )
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
