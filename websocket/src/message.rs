//! Messages (RFC 6455 §5.4, §5.6): what an application says, and how it is put together again.
//!
//! [`Message`] is what goes out, and what a handler is lent. The assembly is where a message grows
//! that did not arrive whole in one piece of input: its frames were many, or the input ended inside
//! its only one. It owns the single allocation a connection's receiving side ever makes. Which
//! frames may follow which, and how much they may claim, is decided in `protocol.rs`, its only
//! caller.

use crate::error::{Error, PeerFault};
use crate::protocol::Event;
use crate::utf8::Incremental;

/// A message: to be sent, or lent to a handler that receives it.
///
/// ```
/// use squall_websocket::{Message, encode_message};
///
/// let mut out = Vec::new();
/// encode_message(&mut out, Message::from("hi"), None);
/// encode_message(&mut out, Message::Binary(&[1]), None);
/// assert_eq!(out, b"\x81\x02hi\x82\x01\x01");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text; `str` keeps it UTF-8, as §5.6 requires.
    Text(&'a str),
    /// Bytes whose meaning only the application knows.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Whether the message is text or binary.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// The bytes that go on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a> From<&'a OwnedMessage> for Message<'a> {
    fn from(message: &'a OwnedMessage) -> Self {
        match message {
            OwnedMessage::Text(text) => Self::Text(text),
            OwnedMessage::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// A message that was taken out of the receive buffer.
///
/// ```
/// use squall_websocket::{Message, OwnedMessage};
///
/// let kept = OwnedMessage::from("hi");
/// assert_eq!(Message::from(&kept), Message::Text("hi"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedMessage {
    /// UTF-8.
    Text(String),
    /// Anything.
    Binary(Vec<u8>),
}

impl From<&str> for OwnedMessage {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&[u8]> for OwnedMessage {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(bytes.to_vec())
    }
}

/// The two kinds of message (§5.6).
///
/// ```
/// use squall_websocket::{Message, MessageKind};
///
/// assert_eq!(Message::from("hi").kind(), MessageKind::Text);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
}

/// A message in pieces. Idle, it owns no memory.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// Whether a message is being put together. If not, the content was delivered, and only waits
    /// for its memory to be used again or given back.
    is_open: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text(String, Incremental),
    Binary(Vec<u8>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Binary(Vec::new())
    }
}

impl Assembly {
    /// Whether a message has begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Bytes taken in for the message that is open; zero when none is.
    pub(crate) fn len(&self) -> usize {
        match &self.content {
            _ if !self.is_open => 0,
            Content::Text(text, utf8) => text.len() + utf8.open_len(),
            Content::Binary(bytes) => bytes.len(),
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        match &self.content {
            Content::Text(text, _) => text.capacity(),
            Content::Binary(bytes) => bytes.capacity(),
        }
    }

    /// Begins a message, in the memory of the one before if that was not given back.
    pub(crate) fn begin(&mut self, kind: MessageKind) {
        let mut memory = match std::mem::take(&mut self.content) {
            Content::Text(text, _) => text.into_bytes(),
            Content::Binary(bytes) => bytes,
        };
        memory.clear();
        self.content = match kind {
            // No bytes are always UTF-8: this only turns the empty Vec into an empty String.
            MessageKind::Text => Content::Text(
                String::from_utf8(memory).unwrap_or_default(),
                Incremental::default(),
            ),
            MessageKind::Binary => Content::Binary(memory),
        };
        self.is_open = true;
    }

    /// Takes in a piece. `bytes_max` is what the message can at most become, and at least what it
    /// is with this piece.
    pub(crate) fn push(&mut self, piece: &[u8], bytes_max: usize) -> Result<(), Error> {
        match &mut self.content {
            Content::Text(text, utf8) => {
                let arriving = utf8.open_len() + piece.len();
                text.reserve_exact(room(text.len(), text.capacity(), arriving, bytes_max));
                utf8.push(piece, text).map_err(|_| PeerFault::InvalidUtf8)?;
            }
            Content::Binary(bytes) => {
                bytes.reserve_exact(room(bytes.len(), bytes.capacity(), piece.len(), bytes_max));
                bytes.extend_from_slice(piece);
            }
        }
        Ok(())
    }

    /// Ends the message: it can be lent now. Text must not end inside a character (§8.1).
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        if let Content::Text(_, utf8) = &self.content {
            utf8.finish().map_err(|_| PeerFault::InvalidUtf8)?;
        }
        self.is_open = false;
        Ok(())
    }

    /// Lends the message that ended.
    pub(crate) fn event(&self) -> Event<'_> {
        match &self.content {
            Content::Text(text, _) => Event::Text(text),
            Content::Binary(bytes) => Event::Binary(bytes),
        }
    }

    /// Gives the memory back, unless a message is open.
    pub(crate) fn release(&mut self) {
        if !self.is_open {
            self.content = Content::default();
        }
    }
}

/// How much to reserve for arriving bytes: nothing if they fit; else room for twice the capacity,
/// so that growing is cheap, but never for more than the message can become. A claimed length
/// alone reserves nothing.
fn room(len: usize, capacity: usize, arriving: usize, bytes_max: usize) -> usize {
    let needed = len + arriving;
    if needed <= capacity {
        return 0;
    }
    capacity.saturating_mul(2).min(bytes_max).max(needed) - len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_what_arrived_and_not_what_was_claimed() {
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let mut assembly = Assembly::default();
            assembly.begin(kind);
            assert_eq!(assembly.capacity(), 0);
            let mut growths = 0;
            for arrived in 1..=10_000 {
                let before = assembly.capacity();
                assembly.push(b"x", 1 << 40).unwrap();
                growths += usize::from(assembly.capacity() != before);
                assert!(assembly.capacity() <= 2 * arrived);
            }
            assert!(growths < 20, "{growths} growths for 10,000 bytes");
        }
    }

    #[test]
    fn memory_never_exceeds_what_the_message_can_become() {
        // "€" has three bytes, so pieces of two end inside characters most of the time.
        let text = "€".repeat(1000);
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let mut assembly = Assembly::default();
            assembly.begin(kind);
            for piece in text.as_bytes().chunks(2) {
                assembly.push(piece, text.len()).unwrap();
                assert!(assembly.capacity() <= text.len());
            }
            assembly.finish().unwrap();
        }
    }

    #[test]
    fn memory_is_used_again_and_given_back() {
        let mut assembly = Assembly::default();
        assembly.begin(MessageKind::Text);
        assembly.push(&[b'x'; 1000], 1000).unwrap();
        assembly.release();
        assert_eq!(assembly.len(), 1000, "an open message is kept");
        assembly.finish().unwrap();

        assembly.begin(MessageKind::Binary);
        assert_eq!((assembly.len(), assembly.capacity()), (0, 1000));
        assembly.finish().unwrap();
        assembly.release();
        assert_eq!(assembly.capacity(), 0);
    }
}
