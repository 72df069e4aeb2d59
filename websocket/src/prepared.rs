//! A message for many sockets: framed once, and compressed once for each way of compressing.
//!
//! Made by `topics.rs` for each publication, and by applications that keep lists of their own.

use std::cell::OnceCell;
#[cfg(feature = "deflate")]
use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;

use crate::Message;
#[cfg(feature = "deflate")]
use crate::deflate::{DeflatePool, Flavour, deflated_frame};
use crate::encode::{encode_message, frame_bytes};

/// A message that is sent to many sockets with
/// [`write_shared`](crate::WebSocket::write_shared): all that speak alike share one frame.
///
/// ```
/// use squall_websocket::{Message, Prepared, WebSocket};
///
/// fn tell_all(sockets: &[WebSocket], news: &str) -> usize {
///     let prepared = Prepared::new(Message::Text(news));
///     sockets
///         .iter()
///         .filter(|socket| socket.write_shared(&prepared).is_ok())
///         .count()
/// }
/// assert_eq!(tell_all(&[], "nobody hears this"), 0);
/// ```
pub struct Prepared<'a> {
    message: Message<'a>,
    plain: OnceCell<Bytes>,
    /// One for each level and window among the sockets: seldom more than two.
    #[cfg(feature = "deflate")]
    deflated: RefCell<Vec<(Flavour, Bytes)>>,
}

impl<'a> Prepared<'a> {
    /// Nothing is framed before the first socket asks.
    #[must_use]
    pub fn new(message: Message<'a>) -> Self {
        Self {
            message,
            plain: OnceCell::new(),
            #[cfg(feature = "deflate")]
            deflated: RefCell::default(),
        }
    }

    /// The frame for servers' sockets without compression.
    pub(crate) fn plain(&self) -> Bytes {
        self.plain.get_or_init(|| frame_bytes(self.message)).clone()
    }

    /// A frame with a key of its own, as a client's have to be.
    pub(crate) fn masked(&self, key: crate::MaskingKey) -> Bytes {
        let mut out = Vec::new();
        encode_message(&mut out, self.message, Some(key));
        out.into()
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn message(&self) -> Message<'a> {
        self.message
    }

    /// The frame for servers' sockets that compress in the same way.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflated(&self, flavour: Flavour, pool: &DeflatePool) -> Bytes {
        let mut deflated = self.deflated.borrow_mut();
        if let Some((_, frame)) = deflated.iter().find(|(known, _)| *known == flavour) {
            return frame.clone();
        }
        let frame = deflated_frame(self.message, flavour, pool);
        deflated.push((flavour, frame.clone()));
        frame
    }
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}
