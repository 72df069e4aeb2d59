//! What both ends have agreed on: the four parameters of RFC 7692 §7.1, with what their absence
//! means filled in. Made by `negotiate.rs`; both ends of a connection read the same.

use std::fmt;

use crate::Role;

use super::settings::WINDOW_BITS_MAX;

/// The parameters of permessage-deflate on one connection.
///
/// ```
/// use http::HeaderMap;
/// use squall_websocket::{Deflate, Role};
///
/// let mut fields = HeaderMap::new();
/// let offer = "permessage-deflate; server_max_window_bits=10, permessage-deflate";
/// fields.insert("sec-websocket-extensions", offer.parse()?);
/// let agreement = Deflate::default().accept(&fields).expect("the first offer will do");
/// assert_eq!(agreement.window_bits(Role::Server), 10);
/// assert!(!agreement.keeps_context(Role::Client));
/// assert_eq!(
///     agreement.to_string(),
///     "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
///      server_max_window_bits=10"
/// );
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateAgreement {
    pub(super) server: Side,
    pub(super) client: Side,
}

/// What holds for one end's compressor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) keeps_context: bool,
    /// `None` if nothing was said, which means 15.
    pub(super) window_bits: Option<u8>,
}

impl DeflateAgreement {
    /// Whether this end's compressor may refer to messages before (*context takeover*).
    #[must_use]
    pub fn keeps_context(&self, role: Role) -> bool {
        self.side(role).keeps_context
    }

    /// The base-2 logarithm of the bytes that this end's compressor may refer back.
    #[must_use]
    pub fn window_bits(&self, role: Role) -> u8 {
        self.side(role).window_bits.unwrap_or(WINDOW_BITS_MAX)
    }

    fn side(&self, role: Role) -> &Side {
        match role {
            Role::Server => &self.server,
            Role::Client => &self.client,
        }
    }
}

/// As it stands in the answer to the opening handshake.
impl fmt::Display for DeflateAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate")?;
        if !self.server.keeps_context {
            f.write_str("; server_no_context_takeover")?;
        }
        if !self.client.keeps_context {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server.window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        if let Some(bits) = self.client.window_bits {
            write!(f, "; client_max_window_bits={bits}")?;
        }
        Ok(())
    }
}
