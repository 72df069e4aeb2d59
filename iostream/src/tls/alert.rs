//! Alerts: why a peer has given up, in its own words.

use std::fmt;

/// An alert of the peer's that ended the connection (RFC 8446, section 6).
///
/// ```
/// use squall_iostream::tls::TlsAlert;
/// let alert = TlsAlert::new(48);
/// assert_eq!(alert.to_string(), "unknown_ca (48)");
/// assert_eq!(TlsAlert::new(255).to_string(), "255");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TlsAlert(u8);

impl TlsAlert {
    /// The alert of this number.
    pub const fn new(code: u8) -> Self {
        Self(code)
    }

    /// Its number on the wire.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Its name, if it is one of RFC 5246 or 8446.
    pub fn name(self) -> Option<&'static str> {
        let at = NAMES.binary_search_by_key(&self.0, |(code, _)| *code);
        at.ok().map(|at| NAMES[at].1)
    }
}

impl fmt::Display for TlsAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => self.0.fmt(f),
        }
    }
}

/// RFC 8446, section 6, and what RFC 5246 has beyond it; in the order of the numbers.
const NAMES: &[(u8, &str)] = &[
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (22, "record_overflow"),
    (40, "handshake_failure"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (120, "no_application_protocol"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_so_that_each_name_is_found() {
        assert!(NAMES.is_sorted_by_key(|(code, _)| *code));
        for (code, name) in NAMES {
            assert_eq!(TlsAlert::new(*code).name(), Some(*name));
        }
        assert_eq!(TlsAlert::new(1).name(), None);
    }
}
