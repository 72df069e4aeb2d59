//! Cookies that a client has sent, read as browsers write them and as Tornado reads them.
//!
//! RFC 6265 has a grammar for servers that set cookies, and another one for what clients really
//! send, which is: anything between semicolons. Two readers that differ here are a hole (Tornado
//! 4.4.2), so the rules are few: a pair ends at each `;`, quotes or not; its name ends at the first
//! `=`; spaces around both are dropped; the last of several with one name counts. Only a value that
//! is quoted as a whole has escapes. Asked by handlers, through [`Exchange::cookie`] and
//! [`Exchange::cookies`].

use std::borrow::Cow;
use std::collections::HashMap;

use crate::exchange::Exchange;

impl Exchange {
    /// The value of the cookie `name`, without quotes and escapes (Tornado's `get_cookie`). The
    /// last counts if there are several. What is not UTF-8 is replaced by U+FFFD.
    ///
    /// A client may have written what it likes into it: a cookie that is to be trusted must be
    /// signed.
    ///
    /// ```
    /// use squall_web::{Application, Exchange, Result};
    ///
    /// async fn greet(http: &Exchange) -> Result {
    ///     let name = http.cookie("name").unwrap_or("World".into());
    ///     http.write("Hello, ")?;
    ///     http.write(name)
    /// }
    /// # let _ = Application::new().get("/", greet);
    /// ```
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<Cow<'_, str>> {
        let pairs = self.head().field_all("cookie").flat_map(pairs);
        let named = pairs.filter(|(known, _)| *known == name.as_bytes());
        Some(unquote(named.last()?.1))
    }

    /// All cookies, in the order in which their names were first sent (Tornado's `cookies`). A pair
    /// without `=` is a cookie without a name.
    #[must_use]
    pub fn cookies(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        let fields = self.head().field_all("cookie");
        last_of_each(fields.flat_map(pairs))
            .into_iter()
            .map(|(name, value)| (String::from_utf8_lossy(name), unquote(value)))
            .collect()
    }
}

/// A cookie as it was sent.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The pairs of one field, but for those of nothing at all.
fn pairs(field: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    field
        .split(|byte| *byte == b';')
        .map(pair)
        .filter(|(name, value)| !name.is_empty() || !value.is_empty())
}

fn pair(text: &[u8]) -> Pair<'_> {
    let (name, value) = match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (&text[..0], text),
    };
    (name.trim_ascii(), value.trim_ascii())
}

/// One pair for each name, in time linear in their number, of which the client decides.
fn last_of_each<'a>(pairs: impl Iterator<Item = Pair<'a>>) -> Vec<Pair<'a>> {
    let mut found: Vec<Pair<'a>> = Vec::new();
    let mut places = HashMap::new();
    for (name, value) in pairs {
        let place = *places.entry(name).or_insert(found.len());
        match found.get_mut(place) {
            Some(pair) => pair.1 = value,
            None => found.push((name, value)),
        }
    }
    found
}

