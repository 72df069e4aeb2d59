"""Requests that servers take differently, and what is right.

A group has a clause and a rule: REFUSE (the application must not see it), ACCEPT (it must see just
this), OPEN (the standard leaves it to the server; `why` says what we have chosen). A case has a
name, bytes, and what Squall does: its answers with what the application has seen, and whether the
connection stays open.
"""

from dataclasses import dataclass, field

REFUSE, ACCEPT, OPEN = "refuse", "accept", "open"

BAD = "400; closed"


@dataclass
class Group:
    title: str
    clause: str
    rule: str
    why: str
    # Whether it is also right or wrong to close.
    is_about_connections: bool = False
    cases: list = field(default_factory=list)

    def add(self, name, request, ours=BAD):
        octets = request if isinstance(request, bytes) else request.encode("latin-1")
        self.cases.append((name, octets, ours))
        return self

    def add_all(self, pairs, make, ours=BAD):
        """A case for each name and word, of which `make` makes a request."""
        for name, word in pairs:
            self.add(name, make(word), ours(word) if callable(ours) else ours)
        return self


def named(*words):
    """Words as names of themselves, as they would be written in Python."""
    return [(ascii(word)[1:-1], word) for word in words]


def line(request_line):
    return f"{request_line}\r\nHost: a\r\n\r\n"


def fields(lines):
    return f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"


def post(lines, content=""):
    return f"POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{content}"


def chunked(content):
    return post("Transfer-Encoding: chunked", content)


# What an attacker would have behind a request whose end two servers see at different places.
HIDDEN = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"

GROUPS = []


def group(*facts, **more):
    GROUPS.append(Group(*facts, **more))
    return GROUPS[-1]


def seen(what, status=200):
    return f"{status} {what}; open"


# ---- request lines

group(
    "A request line that is none",
    "RFC 9112, 3",
    REFUSE,
    "Single spaces between three parts, and nothing else.",
).add_all(
    named(
        "GET",
        "GET ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        " GET / HTTP/1.1",
        "\tGET / HTTP/1.1",
        "GET\x0b/ HTTP/1.1",
        "GET /\x0cHTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / HTTP/1.1 HTTP/1.1",
        "GET  HTTP/1.1",
        "GET / HTTP/1.1\r",
        "\rGET / HTTP/1.1",
        "\x00GET / HTTP/1.1",
    ),
    line,
)

group(
    "A method that is no token",
    "RFC 9110, 9.1; RFC 9112, 3.1",
    REFUSE,
    "method = token.",
).add_all(
    named("G(T", "G,T", "G/T", "G:T", "G[T", "G{T", 'G"T', "G@T", "G\x7fT", "G\xe9T", "G\x00T"),
    lambda word: line(f"{word} / HTTP/1.1"),
)

group(
    "A method that few have heard of",
    "RFC 9110, 9.1",
    OPEN,
    "Methods are case-sensitive, and a server answers 501 to what it does not know. Squall's protocol"
    " layer leaves that to the application, which is seen here; its web layer answers 405.",
).add_all(
    named("get", "Get", "QUERY", "PROPFIND", "M-SEARCH", "BREW", "FOO", "!#$%&'*+-.^_`|~"),
    lambda word: line(f"{word} / HTTP/1.1"),
    lambda word: seen(f"{word} /"),
)

group(
    "A method without end",
    "RFC 9112, 3",
    OPEN,
    "A method longer than any that is implemented: 501.",
).add("200 letters", line(f"{'A' * 200} / HTTP/1.1"), "501; closed").add(
    "8,000 letters", line(f"{'A' * 8000} / HTTP/1.1"), "501; closed"
)

