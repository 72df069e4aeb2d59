"""Where content ends: lengths, transfer codings, chunks."""

from cases.group import (
    ACCEPT,
    BAD,
    HIDDEN,
    OPEN,
    REFUSE,
    chunked,
    fields,
    group,
    named,
    post,
    seen,
)

# ---- content of a length

group(
    "Content of a length",
    "RFC 9112, 6.2",
    ACCEPT,
    "So many octets, and the next request behind them.",
).add("5", post("Content-Length: 5", "hello"), seen("POST / 'hello'")).add(
    "0", post("Content-Length: 0"), seen("POST /")
).add("leading zeroes", post("Content-Length: 005", "hello"), seen("POST / 'hello'")).add(
    "in lower case", post("content-length: 5", "hello"), seen("POST / 'hello'")
).add("whitespace around it", post("Content-Length: \t 5 \t", "hello"), seen("POST / 'hello'")).add(
    "another request behind it",
    post("Content-Length: 5", "hello" + HIDDEN),
    "200 POST / 'hello', 200 GET /hidden; open",
).add("of GET", fields("Content-Length: 5") + "hello", seen("GET / 'hello'")).add(
    "of HEAD",
    "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "200 HEAD / 'hello', 200 GET /hidden; open",
).add(
    "of DELETE",
    "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
    seen("DELETE / 'hi'"),
).add("none, but octets behind it", post("X: a", HIDDEN), "200 POST /, 200 GET /hidden; open")

group(
    "A length that is none",
    "RFC 9112, 6.3, rule 5",
    REFUSE,
    "Content-Length = 1*DIGIT. What one server takes for 5 and another for 0 hides a request.",
).add_all(
    named(
        "",
        "+5",
        "-5",
        "5.0",
        "5,",
        ",5",
        "0x5",
        "5x",
        "5 5",
        "five",
        "1e1",
        "5;",
        '"5"',
        "0_5",
        "\xb2",
        "5\x0b",
        "\x0b5",
        "5\x00",
        "\x005",
        "5\xa0",
        "--5",
        "5\x0c",
        "05h",
        "5\x01",
    ),
    lambda word: post(f"Content-Length: {word}", "hello" + HIDDEN),
)

group(
    "A length beyond all numbers",
    "RFC 9110, 8.6; RFC 9112, 6.3",
    REFUSE,
    "A recipient must not let it overflow.",
).add_all(
    [
        ("2^64", "18446744073709551616"),
        ("2^64 + 5", "18446744073709551621"),
        ("2^63", "9223372036854775808"),
        ("a hundred nines", "9" * 100),
    ],
    lambda word: post(f"Content-Length: {word}", "hello"),
    lambda word: "413; closed" if word == "9223372036854775808" else BAD,
)

group(
    "More content than is taken",
    "RFC 9110, 15.5.14",
    OPEN,
    "413 from the head alone: nothing is waited for. (nginx takes 1 MiB, Tornado 100 MiB and says 400,"
    " Node leaves it to the application.)",
).add("4 GiB", post("Content-Length: 4294967296"), "413; closed").add(
    "11 MiB", post("Content-Length: 11534336"), "413; closed"
)

group(
    "Lengths that contradict each other",
    "RFC 9112, 6.3, rule 5",
    REFUSE,
    "An unrecoverable error.",
).add("5 and 6", post("Content-Length: 5\r\nContent-Length: 6", "hello!")).add(
    "6 and 5", post("Content-Length: 6\r\nContent-Length: 5", "hello!")
).add("a list", post("Content-Length: 5, 6", "hello!")).add(
    "5 and nothing", post("Content-Length: 5\r\nContent-Length:", "hello")
).add("5 and 05", post("Content-Length: 5\r\nContent-Length: 05", "hello")).add(
    "0 and 5", post("Content-Length: 0\r\nContent-Length: 5", "hello")
)

group(
    "A length that is said twice",
    "RFC 9110, 8.6; RFC 9112, 6.3, rule 5",
    OPEN,
    "A recipient may take equal values as one, or refuse. Squall refuses: nobody who means well says"
    " it twice.",
).add("two fields", post("Content-Length: 5\r\nContent-Length: 5", "hello")).add(
    "a list", post("Content-Length: 5, 5", "hello")
).add("a list without a space", post("Content-Length: 5,5", "hello"))