/// Takes quotes and escapes off a value that is quoted as a whole, as Python's `SimpleCookie` has
/// written them: `\` and three octal digits are the character of that code, `\` and anything else
/// is that. One pass: each octet is looked at once.
fn unquote(value: &[u8]) -> Cow<'_, str> {
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    let Some(quoted) = quoted else {
        return String::from_utf8_lossy(value);
    };
    let mut rest = quoted;
    let Some(mut escape) = rest.iter().position(|byte| *byte == b'\\') else {
        return String::from_utf8_lossy(quoted);
    };
    let mut plain = Vec::with_capacity(quoted.len());
    loop {
        plain.extend_from_slice(&rest[..escape]);
        rest = &rest[escape + 1..];
        rest = match rest {
            [
                high @ b'0'..=b'3',
                middle @ b'0'..=b'7',
                low @ b'0'..=b'7',
                rest @ ..,
            ] => {
                let code = (high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0');
                plain.extend_from_slice(char::from(code).encode_utf8(&mut [0; 2]).as_bytes());
                rest
            }
            [escaped, rest @ ..] => {
                plain.push(*escaped);
                rest
            }
            [] => {
                plain.push(b'\\');
                rest
            }
        };
        match rest.iter().position(|byte| *byte == b'\\') {
            Some(next) => escape = next,
            None => break,
        }
    }
    plain.extend_from_slice(rest);
    match String::from_utf8(plain) {
        Ok(text) => text.into(),
        Err(error) => String::from_utf8_lossy(error.as_bytes())
            .into_owned()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, expected: &[(&str, &str)]) {
        let found = last_of_each(pairs(field.as_bytes()));
        let found: Vec<_> = found
            .into_iter()
            .map(|(name, value)| (String::from_utf8_lossy(name), unquote(value)))
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(found, expected, "{field}");
    }

    #[test]
    fn a_pair_ends_at_each_semicolon_quotes_or_not() {
        check("a=b; c=d", &[("a", "b"), ("c", "d")]);
        check("foo=\"a;b\"", &[("foo", "\"a"), ("", "b\"")]);
        check(
            r#"keebler="E=mc2; L=\"Loves\"; fudge=\012;""#,
            &[
                ("keebler", "\"E=mc2"),
                ("L", "\\\"Loves\\\""),
                ("fudge", "\\012"),
                ("", "\""),
            ],
        );
    }

    #[test]
    fn a_name_ends_at_the_first_equals_sign() {
        check("foo=a=b", &[("foo", "a=b")]);
        check("a=b]_xsrf=injected", &[("a", "b]_xsrf=injected")]);
        check("/=exception;", &[("/", "exception")]);
        check("nameless", &[("", "nameless")]);
    }

    #[test]
    fn spaces_and_what_is_empty_are_dropped() {
        check("  =  b  ;  ;  =  ;   c  =  ;  ", &[("", "b"), ("c", "")]);
        check("", &[]);
        check(";;;", &[]);
    }

    #[test]
    fn the_last_of_several_with_one_name_counts() {
        check("a=b; h=i; a=c", &[("a", "c"), ("h", "i")]);
    }

    #[test]
    fn only_a_value_that_is_quoted_as_a_whole_has_escapes() {
        check(r"foo=a\073b", &[("foo", r"a\073b")]);
        check(r#"foo="a\073b""#, &[("foo", "a;b")]);
        check(r#"foo="a\"b""#, &[("foo", "a\"b")]);
        check(r#"foo="a=b""#, &[("foo", "a=b")]);
        check(r#"foo=""#, &[("foo", "\"")]);
        check(r#"foo="""#, &[("foo", "")]);
        check(r#"foo="\""#, &[("foo", "\\")]);
    }

    #[test]
    fn octal_escapes_have_three_digits_and_name_one_of_256_characters() {
        check(r#"a="b=\377""#, &[("a", "b=ÿ")]);
        check(r#"a="b=\400""#, &[("a", "b=400")]);
        check(r#"a="b=\42""#, &[("a", "b=42")]);
        check(r#"a="\351""#, &[("a", "é")]);
    }

    #[test]
    fn what_is_not_utf_8_is_replaced() {
        assert_eq!(unquote(b"\xff"), "\u{fffd}");
        assert_eq!(unquote(b"\"\\x\xff\""), "x\u{fffd}");
        assert_eq!(unquote("\"é\"".as_bytes()), "é");
    }

    /// CVE-2024-7592: Python looked at all the rest again for each escape.
    #[test]
    fn escapes_are_read_once() {
        let value = format!("\"{}\"", r"\\".repeat(100_000));
        assert_eq!(unquote(value.as_bytes()).len(), 100_000);
        let field = "a=b;".repeat(16_000) + &value;
        assert_eq!(last_of_each(pairs(field.as_bytes())).len(), 2);
    }
}
