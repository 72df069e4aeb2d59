//! Which content coding a client is to get: `Accept-Encoding` (RFC 9110 §12.5.3). Pure.

use http::HeaderValue;
use squall_http1::RequestHead;

/// A coding in which a file may be there already, beside the file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// The smallest first: of what a client likes equally, the first is taken.
    pub(super) const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// How the file is called.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    pub(super) fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// Names are case-insensitive, and §8.4.1.3 has an old one.
    fn is_called(self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name().as_bytes())
            || (self == Self::Gzip && name.eq_ignore_ascii_case(b"x-gzip"))
    }
}

/// The coding among those `available` that the client likes best; `None` for none at all, which it
/// gets also where it likes nothing.
pub(super) fn choose(head: &RequestHead, available: &[Coding]) -> Option<Coding> {
    let weight = |is_called: &dyn Fn(&[u8]) -> bool| {
        let elements = head.field_all("accept-encoding");
        let mut elements = elements.flat_map(|list| list.split(|byte| *byte == b','));
        elements.find_map(|element| weight_if(element, is_called))
    };
    let any = weight(&|name| name == b"*");
    // Without coding it is acceptable unless it is excluded, and then liked least.
    let mut best = (
        None,
        weight(&|name| name.eq_ignore_ascii_case(b"identity")).unwrap_or(0),
    );
    for coding in available {
        let weight = weight(&|name| coding.is_called(name)).or(any).unwrap_or(0);
        let is_better = weight > best.1 || (weight == best.1 && best.0.is_none());
        if weight > 0 && is_better {
            best = (Some(*coding), weight);
        }
    }
    best.0
}

/// The weight of an element, in thousandths, if it is called so. One that is malformed counts as
/// not acceptable.
///
/// ```text
/// codings [ weight ]
/// weight = OWS ";" OWS "q=" qvalue
/// qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
/// ```
fn weight_if(element: &[u8], is_called: &dyn Fn(&[u8]) -> bool) -> Option<u16> {
    let mut parts = element.splitn(2, |byte| *byte == b';');
    if !is_called(parts.next()?.trim_ascii()) {
        return None;
    }
    let Some(weight) = parts.next() else {
        return Some(1000);
    };
    let weight = weight.trim_ascii();
    let value = weight.strip_prefix(b"q=").or(weight.strip_prefix(b"Q="));
    Some(value.and_then(thousandths).unwrap_or(0))
}

fn thousandths(qvalue: &[u8]) -> Option<u16> {
    let (whole, digits) = match qvalue {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut value = u16::from(whole - b'0');
    for place in 0..3 {
        value = value * 10 + digits.get(place).map_or(0, |digit| u16::from(digit - b'0'));
    }
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use squall_http1::{HeadDecoder, Limits};

    use super::*;

    fn check(accept: &str, expected: Option<Coding>) {
        let mut head = RequestHead::new();
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{accept}\r\n");
        let limits = Limits::default();
        HeadDecoder::new()
            .decode(input.as_bytes(), &mut head, &limits)
            .unwrap()
            .unwrap();
        assert_eq!(choose(&head, &Coding::ALL), expected, "{accept}");
    }

    #[test]
    fn rfc9110_12_5_3_the_coding_that_is_liked_best_is_taken() {
        check(
            "Accept-Encoding: gzip, deflate, br, zstd\r\n",
            Some(Coding::Brotli),
        );
        check("Accept-Encoding: gzip\r\n", Some(Coding::Gzip));
        check(
            "Accept-Encoding: br;q=0.5, gzip;q=0.501\r\n",
            Some(Coding::Gzip),
        );
        check("Accept-Encoding: X-GZip ; q=1.000\r\n", Some(Coding::Gzip));
        check(
            "Accept-Encoding: zstd;q=0.1\r\nAccept-Encoding: br\r\n",
            Some(Coding::Brotli),
        );
        check("Accept-Encoding: *\r\n", Some(Coding::Brotli));
        check("Accept-Encoding: *, br;q=0\r\n", Some(Coding::Zstd));
    }

    #[test]
    fn rfc9110_12_5_3_what_is_not_asked_for_is_not_sent() {
        check("", None);
        check("Accept-Encoding:\r\n", None);
        check("Accept-Encoding: identity\r\n", None);
        check("Accept-Encoding: identity, gzip;q=0.5\r\n", None);
        check("Accept-Encoding: deflate\r\n", None);
        check("Accept-Encoding: *;q=0\r\n", None);
    }

    /// Tornado looks for the text `gzip`.
    #[test]
    fn rfc9110_12_4_2_a_weight_of_nought_is_a_refusal_and_a_name_is_a_whole_one() {
        check("Accept-Encoding: gzip;q=0\r\n", None);
        check("Accept-Encoding: gzip; q=0.000\r\n", None);
        check("Accept-Encoding: xgzipx\r\n", None);
        check("Accept-Encoding: gzip;q=2\r\n", None);
        check("Accept-Encoding: gzip;q=0.1234\r\n", None);
        check("Accept-Encoding: gzip;q=1.001\r\n", None);
        check("Accept-Encoding: gzip;level=9\r\n", None);
    }
}
