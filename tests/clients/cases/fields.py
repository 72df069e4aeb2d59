"""Host, and field lines."""

from cases.group import ACCEPT, OPEN, REFUSE, fields, group, named, post, seen

# ---- Host

group(
    "No Host, or more than one",
    "RFC 9112, 3.2",
    REFUSE,
    "A server must answer 400.",
).add("none", "GET / HTTP/1.1\r\n\r\n").add(
    "none, other fields", "GET / HTTP/1.1\r\nX: a\r\n\r\n"
).add("two", fields("Host: b")).add("two that are equal", fields("Host: a")).add(
    "two, one in capitals", fields("HOST: a")
)

group(
    "A Host that is none",
    "RFC 9112, 3.2; RFC 9110, 7.2",
    REFUSE,
    'Host = uri-host [ ":" port ]: a server must answer 400.',
).add_all(
    named(
        "a b",
        "a,b",
        "a/b",
        "a@b",
        "u:p@a",
        "a?b",
        "a#b",
        "a\\b",
        "<a>",
        '"a"',
        "a:x",
        "a:80:80",
        "[::1",
        "::1",
        "[::g]",
        "a^b",
        "a|b",
        "a{b}",
        "http://a",
        "a:-1",
        "%zz",
        "a\x80",
    ),
    lambda word: f"GET / HTTP/1.1\r\nHost: {word}\r\n\r\n",
)

group(
    "A Host that is one",
    "RFC 9110, 7.2; RFC 3986, 3.2.2",
    ACCEPT,
    "An empty one too: for a target without authority it must be sent so.",
).add_all(
    named(
        "",
        "a.b",
        "a:80",
        "a:",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:80",
        "a-b",
        "a_b",
        "A",
        "a.",
        "%41",
        "a!$&'()*+;=",
    ),
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
    named(
        "X : a", "X\t: a", "Content-Length : 5", "Transfer-Encoding : chunked", "X  : a", "X\x0b: a"
    ),
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
    [
        (ascii(f"X{c}Y")[1:-1], f"X{c}Y: a")
        for c in '"(),/;<=>?@[\\]{}\x00\x01\x0b\x1f\x7f\x80\xa0\xff'
    ],
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
    [(ascii(f"a{c}b")[1:-1], f"X: a{c}b") for c in "\x00\x01\x07\x08\x0b\x0c\x0e\x1b\x1f\x7f"],
    fields,
)

group(
    "What a field value may have",
    "RFC 9110, 5.5",
    ACCEPT,
    "Tabs and spaces inside, octets above 127, nothing at all, and whitespace around it that is"
    " no part of it.",
).add_all(
    named(
        "X: a\tb",
        "X: a b",
        "X:",
        "X: ",
        "X:a",
        "X:\ta\t",
        "X:   a   ",
        "X: \x80\xff",
        "X: a:b",
        'X: "a',
        "X: ;,=",
    ),
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
