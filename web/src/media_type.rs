//! Media types: what kind of content a request carries.
//!
//! Parsed by the grammar of RFC 9110 §8.3.1 and compared without regard to case. (Comparing
//! prefixes, as Tornado does, takes `multipart/form-dataxyz` for a form.) Asked by `exchange.rs`
//! when a handler wants arguments from the content.

use std::borrow::Cow;

/// A media type with its parameters, borrowed from a `Content-Type` field.
///
/// ```
/// use squall_web::MediaType;
///
/// let media_type = MediaType::parse("Text/HTML; Charset=\"utf-8\"").unwrap();
/// assert!(media_type.is("text/html"));
/// assert_eq!(media_type.parameter("charset").as_deref(), Some("utf-8"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    essence: &'a str,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    /// Reads a field value; `None` when it is not a media type.
    ///
    /// ```text
    /// media-type = type "/" subtype parameters
    /// parameters = *( OWS ";" OWS [ parameter ] )
    /// parameter  = token "=" ( token / quoted-string )
    /// ```
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let value = trim_ows(value);
        let (essence, parameters) = value.split_at(value.find(';').unwrap_or(value.len()));
        let essence = trim_ows(essence);
        let (kind, subtype) = essence.split_once('/')?;
        let media_type = Self {
            essence,
            parameters,
        };
        let is_well_formed = is_token(kind)
            && is_token(subtype)
            && media_type.parameters().all(|parameter| parameter.is_some());
        is_well_formed.then_some(media_type)
    }

    /// Whether this is `essence`, such as `text/html`, whatever the parameters.
    #[must_use]
    pub fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }

    /// The value of the parameter `name`, without quotes. The first counts if it is repeated.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut parameters = self.parameters().flatten();
        parameters
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The parameters one by one; `None` for a malformed one, which is the last.
    fn parameters(&self) -> Parameters<'a> {
        Parameters {
            remaining: Some(self.parameters),
        }
    }
}

struct Parameters<'a> {
    /// `None` behind a malformed parameter.
    remaining: Option<&'a str>,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Option<(&'a str, Cow<'a, str>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut remaining = trim_ows(self.remaining?);
        // Empty parameters are allowed between semicolons.
        while let Some(behind) = remaining.strip_prefix(';') {
            remaining = trim_ows(behind);
            if remaining.is_empty() {
                break;
            }
            if !remaining.starts_with(';') {
                let parsed = parse_parameter(remaining);
                self.remaining = parsed.as_ref().map(|(_, behind)| *behind);
                return Some(parsed.map(|(parameter, _)| parameter));
            }
        }
        self.remaining = None;
        if remaining.is_empty() {
            None
        } else {
            Some(None)
        }
    }
}

/// A parameter and what follows it.
fn parse_parameter(text: &str) -> Option<((&str, Cow<'_, str>), &str)> {
    let (name, value) = text.split_once('=')?;
    if !is_token(name) {
        return None;
    }
    if let Some(quoted) = value.strip_prefix('"') {
        let (value, behind) = parse_quoted(quoted)?;
        return Some(((name, value), behind));
    }
    let end = value.find([';', ' ', '\t']).unwrap_or(value.len());
    let (value, behind) = value.split_at(end);
    is_token(value).then_some(((name, Cow::Borrowed(value)), behind))
}

/// RFC 9110 §5.6.4, from behind the opening quote: the text, and what follows the closing one.
fn parse_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut value = Cow::Borrowed("");
    let mut start = 0;
    loop {
        let at = start + text[start..].find(['"', '\\'])?;
        if text[at..].starts_with('"') {
            value += &text[start..at];
            return Some((value, &text[at + 1..]));
        }
        let escaped = text[at + 1..].chars().next()?;
        value += &text[start..at];
        value.to_mut().push(escaped);
        start = at + 1 + escaped.len_utf8();
    }
}

/// OWS = *( SP / HTAB )
fn trim_ows(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let is_token_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<(&str, Option<&str>)>) {
        let parsed = MediaType::parse(value);
        let boundary = parsed.and_then(|parsed| parsed.parameter("boundary"));
        let parsed = parsed.map(|parsed| (parsed.essence, boundary.as_deref()));
        assert_eq!(parsed, expected, "{value}");
    }

    #[test]
    fn rfc9110_8_3_1_reads_types_and_parameters() {
        check("text/html", Some(("text/html", None)));
        check(" text/html ", Some(("text/html", None)));
        check("text/html;", Some(("text/html", None)));
        check("text/html ; ; ;", Some(("text/html", None)));
        check("a/b; boundary=x", Some(("a/b", Some("x"))));
        check("a/b;BOUNDARY=x;charset=y", Some(("a/b", Some("x"))));
        check(
            "a/b; c=d ; boundary=\"x;\\\"y\" ; e=f",
            Some(("a/b", Some("x;\"y"))),
        );
        check("a/b; boundary=\"\"", Some(("a/b", Some(""))));
        check("a/b; boundary=x; boundary=y", Some(("a/b", Some("x"))));
    }

    #[test]
    fn rfc9110_8_3_1_refuses_what_is_no_media_type() {
        for value in [
            "",
            "text",
            "text/",
            "/html",
            "te xt/html",
            "a/b/c",
            "a/b x",
            "a/b; c",
            "a/b; c=",
            "a/b; c =d",
            "a/b; c=\"d",
            "a/b; c=\"d\\",
            "a/b; c=\"d\"e",
            "a/b; c=d e",
            "a/b, c/d",
        ] {
            check(value, None);
        }
    }

    #[test]
    fn types_are_compared_whole_and_without_case() {
        let is_form =
            |value| MediaType::parse(value).is_some_and(|parsed| parsed.is("multipart/form-data"));
        assert!(is_form("Multipart/Form-Data; boundary=x"));
        assert!(!is_form("multipart/form-dataxyz"));
    }
}
