//! Bytes to heads: one loop over the lines of a head, for requests and responses.
//!
//! ```text
//!            input, from the first octet of the head
//!   +------------+-------------+-------------+----------- - - -
//!   | start-line | field-line  | field-line  | fiel
//!   +------------+-------------+-------------+----------- - - -
//!     read once    read once     line ^        searched ^
//! ```
//! A line is read when all of it is there, and once. Of the last, incomplete one the decoder only
//! remembers how far no LF was found. So the work is linear in the bytes, however they arrive.
//!
//! Called by the connection with all it has received and not used; the meaning of a line is in
//! `start_line.rs`, `field_line.rs` and the two heads.

use crate::error::{Error, LimitFault, PeerFault};
use crate::field_line::{self, Field, FieldLine};
use crate::fields::Fields;
use crate::grammar;
use crate::limits::Limits;
use crate::request::RequestHead;
use crate::response::ResponseHead;

/// Decodes heads, one after another.
///
/// It holds where it is in an incomplete head, nothing else; what it found so far is in the head
/// it was given. If another head is given, or the same one cleared, it begins again.
///
/// ```
/// use squall_http1::{HeadDecoder, Limits, RequestHead};
///
/// let limits = Limits::default();
/// let mut decoder = HeadDecoder::new();
/// let mut head = RequestHead::new();
/// let input = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
/// assert_eq!(decoder.decode(&input[..20], &mut head, &limits)?, None);
/// assert_eq!(decoder.decode(input, &mut head, &limits)?, Some(27));
/// assert_eq!(decoder.decode(&input[27..], &mut head, &limits)?, None);
/// # Ok::<(), squall_http1::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HeadDecoder {
    /// Octets before the start-line: none, or those of one empty line.
    skipped: u8,
    /// Where the first line begins that is not read yet; 0 is the start-line. Counted, as all
    /// positions here, from the start-line.
    line: u32,
    /// Up to where that line is known to have no LF.
    searched: u32,
}

