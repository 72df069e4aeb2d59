"""Request lines and request-targets."""

from cases.group import ACCEPT, OPEN, REFUSE, fields, group, line, named, seen

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
).add_all(named("HTTP/1.2", "HTTP/1.9"), lambda word: line(f"GET / {word}"), seen("GET /"))

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
).add("five", "\r\n" * 5 + line("GET / HTTP/1.1")).add("an LF", "\n" + line("GET / HTTP/1.1")).add(
    "between two requests",
    line("GET /1 HTTP/1.1") + "\r\n" + line("GET /2 HTTP/1.1"),
    "200 GET /1, 200 GET /2; open",
)

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
    named(
        "a", "a/b", "?a", "#a", "*", "a:80", ":80", "http:", "http:/a", "://a/", "\\a", ".", "%2f"
    ),
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
    named(
        "http://a/",
        "http://a/b?c",
        "http://a",
        "http://a?b",
        "HTTP://a/",
        "https://a/",
        "http://a:80/",
        "http://[::1]/",
        "http://b/",
    ),
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
