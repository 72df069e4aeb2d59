//! What the opening handshake leaves for the connection: which end we are, and what was agreed on.
//!
//! Made by whoever answers or asks for the handshake (`client/`, the web layer), read when a
//! connection begins.

use crate::Role;
#[cfg(feature = "deflate")]
use crate::deflate::DeflateAgreement;

/// The outcome of an opening handshake.
///
/// ```
/// use squall_websocket::{Opening, Role};
///
/// assert_eq!(Opening::new(Role::Server).role(), Role::Server);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    role: Role,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateAgreement>,
}

impl Opening {
    /// Without extensions.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// With compression, if there was an agreement.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, agreement: Option<DeflateAgreement>) -> Self {
        self.deflate = agreement;
        self
    }

    /// Which end we are.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// What was agreed on compression.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(&self) -> Option<&DeflateAgreement> {
        self.deflate.as_ref()
    }
}