/// What the loop asks of a head: to read its first line, to take note of each field, and to check
/// the whole.
pub(crate) trait DecodeHead {
    /// Beyond this, an incomplete start-line will not become a good one.
    fn start_line_bytes_max(limits: &Limits) -> usize;
    /// Forgets the fields of the head before this one.
    fn begin(&mut self);
    /// Forgets everything.
    fn clear(&mut self);
    /// Where the next line begins, or `None` if the input ends before it.
    fn read_start_line(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Error>;
    fn note_field(&mut self, field: &Field<'_>) -> Result<(), PeerFault>;
    fn finish(&mut self, bytes: &[u8]) -> Result<(), PeerFault>;
    fn fields(&mut self) -> &mut Fields;
}

impl HeadDecoder {
    /// A decoder at the beginning of a head.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the head of a request: how many octets of `input` it has, or `None` if it goes on
    /// behind them. In that case `input` is to be given again, with more.
    ///
    /// # Errors
    /// Whatever is wrong with the request. The decoder is then as new, but the connection has
    /// nothing more to give it.
    pub fn decode(
        &mut self,
        input: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        // RFC 9112 §2.2: a server "SHOULD ignore at least one empty line (CRLF) received prior
        // to the request-line". Exactly one, so that a peer cannot keep us busy with them.
        if self.skipped == 0 && self.is_at_start() {
            match input {
                [b'\r', b'\n', ..] => self.skipped = 2,
                [b'\r'] => return Ok(None),
                _ => {}
            }
        }
        let skipped = usize::from(self.skipped);
        let after_empty_line = match skipped {
            0 => input,
            _ => input.get(skipped..).unwrap_or_default(),
        };
        let result = self.advance(after_empty_line, head, limits);
        Ok(self.reset_after(result, head)?.map(|used| used + skipped))
    }

    /// Decodes the head of a response, in the same way.
    ///
    /// # Errors
    /// Whatever is wrong with the response, as far as its head tells: see also
    /// [`ResponseHead::framing`].
    pub fn decode_response(
        &mut self,
        input: &[u8],
        head: &mut ResponseHead,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        let result = self.advance(input, head, limits);
        self.reset_after(result, head)
    }

    /// Whether nothing of a head has been read yet, though an empty line may have been.
    fn is_at_start(&self) -> bool {
        self.line == 0
    }

    #[inline(always)]
    fn reset_after<H: DecodeHead>(
        &mut self,
        result: Result<Option<usize>, Error>,
        head: &mut H,
    ) -> Result<Option<usize>, Error> {
        match result {
            Ok(None) => {}
            Ok(Some(_)) => *self = Self::default(),
            Err(_) => {
                *self = Self::default();
                head.clear();
            }
        }
        result
    }

    /// Reads line after line until the head is whole or the input ends.
    #[inline(always)]
    fn advance<H: DecodeHead>(
        &mut self,
        input: &[u8],
        head: &mut H,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        // A head beyond the limit looks like one that does not end within it.
        let head_bytes_max = limits.head_bytes_max.min(u32::MAX as usize - 1);
        let within = &input[..input.len().min(head_bytes_max)];
        if head.fields().read_up_to != self.line {
            (self.line, self.searched) = (0, 0);
        }
        let end = if self.has_whole_line(within) {
            self.read_lines(within, head, limits)?
        } else {
            None
        };
        if end.is_none() {
            let line_max = H::start_line_bytes_max(limits);
            if self.is_at_start() && within.len() > line_max {
                return Err(LimitFault::TargetBytes.into());
            }
            if input.len() > head_bytes_max {
                return Err(LimitFault::HeadBytes.into());
            }
        }
        Ok(end)
    }

    /// Whether the line at hand is worth reading. It is, if its end was not searched for before:
    /// most heads arrive whole, and a search would go over all their bytes once more.
    #[inline]
    fn has_whole_line(&mut self, input: &[u8]) -> bool {
        if self.searched == 0 {
            return true;
        }
        let searched = (self.searched as usize).min(input.len());
        self.searched = input.len() as u32;
        grammar::has_lf(&input[searched..])
    }

    #[inline(always)]
    fn read_lines<H: DecodeHead>(
        &mut self,
        input: &[u8],
        head: &mut H,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        let mut line = self.line as usize;
        self.searched = input.len() as u32;
        if line == 0 {
            head.begin();
            match head.read_start_line(input, limits)? {
                Some(next) => line = next,
                None => return Ok(None),
            }
        }
        loop {
            match field_line::read(input, line)? {
                FieldLine::Field(field, next) => {
                    head.note_field(&field)?;
                    if head.fields().len() >= limits.fields_max {
                        return Err(LimitFault::Fields.into());
                    }
                    head.fields().push(field.span);
                    line = next;
                }
                FieldLine::End(end) => {
                    head.finish(&input[..end])?;
                    return Ok(Some(end));
                }
                FieldLine::Partial => {
                    self.line = line as u32;
                    head.fields().read_up_to = self.line;
                    return Ok(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::work;

    /// However a head arrives, its octets are passed over a few times at most: once when the line
    /// they are in begins, once in the search for its end, once when it is whole.
    #[test]
    fn work_is_linear_however_a_head_arrives() {
        let limits = Limits::default()
            .with_head_bytes_max(usize::MAX)
            .with_fields_max(usize::MAX);
        let short_lines = "A: b\r\n".repeat(4_000);
        let long_line = format!("A: {}\r\n", "b".repeat(24_000));
        for fields in [short_lines, long_line.clone(), long_line.repeat(2)] {
            let wire = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            for step in [1, 2, 7, 100, 10_000] {
                let (mut decoder, mut head) = (HeadDecoder::new(), RequestHead::new());
                let octets = work::of(|| {
                    for end in (1..wire.len()).step_by(step).chain([wire.len()]) {
                        let used = decoder.decode(&wire.as_bytes()[..end], &mut head, &limits);
                        let whole = (end == wire.len()).then_some(end);
                        assert_eq!(used, Ok(whole), "in steps of {step}");
                    }
                });
                assert!(
                    octets <= 3 * wire.len(),
                    "{octets} octets in steps of {step}"
                );
            }
        }
    }

    /// A head holds a copy of its bytes, sixteen octets for each field, and what growing vectors
    /// keep in reserve; an incomplete one nothing but the latter two.
    #[test]
    fn memory_is_bounded_by_what_was_received() {
        let limits = Limits::default();
        let fields = "A:\r\n".repeat(limits.fields_max - 2);
        let begin = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}B: ");
        let wire = format!(
            "{begin}{}\r\n\r\n",
            "b".repeat(limits.head_bytes_max - begin.len() - 4)
        );
        assert_eq!(wire.len(), limits.head_bytes_max);
        let (mut decoder, mut head) = (HeadDecoder::new(), RequestHead::new());
        let input = &wire.as_bytes()[..wire.len() - 1];
        assert_eq!(decoder.decode(input, &mut head, &limits), Ok(None));
        let spans = 2 * 16 * limits.fields_max;
        assert!(head.capacity() <= spans, "{} B incomplete", head.capacity());
        let used = decoder.decode(wire.as_bytes(), &mut head, &limits);
        assert_eq!(used, Ok(Some(wire.len())));
        let budget = limits.head_bytes_max + spans;
        assert!(head.capacity() <= budget, "{} B", head.capacity());
    }
}