group(
    "A version that is none",
    "RFC 9112, 2.3",
    REFUSE,
    'HTTP-version = "HTTP" "/" DIGIT "." DIGIT, and case-sensitive.',
).add_all(
    named(
        *("http/1.1", "Http/1.1", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/11", "HTTP/1.1x"),
        *("HTTP/1.10", "HTTP/01.1", "HTTP/1.01", "HTTP/+1.1", "HTTP/1,1", "HTTP 1.1", "HTTP/ 1.1"),
        *("HTTP/1 .1", "HTTP/x.y", "HTTPS/1.1", "HTP/1.1", "ICE/1.0", "RTSP/1.0", "HTTP\\1.1"),
    ),
    lambda word: line(f"GET / {word}"),
)

group(
    "A major version that is not spoken",
    "RFC 9110, 15.6.6",
    OPEN,
    "A server can refuse with 505. To read it as if it were HTTP/1.1 would be wrong; nginx and Squall"
    " say 505, Node and Tornado 400.",
).add_all(
    named("HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/0.0"),
    lambda word: line(f"GET / {word}"),
    "505; closed",
).add("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505; closed")

group(
    "A minor version that is higher than ours",
    "RFC 9110, 2.5",
    OPEN,
    "A recipient should take it as the highest minor version of that major version it knows.",
).add_all(
    named("HTTP/1.2", "HTTP/1.9"), lambda word: line(f"GET / {word}"), seen("GET /")
)

group(
    "HTTP/0.9",
    "RFC 9112, appendix C.2.1",
    OPEN,
    "A request without a version is obsolete since 1996, and a classic of request smuggling.",
).add("GET /", "GET /\r\n", "400; closed").add("GET / and fields", line("GET /"))

group(
    "A line that ends in LF alone",
    "RFC 9112, 2.2",
    OPEN,
    "A recipient MAY take it. Squall does not: where one reads two lines another reads one, and no"
    " client that is in use sends it.",
).add("all of them", "GET / HTTP/1.1\nHost: a\n\n").add(
    "the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"
).add("a field line", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n").add(
    "the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"
).add("before a length", "POST / HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello")

group(
    "A CR that no LF follows",
    "RFC 9112, 2.2",
    REFUSE,
    "It is invalid, or to be replaced by a space before it is used or forwarded.",
).add("in the request line", "GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n").add_all(
    named("X: a\rb", "X: a\r", "X\r: a", "\rX: a", "X:\ra", "X: a\r\rb", "X: a\rY: b"), fields
).add("instead of line ends", "GET / HTTP/1.1\rHost: a\r\r")

group(
    "Empty lines before a request",
    "RFC 9112, 2.2",
    OPEN,
    "A server should ignore at least one. Squall ignores one; more is somebody else's protocol.",
).add("one", "\r\n" + line("GET / HTTP/1.1"), seen("GET /")).add(
    "two", "\r\n\r\n" + line("GET / HTTP/1.1")
).add("five", "\r\n" * 5 + line("GET / HTTP/1.1")).add(
    "an LF", "\n" + line("GET / HTTP/1.1")
).add("between two requests", line("GET /1 HTTP/1.1") + "\r\n" + line("GET /2 HTTP/1.1"),
      "200 GET /1, 200 GET /2; open")

group(
    "Whitespace between request line and fields",
    "RFC 9112, 2.2",
    REFUSE,
    "A recipient must reject the message, or skip such lines: which of both decides what Host is.",
).add("a space", "GET / HTTP/1.1\r\n Host: b\r\nHost: a\r\n\r\n").add(
    "a tab", "GET / HTTP/1.1\r\n\tHost: b\r\nHost: a\r\n\r\n"
).add("a line of one space", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n")

# ---- targets

group(
    "A request-target with octets that no URI has",
    "RFC 9112, 3.2",
    OPEN,
    "Whitespace must not be in it, and what is no URI should be answered with 400. Squall takes"
    " visible ASCII and nothing else: what it does not refuse, it does not have to escape.",
).add_all(
    named("/\x00", "/\x01", "/\x1f", "/\x7f", "/\x80", "/\xe9", "/\xff", "/a\xc3\xa9"),
    lambda word: line(f"GET {word} HTTP/1.1"),
)

group(
    "Visible ASCII in a request-target",
    "RFC 3986, 2",
    OPEN,
    "Strictly some of these are no part of a URI; browsers and clients send all of them, and they"
    " frame nothing. Nothing is decoded or removed before the application asks for it.",
).add_all(
    named(
        *("/a#b", '/"', "/<>", "/\\", "/^", "/`", "/{}", "/|", "/%zz", "/%", "/%00", "/%0d%0a"),
        *("//a", "//a//b", "/../a", "/a/./b", "/a/../b", "/?a?b", "/?", "/;a=b", "/a:80", "/@"),
    ),
    lambda word: line(f"GET {word} HTTP/1.1"),
    lambda word: seen(f"GET {word}"),
)

group(
    "A request-target of no known form",
    "RFC 9112, 3.2",
    REFUSE,
    "Origin-form begins with a slash; authority-form is for CONNECT and the asterisk for OPTIONS.",
).add_all(
    named("a", "a/b", "?a", "#a", "*", "a:80", ":80", "http:", "http:/a", "://a/", "\\a", ".", "%2f"),
    lambda word: line(f"GET {word} HTTP/1.1"),
)

group(
    "An absolute-form that is none",
    "RFC 9112, 3.2.2; RFC 9110, 4.2.1",
    REFUSE,
    "A URI of http with an empty host is invalid.",
).add_all(
    named("http://", "http:///a", "http://:80/", "http://a b/", "http://a:b/"),
    lambda word: line(f"GET {word} HTTP/1.1"),
)

group(
    "User information in an absolute-form",
    "RFC 9110, 4.2.4",
    OPEN,
    "A recipient should take it as an error in what comes from others. Squall tolerates it, as Node and"
    " Tornado do, and never takes it for a part of the host.",
).add_all(
    named("http://u@a/", "http://u:p@a/"),
    lambda word: line(f"GET {word} HTTP/1.1"),
    lambda word: seen(f"GET {word}"),
)

group(
    "An absolute-form",
    "RFC 9112, 3.2.2",
    ACCEPT,
    "A server must accept it. The target is given to the application as it was sent.",
).add_all(
    named("http://a/", "http://a/b?c", "http://a", "http://a?b", "HTTP://a/", "https://a/",
          "http://a:80/", "http://[::1]/", "http://b/"),
    lambda word: line(f"GET {word} HTTP/1.1"),
    lambda word: seen(f"GET {word}"),
)

group(
    "OPTIONS for all of the server",
    "RFC 9112, 3.2.4",
    ACCEPT,
    "The asterisk-form is for OPTIONS.",
).add("OPTIONS *", line("OPTIONS * HTTP/1.1"), seen("OPTIONS *"))

group(
    "CONNECT",
    "RFC 9110, 9.3.6",
    OPEN,
    "An origin server may refuse it. Squall's protocol layer gives it to the application, and takes"
    " what follows a 2xx for no request.",
).add("of an authority", line("CONNECT a:80 HTTP/1.1"), "200 CONNECT a:80; closed")

group(
    "CONNECT of something else",
    "RFC 9112, 3.2.3",
    REFUSE,
    "Only host and port.",
).add_all(
    named("/", "a", "*", "http://a/", "a:", "a:x", "u@a:80", "a:80/"),
    lambda word: line(f"CONNECT {word} HTTP/1.1"),
)

group(
    "A long request-target",
    "RFC 9112, 3",
    OPEN,
    "Longer than a server takes is 414, and 8,000 octets are recommended as the least. Tornado has"
    " one limit of 64 KiB for the whole head, and closes without a word.",
).add("7,900", line(f"GET /{'a' * 7900} HTTP/1.1"), seen(f"GET /{'a' * 7900}")).add(
    "9,000", line(f"GET /{'a' * 9000} HTTP/1.1"), "414; closed"
).add("70,000", line(f"GET /{'a' * 70000} HTTP/1.1"), "414; closed")

# ---- Host

group(
    "No Host, or more than one",
    "RFC 9112, 3.2",
    REFUSE,
    "A server must answer 400.",
).add("none", "GET / HTTP/1.1\r\n\r\n").add("none, other fields", "GET / HTTP/1.1\r\nX: a\r\n\r\n").add(
    "two", fields("Host: b")
).add("two that are equal", fields("Host: a")).add("two, one in capitals", fields("HOST: a"))

group(
    "A Host that is none",
    "RFC 9112, 3.2; RFC 9110, 7.2",
    REFUSE,
    'Host = uri-host [ ":" port ]: a server must answer 400.',
).add_all(
    named("a b", "a,b", "a/b", "a@b", "u:p@a", "a?b", "a#b", "a\\b", "<a>", '"a"', "a:x", "a:80:80",
          "[::1", "::1", "[::g]", "a^b", "a|b", "a{b}", "http://a", "a:-1", "%zz", "a\x80"),
    lambda word: f"GET / HTTP/1.1\r\nHost: {word}\r\n\r\n",
)

group(
    "A Host that is one",
    "RFC 9110, 7.2; RFC 3986, 3.2.2",
    ACCEPT,
    "An empty one too: for a target without authority it must be sent so.",
).add_all(
    named("", "a.b", "a:80", "a:", "127.0.0.1:1", "[::1]", "[::1]:80", "a-b", "a_b", "A", "a.", "%41",
          "a!$&'()*+;="),
    lambda word: f"GET / HTTP/1.1\r\nHost: {word}\r\n\r\n",
    seen("GET /"),
)

group(
    "No Host in HTTP/1.0",
    "RFC 9112, 3.2",
    ACCEPT,
    "The rule is of HTTP/1.1.",
).add("none", "GET / HTTP/1.0\r\n\r\n", "200 GET /; closed")

# ---- fields

group(
    "Whitespace before the colon",
    "RFC 9112, 5.1",
    REFUSE,
    "A server must answer 400: it has been the way to smuggle a length past a proxy.",
).add_all(
    named("X : a", "X\t: a", "Content-Length : 5", "Transfer-Encoding : chunked", "X  : a",
          "X\x0b: a"),
    fields,
)

group(
    "A folded field",
    "RFC 9112, 5.2",
    REFUSE,
    "A server must answer 400, or replace the fold by spaces before it uses the value. Squall refuses;"
    " so do Tornado and nginx. A folded value that the application gets with its fold is wrong.",
).add("a space", fields("X: a\r\n b")).add("a tab", fields("X: a\r\n\tb")).add(
    "nothing", fields("X: a\r\n ")
).add("a length", post("Content-Length:\r\n 5", "hello")).add(
    "a coding", post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n")
)

group(
    "A field line without a name",
    "RFC 9112, 5",
    REFUSE,
    'field-line = field-name ":" OWS field-value OWS.',
).add_all(named(": a", "a", "a b", " : a", "=a", "GET / HTTP/1.1"), fields)

group(
    "A field name that is no token",
    "RFC 9110, 5.1",
    REFUSE,
    "Some proxies make an underline of what they do not know, others drop the field: a name that is"
    " no token has no meaning that two would agree on.",
).add_all(
    [(ascii(f"X{c}Y")[1:-1], f"X{c}Y: a") for c in '"(),/;<=>?@[\\]{}\x00\x01\x0b\x1f\x7f\x80\xa0\xff'],
    fields,
)

group(
    "Every octet of a token in a field name",
    "RFC 9110, 5.6.2",
    OPEN,
    "They are all allowed. (nginx drops what is not of letters, digits and hyphens.)",
).add("all", fields("!#$%&'*+-.^_`|~09azAZ: a"), seen("GET /"))

group(
    "A control octet in a field value",
    "RFC 9110, 5.5",
    REFUSE,
    "NUL, CR and LF are invalid and dangerous, other controls invalid. A recipient may take the latter"
    " in a value that is safe; Squall never does, Node takes none either.",
).add_all(
    [(ascii(f"a{c}b")[1:-1], f"X: a{c}b") for c in "\x00\x01\x07\x08\x0b\x0c\x0e\x1b\x1f\x7f"], fields
)

group(
    "What a field value may have",
    "RFC 9110, 5.5",
    ACCEPT,
    "Tabs and spaces inside, octets above 127, nothing at all, and whitespace around it that is"
    " no part of it.",
).add_all(
    named("X: a\tb", "X: a b", "X:", "X: ", "X:a", "X:\ta\t", "X:   a   ", "X: \x80\xff", "X: a:b",
          "X: \"a", "X: ;,="),
    fields,
    seen("GET /"),
)

group(
    "Many fields, large fields",
    "RFC 9110, 5.4; RFC 6585, 5",
    OPEN,
    "Each server has its limits. Squall: 100 fields, 64 KiB, and 431 beyond.",
).add("100 fields", fields("\r\n".join(f"X{i}: a" for i in range(99))), seen("GET /")).add(
    "101 fields", fields("\r\n".join(f"X{i}: a" for i in range(100))), "431; closed"
).add("5,000 fields", fields("\r\n".join(f"X{i}: a" for i in range(5000))), "431; closed").add(
    "7 KiB in one", fields(f"X: {'a' * 7000}"), seen("GET /")
).add("60 KiB in one", fields(f"X: {'a' * 60000}"), seen("GET /")).add(
    "70 KiB in one", fields(f"X: {'a' * 70000}"), "431; closed"
).add("a name of 70 KiB", fields(f"{'X' * 70000}: a"), "431; closed")

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
).add("of DELETE", "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
      seen("DELETE / 'hi'")).add(
    "none, but octets behind it", post("X: a", HIDDEN), "200 POST /, 200 GET /hidden; open"
)

group(
    "A length that is none",
    "RFC 9112, 6.3, rule 5",
    REFUSE,
    "Content-Length = 1*DIGIT. What one server takes for 5 and another for 0 hides a request.",
).add_all(
    named("", "+5", "-5", "5.0", "5,", ",5", "0x5", "5x", "5 5", "five", "1e1", "5;", '"5"', "0_5",
          "\xb2", "5\x0b", "\x0b5", "5\x00", "\x005", "5\xa0", "--5", "5\x0c", "05h", "5\x01"),
    lambda word: post(f"Content-Length: {word}", "hello" + HIDDEN),
)

group(
    "A length beyond all numbers",
    "RFC 9110, 8.6; RFC 9112, 6.3",
    REFUSE,
    "A recipient must not let it overflow.",
).add_all(
    [("2^64", "18446744073709551616"), ("2^64 + 5", "18446744073709551621"),
     ("2^63", "9223372036854775808"), ("a hundred nines", "9" * 100)],
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
).add("a hidden request",
      post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + HIDDEN)).add(
    "a length of nothing", post("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"))

