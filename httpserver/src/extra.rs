//! What most requests do not have: settings of their own, trailers, content in a coding. It is made
//! when it is first needed, so that those that do without pay one comparison for it.

use std::time::Duration;

use http::HeaderMap;

use crate::Disconnect;
#[cfg(feature = "compression")]
use crate::decoding::Decoding;

#[derive(Default)]
pub(crate) struct Extra {
    /// In place of the server's.
    pub(crate) disconnect: Option<Disconnect>,
    /// In place of the server's; the inner one says whether there is one.
    pub(crate) timeout_request: Option<Option<Duration>>,
    /// What follows the last chunk of the answer.
    pub(crate) trailers: HeaderMap,
    #[cfg(feature = "compression")]
    pub(crate) decoding: Decoding,
}
