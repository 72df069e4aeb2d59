"""Tornado's server with the application of the differential test: what it has seen is in X-Seen.

python application.py PORT
"""

import asyncio
import logging
import sys

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, ResponseStartLine


def answer(request):
    seen = f"{request.method} {request.uri} {request.body.hex()}"
    fields = HTTPHeaders({"Content-Length": "4", "X-Seen": seen})
    content = b"" if request.method == "HEAD" else b"seen"
    request.connection.write_headers(ResponseStartLine("", 200, "OK"), fields, content)
    request.connection.finish()


async def main():
    logging.disable(logging.WARNING)
    HTTPServer(answer).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