group(
    "A transfer coding other than chunked",
    "RFC 9112, 6.1; 6.3, rule 4",
    REFUSE,
    "A coding that a server does not know is 501; one whose last is not chunked has no end: 400.",
).add_all(
    named("identity", "gzip", "chunked, gzip", "xchunked", "chunkedx", "chunk", "chunked, identity",
          "cow", "\x0bchunked", "chunked\x0b", '"chunked"', "chunked;a=b", "chunked; q=1",
          "\xa0chunked", "chunked\x00", "ch unked", "chunked\x0c", "x chunked", "", ",", ", chunked",
          "chunked,", "chunked chunked"),
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
).add("with another", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", "0\r\n\r\n")).add(
    "with identity", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "0\r\n\r\n"))

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
    "A and a", chunked(f"A\r\n{'x' * 10}\r\na\r\n{'y' * 10}\r\n0\r\n\r\n"),
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
    named(";a\nb", ";a\rb", "\n", " x", ";a=\x00", ";\x01", ',a', ";a=b\n", "\x00", "\t\x0b"),
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
    named("", "x", "5x", "0x5", "+5", "-5", " 5", "\t5", "5_0", "5.0", "g", '"5"', "\x005", "5\x0b",
          "ffffffffffffffff1", "10000000000000005", "\xb2", "５".encode().decode("latin-1")),
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
    named("Content-Length: 5", "Transfer-Encoding: chunked", "Host: b", "Authorization: Basic eA=="),
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

