//! UTF-8 over cuts (RFC 6455 §8.1, RFC 3629): text that arrives in pieces.
//!
//! Pieces may end inside a character, since frames are cut by bytes (§5.6). Whole characters are
//! appended to a `String`, which thereby is always valid and is never checked again; the up to
//! three bytes of a character still open wait here. The first byte that no continuation could make
//! good fails at once, not at the end of the message. Text that arrived in one piece does not pass
//! here: `protocol.rs` checks it where it lies. Called by `message.rs`.

use std::error;
use std::fmt;
use std::str;

/// A decoder of UTF-8 that may be cut anywhere.
///
/// ```
/// use squall_websocket::Incremental;
///
/// let mut decoder = Incremental::default();
/// let mut text = String::new();
/// decoder.push(b"caf\xc3", &mut text)?;
/// assert_eq!(text, "caf"); // the first byte of "é" waits for its second
/// decoder.push(b"\xa9", &mut text)?;
/// assert_eq!(text, "café");
/// decoder.finish()?;
/// # Ok::<(), squall_websocket::InvalidUtf8>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Incremental {
    /// The bytes of a character whose end has not come; at most three are ever kept.
    open: [u8; 4],
    open_len: u8,
}

impl Incremental {
    /// Appends the whole characters of `piece` to `text` and keeps the rest for the next piece.
    pub fn push(&mut self, piece: &[u8], text: &mut String) -> Result<(), InvalidUtf8> {
        let piece = self.close_open(piece, text)?;
        let (whole, open) = piece.split_at(open_character(piece));
        text.push_str(simdutf8::basic::from_utf8(whole).map_err(|_| InvalidUtf8)?);
        if !open.is_empty() {
            still_possible(open)?;
            self.open[..open.len()].copy_from_slice(open);
            self.open_len = open.len() as u8;
        }
        Ok(())
    }

    /// Ends the text: a character still open is an error.
    pub fn finish(&self) -> Result<(), InvalidUtf8> {
        if self.open_len == 0 {
            Ok(())
        } else {
            Err(InvalidUtf8)
        }
    }

    /// How many bytes of an open character are kept here, and not in the `String`.
    #[must_use]
    pub fn open_len(&self) -> usize {
        usize::from(self.open_len)
    }

    /// Completes the open character from the front of `piece`; gives what is left of the piece.
    fn close_open<'p>(
        &mut self,
        mut piece: &'p [u8],
        text: &mut String,
    ) -> Result<&'p [u8], InvalidUtf8> {
        while self.open_len > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                break;
            };
            self.open[self.open_len()] = byte;
            self.open_len += 1;
            piece = rest;
            // After four bytes a sequence is a character or an error, so `open` never overflows.
            let bytes = &self.open[..self.open_len()];
            match str::from_utf8(bytes) {
                Ok(character) => {
                    text.push_str(character);
                    self.open_len = 0;
                }
                Err(_) => still_possible(bytes)?,
            }
        }
        Ok(piece)
    }
}

/// Where the last character of `piece` begins if its end is not in `piece`; else its length.
///
/// Only the last three bytes can begin such a character, and the lead byte tells how many follow:
///
/// ```text
/// UTF8-2 = %xC2-DF UTF8-tail          UTF8-tail = %x80-BF
/// UTF8-3 = %xE0-EF 2( UTF8-tail )     (RFC 3629 §4; some second bytes
/// UTF8-4 = %xF0-F4 3( UTF8-tail )      have narrower ranges)
/// ```
fn open_character(piece: &[u8]) -> usize {
    for back in 1..=piece.len().min(3) {
        let needed = match piece[piece.len() - back] {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            // ASCII, or a byte UTF-8 never has: the bulk check of the whole piece will tell.
            _ => 1,
        };
        return if needed > back {
            piece.len() - back
        } else {
            piece.len()
        };
    }
    piece.len()
}

/// Whether `bytes`, not valid as they are, are the beginning of a character.
fn still_possible(bytes: &[u8]) -> Result<(), InvalidUtf8> {
    match str::from_utf8(bytes) {
        // `error_len` is absent exactly when the input ended too soon and was good so far.
        Err(error) if error.error_len().is_none() => Ok(()),
        _ => Err(InvalidUtf8),
    }
}

/// The bytes are not UTF-8, and no byte that could follow would make them so.
///
/// ```
/// use squall_websocket::{Incremental, InvalidUtf8};
///
/// // Half of a UTF-16 surrogate pair: refused at its second byte, before the third.
/// let result = Incremental::default().push(b"\xed\xa0", &mut String::new());
/// assert_eq!(result, Err(InvalidUtf8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8")
    }
}

impl error::Error for InvalidUtf8 {}
