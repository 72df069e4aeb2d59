//! Ids of requests: a prefix that is the server's, and a number. Entropy is asked for once per
//! server, not per request.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;

use http::{HeaderName, HeaderValue};
use squall_http1::RequestHead;

/// The longest id: what a UUID, a trace context or a proxy's own ids need.
const BYTES_MAX: usize = 64;

/// What names a request, see [`Exchange::request_id`](crate::Exchange::request_id): 1 to 64
/// octets of letters, digits and `-._~+/=:@`.
///
/// ```
/// use squall_httpserver::Exchange;
/// async fn tell(http: Exchange) {
///     let _ = http.write(&*http.request_id()); // fails only if the peer is gone
///     http.finish();
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    len: u8,
    bytes: [u8; BYTES_MAX],
}

impl RequestId {
    /// Takes an id that came from elsewhere, if it is well-formed: what stands in a log, a field
    /// and a URL without being escaped.
    fn parse(text: &[u8]) -> Option<Self> {
        let is_well_formed = (1..=BYTES_MAX).contains(&text.len())
            && text
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=:@".contains(byte));
        is_well_formed.then(|| Self::from_ascii(text))
    }

    fn from_ascii(text: &[u8]) -> Self {
        let mut bytes = [0; BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Self {
            len: text.len() as u8,
            bytes,
        }
    }

    /// `prefix-number`, the number in hexadecimal.
    fn generated(prefix: &[u8], number: u64) -> Self {
        let mut bytes = [0; BYTES_MAX];
        bytes[..prefix.len()].copy_from_slice(prefix);
        bytes[prefix.len()] = b'-';
        let digits = ((u64::BITS - number.leading_zeros()).div_ceil(4)).max(1) as usize;
        let first = prefix.len() + 1;
        for (index, byte) in bytes[first..first + digits].iter_mut().enumerate() {
            let digit = number >> (4 * (digits - 1 - index)) & 15;
            *byte = b"0123456789abcdef"[digit as usize];
        }
        Self {
            len: (first + digits) as u8,
            bytes,
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl Deref for RequestId {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

/// Where ids of requests come from, and whether peers are told.
///
/// By default each server chooses twelve hexadecimal digits when it is made, and numbers the
/// requests whose id somebody asks for: `5f3a09c2e71b-1a4`. It believes nobody else's ids, and
/// tells none.
///
/// ```
/// use squall_httpserver::{Config, RequestIds};
/// let ids = RequestIds::default().trust("x-request-id").echo("x-request-id");
/// let config = Config::default().with_request_ids(ids);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RequestIds {
    prefix: Option<Box<str>>,
    trusted: Option<HeaderName>,
    echoed: Option<HeaderName>,
}

/// The longest prefix leaves room for the dash and the longest number.
const PREFIX_MAX: usize = BYTES_MAX - 1 - 16;

impl RequestIds {
    /// Takes the id that a request brings in this field, if it has one that is well-formed, in
    /// place of an own one. For servers behind a proxy that sets it: from anybody else it is what
    /// somebody would like to be found under in the log. Default: none.
    ///
    /// # Panics
    /// When it is no field's name, or not in lower case.
    pub fn trust(mut self, field: &'static str) -> Self {
        self.trusted = Some(HeaderName::from_static(field));
        self
    }

    /// Tells the peer the id in this field of its answer. Default: none. Refused requests have no
    /// exchange, and their answers no id.
    ///
    /// # Panics
    /// When it is no field's name, or not in lower case.
    pub fn echo(mut self, field: &'static str) -> Self {
        self.echoed = Some(HeaderName::from_static(field));
        self
    }

    /// What the server's own ids begin with, such as a machine's name, up to the dash. Default:
    /// twelve hexadecimal digits of chance. Servers with one prefix must not share a log.
    ///
    /// # Panics
    /// When it is empty, longer than 47 octets, or has others than an id may have.
    pub fn prefix(mut self, prefix: &str) -> Self {
        let is_id = RequestId::parse(prefix.as_bytes()).is_some();
        assert!(
            is_id && prefix.len() <= PREFIX_MAX,
            "not a prefix of request ids: {prefix:?}"
        );
        self.prefix = Some(prefix.into());
        self
    }
}

/// The ids of one server.
pub(super) struct Ids {
    prefix: Box<str>,
    last: Cell<u64>,
    trusted: Option<HeaderName>,
    pub(super) echoed: Option<HeaderName>,
}

impl Ids {
    pub(super) fn new(settings: &RequestIds) -> Self {
        Self {
            prefix: settings.prefix.clone().unwrap_or_else(chance),
            last: Cell::new(0),
            trusted: settings.trusted.clone(),
            echoed: settings.echoed.clone(),
        }
    }

    /// The id that a request brings itself.
    pub(super) fn brought(&self, head: &RequestHead) -> Option<RequestId> {
        let mut values = head.field_all(self.trusted.as_ref()?.as_str());
        let id = RequestId::parse(values.next()?)?;
        // Of two, nobody can say which one was the proxy's.
        values.next().is_none().then_some(id)
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    pub(super) fn id(&self, number: u64) -> RequestId {
        RequestId::generated(self.prefix.as_bytes(), number)
    }
}

impl RequestId {
    pub(super) fn to_value(self) -> HeaderValue {
        let value = HeaderValue::from_bytes(&self.bytes[..usize::from(self.len)]);
        value.expect("an id is visible ASCII")
    }
}

/// 48 bits of the system's entropy, through the seeds of the standard library's maps.
fn chance() -> Box<str> {
    let seed = RandomState::new().hash_one(std::process::id());
    format!("{:012x}", seed >> 16).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_as_many_digits_as_it_needs() {
        let check = |number, expected: &str| {
            assert_eq!(RequestId::generated(b"web", number).as_str(), expected);
        };
        check(0, "web-0");
        check(1, "web-1");
        check(15, "web-f");
        check(16, "web-10");
        check(0x1a4, "web-1a4");
        check(u64::MAX, "web-ffffffffffffffff");
        let longest = "p".repeat(PREFIX_MAX);
        let id = RequestId::generated(longest.as_bytes(), u64::MAX);
        assert_eq!(id.len(), BYTES_MAX);
    }

    #[test]
    fn an_id_from_elsewhere_is_taken_only_if_it_needs_no_escape() {
        let check = |text: &str, is_taken: bool| {
            let parsed = RequestId::parse(text.as_bytes());
            assert_eq!(
                parsed.map(|id| id.to_string()),
                is_taken.then(|| text.to_owned())
            );
        };
        check("a", true);
        check("550e8400-e29b-41d4-a716-446655440000", true);
        check("Root=1-67891233-abcdef012345678912345678", true);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        for bad in [
            "", " ", "a b", "a\"b", "a\\b", "a\nb", "a\x1bb", "é", "a,b", "<a>", "a\0",
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn two_servers_have_two_prefixes() {
        let [one, other] = [(); 2].map(|()| Ids::new(&RequestIds::default()));
        assert_eq!(one.prefix.len(), 12);
        assert_ne!(one.prefix, other.prefix);
    }

    #[test]
    #[should_panic(expected = "not a prefix")]
    fn a_prefix_that_would_forge_a_line_is_refused() {
        let _ = RequestIds::default().prefix("a\nb");
    }
}