# ---- connections

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
).add("close in a second field", fields("Connection: x\r\nConnection: close"), "200 GET /; closed").add(
    "close and keep-alive", fields("Connection: keep-alive, close"), "200 GET /; closed"
).add("a word with close in it", fields("Connection: disclose"), "200 GET /; open").add(
    "HTTP/1.0", line("GET / HTTP/1.0"), "200 GET /; closed"
).add(
    "HTTP/1.0, keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 GET /; open"
).add("HTTP/1.0, Keep-Alive in a list",
      "GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", "200 GET /; open").add(
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
    "three", "".join(line(f"GET /{i} HTTP/1.1") for i in range(3)),
    "200 GET /0, 200 GET /1, 200 GET /2; open",
).add("HEAD between them",
      line("GET /0 HTTP/1.1") + line("HEAD /1 HTTP/1.1") + line("GET /2 HTTP/1.1"),
      "200 GET /0, 200 HEAD /1, 200 GET /2; open").add(
    "with content",
    post("Content-Length: 2", "hi") + chunked("2\r\nho\r\n0\r\n\r\n") + line("GET /2 HTTP/1.1"),
    "200 POST / 'hi', 200 POST / 'ho', 200 GET /2; open",
)

group(
    "A bad request behind a good one",
    "RFC 9112, 9.3.2",
    OPEN,
    "The good one is answered, then the bad one, then nothing.",
).add("no HTTP", line("GET /1 HTTP/1.1") + "hello\r\n\r\n" + line("GET /3 HTTP/1.1"),
      "200 GET /1, 400; closed").add(
    "no Host", line("GET /1 HTTP/1.1") + "GET /2 HTTP/1.1\r\n\r\n" + line("GET /3 HTTP/1.1"),
    "200 GET /1, 400; closed",
).add("two lengths",
      line("GET /1 HTTP/1.1") + post("Content-Length: 1\r\nContent-Length: 2", "hi"),
      "200 GET /1, 400; closed")

