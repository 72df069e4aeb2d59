//! Which site's page asks (RFC 6455 §4.2.2 1, §10.2): the default rule against cross-site requests.
//!
//! Browsers let any page open a WebSocket to any host and send the user's cookies along; only the
//! server can refuse. Clients that are no browsers say nothing and are let in, since they could say
//! anything. Applications with trusted partners ask their own rule instead. Called by the WebSocket
//! handler, which answers `Refusal::CrossOrigin`.

use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};

use super::single;

/// Whether the request comes from a page of the very host and port it asks, or from no page.
///
/// `Sec-Fetch-Site`, which pages cannot forge, is believed if it says so; otherwise the host and
/// port of `Origin` must be those of `Host`. An `Origin` of `null` (a sandbox, a file) is not.
///
/// ```
/// use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
/// use squall_websocket::handshake::is_same_origin;
///
/// let mut fields = HeaderMap::new();
/// fields.insert(HOST, HeaderValue::from_static("chat.example.com"));
/// assert!(is_same_origin(&fields));
/// fields.insert(ORIGIN, HeaderValue::from_static("https://chat.example.com"));
/// assert!(is_same_origin(&fields));
/// fields.insert(ORIGIN, HeaderValue::from_static("https://evil.example.com"));
/// assert!(!is_same_origin(&fields));
/// ```
#[must_use]
pub fn is_same_origin(fields: &HeaderMap) -> bool {
    if single(fields, "sec-fetch-site").is_some_and(|site| site == "same-origin" || site == "none")
    {
        return true;
    }
    if !fields.contains_key(ORIGIN) {
        return true;
    }
    let text = |name| single(fields, name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(ORIGIN), text(HOST)) else {
        return false;
    };
    let Some((scheme, origin)) = origin.split_once("://") else {
        return false;
    };
    // A path is not part of an origin; clients that send one mean what is before it.
    let origin = origin
        .split_once('/')
        .map_or(origin, |(authority, _)| authority);
    !host.is_empty()
        && without_default_port(origin, scheme)
            .eq_ignore_ascii_case(without_default_port(host, scheme))
}

/// As [`is_same_origin`], and also pages of these origins, each as a browser names it:
/// `https://partner.example`, with a port if that is not the scheme's (RFC 6454 §6.2).
///
/// ```
/// use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
/// use squall_websocket::handshake::is_trusted_origin;
///
/// let mut fields = HeaderMap::new();
/// fields.insert(HOST, HeaderValue::from_static("chat.example.com"));
/// fields.insert(ORIGIN, HeaderValue::from_static("https://partner.example"));
/// fields.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
/// assert!(is_trusted_origin(&fields, &["https://partner.example"]));
/// assert!(!is_trusted_origin(&fields, &["https://other.example", "http://partner.example"]));
/// ```
#[must_use]
pub fn is_trusted_origin(fields: &HeaderMap, trusted: &[&str]) -> bool {
    // Schemes and hosts are the same in any case (RFC 3986 §6.2.2.1).
    let is_trusted = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        trusted
            .iter()
            .any(|trusted| origin.eq_ignore_ascii_case(trusted.as_bytes()))
    };
    single(fields, ORIGIN).is_some_and(is_trusted) || is_same_origin(fields)
}

/// The port that the scheme implies may be written or not (RFC 9110 §4.2.3).
fn without_default_port<'a>(authority: &'a str, scheme: &str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("http") {
        ":80"
    } else if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        return authority;
    };
    authority.strip_suffix(port).unwrap_or(authority)
}
