//! Arguments of the query and of urlencoded forms: `a=1&b=2`.
//!
//! Only the parsing and the cleaning live here, on plain bytes. Where the bytes come from and what
//! a handler may ask for is `exchange/request.rs`; arguments in the path are captured by patterns.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_decode;

use crate::error::HttpError;

/// The most arguments one query or one form may have, as in Tornado since 6.5.9: an attacker
/// can send many in little space, and each costs the server more than it cost them.
pub const QUERY_ARGUMENTS_MAX: usize = 1000;

/// The arguments of one query or form, decoded, in the order in which they came.
///
/// A name may come more than once; then the last one counts, as in Tornado, or all do.
///
/// ```
/// use squall_web::Arguments;
///
/// let arguments = Arguments::parse(b"tag=a&tag=b+c&x=%20%31%00")?;
/// assert_eq!(arguments.last("tag")?.as_deref(), Some("b c"));
/// assert_eq!(arguments.all("tag")?, ["a", "b c"]);
/// assert_eq!(arguments.last("x")?.as_deref(), Some("1"));
/// assert_eq!(arguments.last("y")?, None);
/// # Ok::<(), squall_web::HttpError>(())
/// ```
#[derive(Debug, Default)]
pub struct Arguments {
    /// All names and values, decoded, one after the other: two allocations for any number of
    /// arguments, none when the value is used again.
    text: Vec<u8>,
    pairs: Vec<Pair>,
}

#[derive(Debug)]
struct Pair {
    name: Range<usize>,
    value: Range<usize>,
}

impl Arguments {
    /// Parses what stands behind the `?` of a target, or the content of a form.
    ///
    /// # Errors
    ///
    /// 400 when there are more than [`QUERY_ARGUMENTS_MAX`].
    pub fn parse(encoded: &[u8]) -> Result<Self, HttpError> {
        let mut arguments = Self::default();
        arguments.parse_again(encoded)?;
        Ok(arguments)
    }

    /// The same into the memory of this value, which is forgotten.
    pub(crate) fn parse_again(&mut self, encoded: &[u8]) -> Result<(), HttpError> {
        self.clear();
        let pairs = encoded
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty());
        for pair in pairs {
            if self.pairs.len() == QUERY_ARGUMENTS_MAX {
                self.clear();
                return Err(HttpError::bad_request("Too many arguments"));
            }
            let name_end = pair
                .iter()
                .position(|&byte| byte == b'=')
                .unwrap_or(pair.len());
            let name = self.push_decoded(&pair[..name_end]);
            let value = self.push_decoded(pair.get(name_end + 1..).unwrap_or_default());
            self.pairs.push(Pair { name, value });
        }
        Ok(())
    }

    /// Forgets all arguments, but keeps the memory, unless it has grown out of the ordinary.
    pub(crate) fn clear(&mut self) {
        const BYTES_KEPT: usize = 16 * 1024;
        const PAIRS_KEPT: usize = 64;
        if self.text.capacity() > BYTES_KEPT {
            self.text = Vec::new();
        }
        self.text.clear();
        self.pairs.clear();
        self.pairs.shrink_to(PAIRS_KEPT);
    }

    /// The last value of `name`, cleaned.
    ///
    /// # Errors
    ///
    /// 400 when it is not UTF-8.
    pub fn last(&self, name: &str) -> Result<Option<Cow<'_, str>>, HttpError> {
        self.last_raw(name)
            .map(|value| clean(name, value))
            .transpose()
    }

    /// All values of `name`, cleaned.
    ///
    /// # Errors
    ///
    /// 400 when one is not UTF-8.
    pub fn all(&self, name: &str) -> Result<Vec<Cow<'_, str>>, HttpError> {
        self.values(name).map(|value| clean(name, value)).collect()
    }

    /// The last value of `name`, percent-decoded and nothing else: for passwords that may begin
    /// with a space, and for bytes that are no text.
    #[must_use]
    pub fn last_raw(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next_back()
    }

    /// How many there are, repeated names included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        let pairs = self.pairs.iter();
        let named = pairs.filter(move |pair| &self.text[pair.name.clone()] == name.as_bytes());
        named.map(|pair| &self.text[pair.value.clone()])
    }

    /// WHATWG URL §5.1: `+` means a space, `%` and two digits a byte; anything else itself.
    fn push_decoded(&mut self, encoded: &[u8]) -> Range<usize> {
        let start = self.text.len();
        for (position, piece) in encoded.split(|&byte| byte == b'+').enumerate() {
            if position > 0 {
                self.text.push(b' ');
            }
            self.text.extend(percent_decode(piece));
        }
        start..self.text.len()
    }
}