group(
    "Expectations",
    "RFC 9110, 10.1.1",
    OPEN,
    "100 when the application asks for content that has not come; not where it is here, or in"
    " HTTP/1.0. An unknown expectation may be 417.",
).add("100-continue, content behind it",
      post("Expect: 100-continue\r\nContent-Length: 2", "hi"), seen("POST / 'hi'")).add(
    "100-continue", post("Expect: 100-continue\r\nContent-Length: 2"), "100; open"
).add("in capitals", post("Expect: 100-CONTINUE\r\nContent-Length: 2"), "100; open").add(
    "without content", fields("Expect: 100-continue"), seen("GET /")
).add("HTTP/1.0",
      "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
      "200 POST / 'hi'; closed").add("another", fields("Expect: 200-ok"), "417; closed")

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
).add("a ClientHello of TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(64) + b"\r\n\r\n").add(
    "SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n"
).add("SOCKS 5", b"\x05\x01\x00\r\n\r\n").add("Redis", "*1\r\n$4\r\nPING\r\n\r\n").add(
    "SMTP", "EHLO a\r\n\r\n"
).add("PROXY 1", "PROXY TCP4 1.2.3.4 1.2.3.4 5 80\r\n" + line("GET / HTTP/1.1")).add(
    "PROXY 2", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + line("GET / HTTP/1.1").encode()
)