group(
    "Content that does not come",
    "RFC 9112, 8",
    OPEN,
    "The application waits, until the deadline: 408.",
).add("nothing of it", post("Content-Length: 5"), "nothing; open").add(
    "half of it", post("Content-Length: 5", "he"), "nothing; open"
).add("half a chunk", chunked("5\r\nhe"), "nothing; open").add(
    "no last chunk", chunked("5\r\nhello\r\n"), "nothing; open"
)


# ---- transfer codings

group(
    "A transfer coding beside a length",
    "RFC 9112, 6.1; 6.3, rule 3",
    OPEN,
    "A server may refuse it, or take the coding and then close. Squall refuses.",
).add("the length first", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n")).add(
    "the coding first", post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n")
).add(
    "a hidden request",
    post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + HIDDEN),
).add("a length of nothing", post("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"))

group(
    "A transfer coding other than chunked",
    "RFC 9112, 6.1; 6.3, rule 4",
    REFUSE,
    "A coding that a server does not know is 501; one whose last is not chunked has no end: 400.",
).add_all(
    named(
        "identity",
        "gzip",
        "chunked, gzip",
        "xchunked",
        "chunkedx",
        "chunk",
        "chunked, identity",
        "cow",
        "\x0bchunked",
        "chunked\x0b",
        '"chunked"',
        "chunked;a=b",
        "chunked; q=1",
        "\xa0chunked",
        "chunked\x00",
        "ch unked",
        "chunked\x0c",
        "x chunked",
        "",
        ",",
        ", chunked",
        "chunked,",
        "chunked chunked",
    ),
    lambda word: post(f"Transfer-Encoding: {word}", "0\r\n\r\n" + HIDDEN),
)

group(
    "A coding of content before chunked",
    "RFC 9112, 6.1; RFC 9112, 7.2",
    REFUSE,
    "None but chunked is spoken: 501.",
).add_all(
    named("gzip, chunked", "deflate, chunked", "identity, chunked", "cow, chunked"),
    lambda word: post(f"Transfer-Encoding: {word}", "0\r\n\r\n" + HIDDEN),
    "501; closed",
)

group(
    "Chunked, and chunked again",
    "RFC 9112, 6.1; 7.1",
    REFUSE,
    "A sender must not apply it twice.",
).add("a list", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n")).add(
    "two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n")
).add(
    "with another", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", "0\r\n\r\n")
).add(
    "with identity", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "0\r\n\r\n")
)