/// Tornado's rules for values: control characters become spaces, spaces around are dropped.
///
/// Tab, line feed and carriage return stay: text areas send them.
fn clean<'a>(name: &str, value: &'a [u8]) -> Result<Cow<'a, str>, HttpError> {
    let value = std::str::from_utf8(value)
        .map_err(|_| HttpError::bad_request(format!("Argument {name} is not UTF-8")))?;
    if !value.contains(is_removed) {
        return Ok(Cow::Borrowed(value.trim()));
    }
    let replaced = value.replace(is_removed, " ");
    Ok(Cow::Owned(replaced.trim().to_owned()))
}

fn is_removed(character: char) -> bool {
    matches!(character, '\0'..='\x08' | '\x0e'..='\x1f')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoded: &str, name: &str, expected: &[&str]) {
        let arguments = Arguments::parse(encoded.as_bytes()).unwrap();
        assert_eq!(arguments.all(name).unwrap(), expected, "{encoded}");
        assert_eq!(
            arguments.last(name).unwrap().as_deref(),
            expected.last().copied()
        );
    }

    #[test]
    fn names_and_values_are_decoded() {
        check("a=1", "a", &["1"]);
        check("a=1&b=2&a=3", "a", &["1", "3"]);
        check("a+b=c+d", "a b", &["c d"]);
        check("a=%2B%26%3D", "a", &["+&="]);
        check("a=b=c", "a", &["b=c"]);
        check("%C3%A9=%c3%a9", "é", &["é"]);
        check("a=%zz%4", "a", &["%zz%4"]);
    }

    #[test]
    fn a_name_without_a_value_is_there_but_empty() {
        check("a", "a", &[""]);
        check("a=", "a", &[""]);
        check("a&a=1&&=x&", "a", &["", "1"]);
        check("=x", "", &["x"]);
        check("", "a", &[]);
    }

    #[test]
    fn control_characters_become_spaces_and_the_ends_are_stripped() {
        check("a=%00x%08y%0Ez%1F", "a", &["x y z"]);
        check("a=x%09y%0Az%0D%0A", "a", &["x\ty\nz"]);
        check("a=+%20x%C2%A0", "a", &["x"]);
        check("a=x%7F", "a", &["x\u{7f}"]);
        check("a=x%0By%0Cz", "a", &["x\u{b}y\u{c}z"]);
    }

    #[test]
    fn a_raw_value_is_not_cleaned() {
        let arguments = Arguments::parse(b"p=+secret%00+&q=%FF").unwrap();
        assert_eq!(arguments.last_raw("p"), Some(&b" secret\0 "[..]));
        assert_eq!(arguments.last_raw("q"), Some(&b"\xff"[..]));
    }

    #[test]
    fn invalid_utf8_is_the_clients_fault_where_it_is_asked_for() {
        let arguments = Arguments::parse(b"a=%FF&b=1").unwrap();
        let error = arguments.last("a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "HTTP 400: Bad Request (Argument a is not UTF-8)"
        );
        assert_eq!(arguments.last("b").unwrap().as_deref(), Some("1"));
    }

    #[test]
    fn a_thousand_arguments_are_enough() {
        let encoded = "a=1&".repeat(QUERY_ARGUMENTS_MAX);
        assert_eq!(
            Arguments::parse(encoded.as_bytes()).unwrap().len(),
            QUERY_ARGUMENTS_MAX
        );
        let error = Arguments::parse(format!("{encoded}a=1").as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "HTTP 400: Bad Request (Too many arguments)"
        );
    }
}
