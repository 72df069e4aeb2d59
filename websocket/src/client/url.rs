//! What a `ws` or `wss` URL says (RFC 6455 §3): whom to ask, and what for.

use std::fmt;

use http::Uri;

/// A URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) is_secure: bool,
    /// As it is connected to; an IPv6 address has its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the Host field has it: without the port that the scheme implies (§4.1 4).
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
}

/// Why a URL is none of a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlFault {
    /// It is no URL.
    Syntax,
    /// The scheme is neither `ws` nor `wss`.
    Scheme,
    /// There is no host.
    NoHost,
    /// The port is no number from 1 to 65535.
    Port,
    /// It has a user or a password, for which a WebSocket has no place: send an Authorization
    /// field.
    Credentials,
    /// It has a fragment (§3: "MUST NOT be used").
    Fragment,
    /// It is `wss`, and TLS is not built in: a feature of the crate.
    NoTls,
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self, UrlFault> {
        // The parser of `http` would drop it.
        if text.contains('#') {
            return Err(UrlFault::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UrlFault::Syntax)?;
        let is_secure = match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("ws") => false,
            Some(scheme) if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UrlFault::Scheme),
        };
        let authority = uri.authority().ok_or(UrlFault::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(UrlFault::Credentials);
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(UrlFault::NoHost);
        }
        let default = if is_secure { 443 } else { 80 };
        let port = match authority.as_str()[host.len()..].strip_prefix(':') {
            None | Some("") => default,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|_| !digits.starts_with('+'))
                .filter(|port| *port != 0)
                .ok_or(UrlFault::Port)?,
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port,
            authority: if port == default {
                host.to_owned()
            } else {
                format!("{host}:{port}")
            },
            target: if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/{target}")
            },
        })
    }

    /// The name that a certificate has to be for.
    #[cfg(feature = "tls")]
    pub(super) fn host_name(&self) -> &str {
        let address = self.host.strip_prefix('[');
        address
            .and_then(|address| address.strip_suffix(']'))
            .unwrap_or(&self.host)
    }
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not a URL",
            Self::Scheme => "the scheme is neither ws nor wss",
            Self::NoHost => "no host",
            Self::Port => "the port is no number from 1 to 65535",
            Self::Credentials => "credentials have no place in it",
            Self::Fragment => "a fragment has no place in it",
            Self::NoTls => "wss needs the feature \"tls\"",
        })
    }
}

impl std::error::Error for UrlFault {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Secure, host, port, Host field, target.
    fn check(text: &str, expected: (bool, &str, u16, &str, &str)) {
        let url = Url::parse(text).expect(text);
        let parts = (
            url.is_secure,
            url.host.as_str(),
            url.port,
            url.authority.as_str(),
            url.target.as_str(),
        );
        assert_eq!(parts, expected, "{text}");
    }

    #[test]
    fn rfc6455_3_a_url_has_scheme_host_port_and_target() {
        check("ws://a", (false, "a", 80, "a", "/"));
        check("WS://a:80/", (false, "a", 80, "a", "/"));
        check("wss://a/b?c=d", (true, "a", 443, "a", "/b?c=d"));
        check("ws://a:443?c", (false, "a", 443, "a:443", "/?c"));
        check(
            "ws://[::1]:8080/x",
            (false, "[::1]", 8080, "[::1]:8080", "/x"),
        );
        check("ws://a:/", (false, "a", 80, "a", "/"));
    }

    #[test]
    fn rfc6455_3_what_has_no_place_in_a_url_is_refused() {
        for (text, fault) in [
            ("", UrlFault::Syntax),
            ("ws://a b/", UrlFault::Syntax),
            ("ws:/a", UrlFault::Syntax),
            ("http://a/", UrlFault::Scheme),
            ("/path", UrlFault::Scheme),
            ("a", UrlFault::Scheme),
            ("ws://a/#part", UrlFault::Fragment),
            ("ws://me:secret@a/", UrlFault::Credentials),
            ("ws://a:0/", UrlFault::Port),
            ("ws://a:65536/", UrlFault::Port),
            ("ws://a:+1/", UrlFault::Port),
        ] {
            assert_eq!(Url::parse(text), Err(fault), "{text}");
        }
    }
}