group(
    "A transfer coding in HTTP/1.0",
    "RFC 9112, 6.1",
    REFUSE,
    "A server must take the framing as faulty.",
).add("chunked", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


# ---- chunks

group(
    "Chunks",
    "RFC 9112, 7.1",
    ACCEPT,
    "Sizes in either case, with zeroes before them; extensions and trailers are read and not obeyed.",
).add("two", chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), seen("POST / 'hello world'")).add(
    "none", chunked("0\r\n\r\n"), seen("POST /")
).add("in capitals", post("Transfer-Encoding: CHUNKED", "0\r\n\r\n"), seen("POST /")).add(
    "A and a",
    chunked(f"A\r\n{'x' * 10}\r\na\r\n{'y' * 10}\r\n0\r\n\r\n"),
    seen(f"POST / '{'x' * 10}{'y' * 10}'"),
).add("zeroes before a size", chunked("0005\r\nhello\r\n000\r\n\r\n"), seen("POST / 'hello'")).add(
    "another request behind them",
    chunked("5\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "200 POST / 'hello', 200 GET /hidden; open",
).add("of GET", fields("Transfer-Encoding: chunked") + "2\r\nhi\r\n0\r\n\r\n", seen("GET / 'hi'"))

group(
    "Chunk extensions",
    "RFC 9112, 7.1.1",
    ACCEPT,
    "A recipient must ignore those that it does not know. (Tornado refuses all, which is strict, and"
    " against the letter.)",
).add_all(
    named(";a", ";a=b", ";a=b;c=d", ';a="b"', ';a="b\\"c"', ';a="b;c"', " ;a", "; a", "; a = b"),
    lambda word: chunked(f"5{word}\r\nhello\r\n0\r\n\r\n"),
    seen("POST / 'hello'"),
).add("at the last", chunked("5\r\nhello\r\n0;a=b\r\n\r\n"), seen("POST / 'hello'"))

group(
    "Chunk extensions that are none",
    "RFC 9112, 7.1.1",
    REFUSE,
    "What is behind a size is an extension by the grammar, or an error.",
).add_all(
    named(";a\nb", ";a\rb", "\n", " x", ";a=\x00", ";\x01", ",a", ";a=b\n", "\x00", "\t\x0b"),
    lambda word: chunked(f"5{word}\r\nhello\r\n0\r\n\r\n"),
)

group(
    "Odd chunk extensions",
    "RFC 9112, 7.1.1",
    OPEN,
    "No name, no value, a quotation without end: outside of the grammar, and with nothing in them that"
    " could end a line. Squall ignores them, but for whitespace behind a size.",
).add_all(
    named(";", ";;", ";a=", ";=b", ';a="b', ";a b", ";\xe9"),
    lambda word: chunked(f"5{word}\r\nhello\r\n0\r\n\r\n"),
    seen("POST / 'hello'"),
).add_all(named(" ", "\t"), lambda word: chunked(f"5{word}\r\nhello\r\n0\r\n\r\n"))

group(
    "A chunk size that is none",
    "RFC 9112, 7.1",
    REFUSE,
    "chunk-size = 1*HEXDIG.",
).add_all(
    named(
        "",
        "x",
        "5x",
        "0x5",
        "+5",
        "-5",
        " 5",
        "\t5",
        "5_0",
        "5.0",
        "g",
        '"5"',
        "\x005",
        "5\x0b",
        "ffffffffffffffff1",
        "10000000000000005",
        "\xb2",
        "５".encode().decode("latin-1"),
    ),
    lambda word: chunked(f"{word}\r\nhello\r\n0\r\n\r\n"),
)

group(
    "A chunk that does not end where it says",
    "RFC 9112, 7.1",
    REFUSE,
    "CRLF, and nothing else, follows the data.",
).add("too short a size", chunked("4\r\nhello\r\n0\r\n\r\n")).add(
    "too long a size", chunked("6\r\nhello\r\n0\r\n\r\n")
).add("no end", chunked("5\r\nhello0\r\n\r\n")).add("LF", chunked("5\r\nhello\n0\r\n\r\n")).add(
    "CR", chunked("5\r\nhello\r0\r\n\r\n")
).add("two line ends", chunked("5\r\nhello\r\n\r\n0\r\n\r\n")).add(
    "a space", chunked("5\r\nhello \r\n0\r\n\r\n")
)

group(
    "Line ends of chunks that are LF alone",
    "RFC 9112, 2.2; 7.1",
    REFUSE,
    "The leave to take LF alone is for heads; in chunks it has hidden requests.",
).add("of a size", chunked("5\nhello\r\n0\r\n\r\n")).add(
    "of the last size", chunked("5\r\nhello\r\n0\n\r\n")
).add("of the end", chunked("5\r\nhello\r\n0\r\n\n")).add("all", chunked("5\nhello\n0\n\n")).add(
    "of an extension", chunked("5;a\nhello\r\n0\r\n\r\n")
)

group(
    "Trailers",
    "RFC 9112, 7.1.2",
    ACCEPT,
    "Read, bounded, and kept apart from the fields. (Tornado refuses all.)",
).add("one", chunked("0\r\nX: a\r\n\r\n"), seen("POST /")).add(
    "two, and a request",
    chunked("0\r\nX: a\r\nY: b\r\n\r\n" + HIDDEN),
    "200 POST /, 200 GET /hidden; open",
)

group(
    "Trailers that frame, route or authenticate",
    "RFC 9110, 6.5.1",
    OPEN,
    "They must not be taken for fields. Squall refuses them: who sends one hopes that somebody does.",
).add_all(
    named(
        "Content-Length: 5", "Transfer-Encoding: chunked", "Host: b", "Authorization: Basic eA=="
    ),
    lambda word: chunked(f"0\r\n{word}\r\n\r\n"),
)

group(
    "Trailers that are none",
    "RFC 9112, 5; 7.1.2",
    REFUSE,
    "The rules of field lines.",
).add_all(
    named("a", "X : a", ": a", " X: a", "X: a\r\n b", "X: \x00", "X(: a", "X: a\rb"),
    lambda word: chunked(f"0\r\n{word}\r\n\r\n"),
)
