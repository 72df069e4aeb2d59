"""Connections, expectations, and what is not HTTP at all."""

from cases.group import (
    ACCEPT,
    HIDDEN,
    OPEN,
    REFUSE,
    chunked,
    fields,
    group,
    line,
    named,
    post,
    seen,
)

group(
    "Whether the connection stays",
    "RFC 9112, 9.3",
    ACCEPT,
    "As the version has it, unless Connection has an option.",
    is_about_connections=True,
).add("HTTP/1.1", line("GET / HTTP/1.1"), "200 GET /; open").add(
    "close", fields("Connection: close"), "200 GET /; closed"
).add("in capitals", fields("Connection: CLOSE"), "200 GET /; closed").add(
    "close in a list", fields("Connection: x, close"), "200 GET /; closed"
).add(
    "close in a second field", fields("Connection: x\r\nConnection: close"), "200 GET /; closed"
).add("close and keep-alive", fields("Connection: keep-alive, close"), "200 GET /; closed").add(
    "a word with close in it", fields("Connection: disclose"), "200 GET /; open"
).add("HTTP/1.0", line("GET / HTTP/1.0"), "200 GET /; closed").add(
    "HTTP/1.0, keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 GET /; open"
).add(
    "HTTP/1.0, Keep-Alive in a list",
    "GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n",
    "200 GET /; open",
).add(
    "a second request behind close",
    fields("Connection: close") + HIDDEN,
    "200 GET /; closed",
).add("a second request behind HTTP/1.0", line("GET / HTTP/1.0") + HIDDEN, "200 GET /; closed")

group(
    "Requests in one go",
    "RFC 9112, 9.3.2",
    ACCEPT,
    "Answers in the order of their requests.",
).add(
    "three",
    "".join(line(f"GET /{i} HTTP/1.1") for i in range(3)),
    "200 GET /0, 200 GET /1, 200 GET /2; open",
).add(
    "HEAD between them",
    line("GET /0 HTTP/1.1") + line("HEAD /1 HTTP/1.1") + line("GET /2 HTTP/1.1"),
    "200 GET /0, 200 HEAD /1, 200 GET /2; open",
).add(
    "with content",
    post("Content-Length: 2", "hi") + chunked("2\r\nho\r\n0\r\n\r\n") + line("GET /2 HTTP/1.1"),
    "200 POST / 'hi', 200 POST / 'ho', 200 GET /2; open",
)

group(
    "A bad request behind a good one",
    "RFC 9112, 9.3.2",
    OPEN,
    "The good one is answered, then the bad one, then nothing.",
).add(
    "no HTTP",
    line("GET /1 HTTP/1.1") + "hello\r\n\r\n" + line("GET /3 HTTP/1.1"),
    "200 GET /1, 400; closed",
).add(
    "no Host",
    line("GET /1 HTTP/1.1") + "GET /2 HTTP/1.1\r\n\r\n" + line("GET /3 HTTP/1.1"),
    "200 GET /1, 400; closed",
).add(
    "two lengths",
    line("GET /1 HTTP/1.1") + post("Content-Length: 1\r\nContent-Length: 2", "hi"),
    "200 GET /1, 400; closed",
)

group(
    "Expectations",
    "RFC 9110, 10.1.1",
    OPEN,
    "100 when the application asks for content that has not come; not where it is here, or in"
    " HTTP/1.0. An unknown expectation may be 417.",
).add(
    "100-continue, content behind it",
    post("Expect: 100-continue\r\nContent-Length: 2", "hi"),
    seen("POST / 'hi'"),
).add("100-continue", post("Expect: 100-continue\r\nContent-Length: 2"), "100; open").add(
    "in capitals", post("Expect: 100-CONTINUE\r\nContent-Length: 2"), "100; open"
).add("without content", fields("Expect: 100-continue"), seen("GET /")).add(
    "HTTP/1.0",
    "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    "200 POST / 'hi'; closed",
).add("another", fields("Expect: 200-ok"), "417; closed")

group(
    "Upgrades that are not taken",
    "RFC 9110, 7.8",
    ACCEPT,
    "A server may ignore the field. (nginx and Squall answer the request as it stands; Node does so"
    " where nobody listens for upgrades.)",
).add_all(
    named("websocket", "h2c", "foo"),
    lambda word: fields(f"Connection: Upgrade\r\nUpgrade: {word}"),
    seen("GET /"),
)

group(
    "Other protocols",
    "RFC 9112, 3",
    REFUSE,
    "They are told that they are wrong here, or cut.",
).add(
    "a ClientHello of TLS",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(64) + b"\r\n\r\n",
).add("SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n").add("SOCKS 5", b"\x05\x01\x00\r\n\r\n").add(
    "Redis", "*1\r\n$4\r\nPING\r\n\r\n"
).add("SMTP", "EHLO a\r\n\r\n").add(
    "PROXY 1", "PROXY TCP4 1.2.3.4 1.2.3.4 5 80\r\n" + line("GET / HTTP/1.1")
).add(
    "PROXY 2",
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + line("GET / HTTP/1.1").encode(),
)
