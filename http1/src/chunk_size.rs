//! One chunk-size line, octet by octet: how long the next chunk is.
//!
//! ```text
//! chunk-size = 1*HEXDIG                                                   ; RFC 9112 §7.1
//! chunk-ext  = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )   ; §7.1.1
//! ```
//! Extensions are ignored, as a recipient MUST with those it does not know, but not without
//! limits, and not if they hide a line's end. Used by `content.rs`.

use crate::error::{Error, LimitFault, PeerFault};
use crate::grammar::{after_text, is_ows};
use crate::limits::Limits;

/// A chunk-size line that may not be whole yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkSize {
    size: u64,
    /// Octets of this line so far.
    len: u32,
    part: Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Part {
    /// Before the first digit.
    #[default]
    Start,
    Digits,
    /// Whitespace, behind which there must be an extension.
    Space,
    Extensions,
    /// Behind CR.
    Lf,
}

impl ChunkSize {
    /// Reads on: how many octets were used, and the size once the line has ended.
    pub(crate) fn read(
        &mut self,
        input: &[u8],
        limits: &Limits,
        extensions: &mut usize,
    ) -> Result<(usize, Option<u64>), Error> {
        let mut at = 0;
        while let Some(byte) = input.get(at).copied() {
            let used = match (self.part, byte) {
                (Part::Start | Part::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    self.push_digit(byte)?;
                    1
                }
                (Part::Digits | Part::Extensions, b'\r') => {
                    self.part = Part::Lf;
                    at += 1;
                    continue;
                }
                (Part::Lf, b'\n') => return Ok((at + 1, Some(self.size))),
                (Part::Digits | Part::Space, b';') => {
                    self.part = Part::Extensions;
                    1
                }
                (Part::Digits | Part::Space, byte) if is_ows(byte) => {
                    self.part = Part::Space;
                    1
                }
                (Part::Extensions, _) => input.len() - at - after_text(&input[at..]).len(),
                _ => 0,
            };
            if used == 0 {
                return Err(self.fault(byte).into());
            }
            at += used;
            self.len = self
                .len
                .saturating_add(u32::try_from(used).unwrap_or(u32::MAX));
            if self.len as usize > limits.chunk_line_bytes_max {
                return Err(LimitFault::ChunkLineBytes.into());
            }
            if matches!(self.part, Part::Extensions | Part::Space) {
                *extensions += used;
                if *extensions > limits.chunk_extensions_bytes_max {
                    return Err(LimitFault::ChunkExtensionsBytes.into());
                }
            }
        }
        Ok((at, None))
    }

    fn push_digit(&mut self, digit: u8) -> Result<(), PeerFault> {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20) - b'a' + 10,
        };
        self.part = Part::Digits;
        // §7.1: "A recipient MUST anticipate potentially large hexadecimal numerals and prevent
        // parsing errors due to integer conversion overflows".
        if self.size >> 60 != 0 {
            return Err(PeerFault::ChunkSizeOverflow);
        }
        self.size = self.size << 4 | u64::from(value);
        Ok(())
    }

    /// Which rule an octet breaks that has no place where it stands.
    fn fault(&self, byte: u8) -> PeerFault {
        match (self.part, byte) {
            (Part::Lf, _) => PeerFault::BareCr,
            (Part::Digits | Part::Extensions | Part::Space, b'\n') => PeerFault::BareLf,
            (Part::Extensions | Part::Space, _) => PeerFault::ChunkExtensionInvalid,
            (Part::Start | Part::Digits, _) => PeerFault::ChunkSizeInvalid,
        }
    }
}
