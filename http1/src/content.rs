//! Bytes to content: the octets that follow a head, taken out of their framing.
//!
//! ```text
//!   Framing::None -----------------------------------------------------------.
//!   Framing::Length(n) ---> Sized ------------- n octets ---------------------+--> End
//!   Framing::UntilClose --> Unsized ----------- end_of_input() ---------------+
//!   Framing::Chunked -----> Size --- 0 ---> Trailers --- empty line ----------'
//!                           ^  |
//!                           |  '-- n --> Data --- n octets ---> DataEnd
//!                           '------------------ CRLF --------------'
//! ```
//! Data is lent from the input, never copied. Chunk-size lines are read octet by octet and need
//! not be whole; how is in `chunk_size.rs`. Trailer fields are kept in `trailers.rs`. Called by
//! the connection, which pulls content for whoever reads it.

use http::HeaderMap;

use crate::chunk_size::ChunkSize;
use crate::error::{Error, LimitFault, PeerFault};
use crate::framing::{Framing, refuse_length};
use crate::limits::Limits;
use crate::trailers::Trailers;

/// Decodes the content of one message.
///
/// ```
/// use squall_http1::{ContentDecoder, ContentEvent, Framing, Limits};
///
/// let limits = Limits::default();
/// let mut input = &b"5\r\nhello\r\n0\r\nDigest: x\r\n\r\nGET /next"[..];
/// let mut decoder = ContentDecoder::new(Framing::Chunked);
/// let mut content = Vec::new();
/// loop {
///     let (used, event) = decoder.decode(input, &limits)?;
///     input = &input[used..];
///     match event {
///         ContentEvent::Data(data) => content.extend_from_slice(data),
///         ContentEvent::Partial => panic!("here one would wait for more input"),
///         ContentEvent::End => break,
///     }
/// }
/// assert_eq!(content, b"hello");
/// assert_eq!(decoder.trailers().unwrap()["digest"], "x");
/// assert_eq!(input, b"GET /next");
/// # Ok::<(), squall_http1::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ContentDecoder {
    state: State,
    /// Octets of content so far, with those of the chunk at hand.
    received: u64,
    content_bytes_max: Option<u64>,
    /// Octets of chunk extensions so far.
    extensions: usize,
    /// Made when a trailer field comes, as hardly ever one does.
    trailers: Option<Box<Trailers>>,
}

/// What a step of decoding has found.
///
/// ```
/// use squall_http1::{ContentDecoder, ContentEvent, Framing, Limits};
///
/// let mut decoder = ContentDecoder::new(Framing::Length(4));
/// let (used, event) = decoder.decode(b"abcdef", &Limits::default())?;
/// assert_eq!((used, event), (4, ContentEvent::Data(b"abcd")));
/// # Ok::<(), squall_http1::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEvent<'a> {
    /// Nothing until there is more input.
    Partial,
    /// A piece of the content, never empty.
    Data(&'a [u8]),
    /// The content is complete.
    End,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Sized { left: u64 },
    Unsized,
    Size(ChunkSize),
    Data { left: u64 },
    DataEnd { lf: bool },
    Trailers,
    End,
}

impl ContentDecoder {
    /// A decoder at the first octet after a head.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self {
            state: match framing {
                Framing::None | Framing::Length(0) => State::End,
                Framing::Length(left) => State::Sized { left },
                Framing::Chunked => State::Size(ChunkSize::default()),
                Framing::UntilClose => State::Unsized,
            },
            received: 0,
            content_bytes_max: None,
            extensions: 0,
            trailers: None,
        }
    }

    /// Sets the bytes this content may have, instead of the limits' `content_bytes_max`.
    pub fn set_content_bytes_max(&mut self, bytes: u64) {
        self.content_bytes_max = Some(bytes);
    }

    /// Takes one step: how many octets of `input` were used, and what they were.
    ///
    /// Octets may be used without being data. Those that were not used are to be given again.
    ///
    /// # Errors
    /// Whatever is wrong with the framing, or a content beyond its limit; the latter as soon as
    /// its length is known, before its octets are here.
    pub fn decode<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
    ) -> Result<(usize, ContentEvent<'a>), Error> {
        let max = self.content_bytes_max.unwrap_or(limits.content_bytes_max);
        match self.state {
            State::Sized { left } => {
                refuse_length(Framing::Length(left.saturating_add(self.received)), max)?;
                let (data, left) = take(input, left);
                self.received += data.len() as u64;
                self.state = match left {
                    0 => State::End,
                    left => State::Sized { left },
                };
                Ok(lend(0, data))
            }
            State::Unsized => {
                self.received += input.len() as u64;
                if self.received > max {
                    return Err(LimitFault::ContentBytes.into());
                }
                Ok(lend(0, input))
            }
            State::End => Ok((0, ContentEvent::End)),
            _ => self.decode_chunks(input, limits, max),
        }
    }

    /// RFC 9112 §7.1, up to the next piece of data or the end.
    ///
    /// ```text
    /// chunked-body = *chunk last-chunk trailer-section CRLF
    /// chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
    /// last-chunk   = 1*("0") [ chunk-ext ] CRLF
    /// ```
    fn decode_chunks<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
        max: u64,
    ) -> Result<(usize, ContentEvent<'a>), Error> {
        let mut at = 0;
        loop {
            match &mut self.state {
                State::Size(line) => {
                    let (used, size) = line.read(&input[at..], limits, &mut self.extensions)?;
                    at += used;
                    match size {
                        None => return Ok((at, ContentEvent::Partial)),
                        Some(0) => self.state = State::Trailers,
                        Some(left) => {
                            self.received = self.received.saturating_add(left);
                            if self.received > max {
                                return Err(LimitFault::ContentBytes.into());
                            }
                            self.state = State::Data { left };
                        }
                    }
                }
                State::Data { left } => {
                    let (data, left) = take(&input[at..], *left);
                    self.state = match left {
                        0 => State::DataEnd { lf: false },
                        left => State::Data { left },
                    };
                    return Ok(lend(at, data));
                }
                State::DataEnd { lf } => {
                    let expected = if *lf { b'\n' } else { b'\r' };
                    match input.get(at) {
                        None => return Ok((at, ContentEvent::Partial)),
                        Some(byte) if *byte == expected => at += 1,
                        Some(_) => return Err(PeerFault::ChunkDataUnterminated.into()),
                    }
                    self.state = match *lf {
                        false => State::DataEnd { lf: true },
                        true => State::Size(ChunkSize::default()),
                    };
                }
                State::Trailers => {
                    let rest = &input[at..];
                    // The usual trailer section is no field and the empty line.
                    if self.trailers.is_none() {
                        match rest {
                            [b'\r', b'\n', ..] => {
                                self.state = State::End;
                                return Ok((at + 2, ContentEvent::End));
                            }
                            [] | [b'\r'] => return Ok((at, ContentEvent::Partial)),
                            _ => {}
                        }
                    }
                    let trailers = self.trailers.get_or_insert_default();
                    let (used, ended) = trailers.read(rest, limits)?;
                    if !ended {
                        return Ok((at + used, ContentEvent::Partial));
                    }
                    self.state = State::End;
                    return Ok((at + used, ContentEvent::End));
                }
                State::Sized { .. } | State::Unsized | State::End => {
                    return Ok((at, ContentEvent::End));
                }
            }
        }
    }

    /// Tells that no more input will come, because the peer has closed.
    ///
    /// # Errors
    /// [`PeerFault::Truncated`] if the content was not complete (RFC 9112 §8).
    pub fn end_of_input(&mut self) -> Result<(), Error> {
        match self.state {
            State::End => Ok(()),
            State::Unsized => {
                self.state = State::End;
                Ok(())
            }
            _ => Err(PeerFault::Truncated.into()),
        }
    }

    /// Whether the content is complete, so that what follows is the next message.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// The trailer fields, if there were any; whole after [`ContentEvent::End`].
    ///
    /// They are never merged with the head's fields (RFC 9110 §6.5.1).
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref().map(Trailers::fields)
    }
}

/// As much of `input` as is wanted, and how much is then still wanted.
fn take(input: &[u8], wanted: u64) -> (&[u8], u64) {
    let here = usize::try_from(wanted).map_or(input.len(), |wanted| wanted.min(input.len()));
    (&input[..here], wanted - here as u64)
}

/// `data` behind `before` octets that were not data.
fn lend(before: usize, data: &[u8]) -> (usize, ContentEvent<'_>) {
    let event = match data {
        [] => ContentEvent::Partial,
        data => ContentEvent::Data(data),
    };
    (before + data.len(), event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::work;

    /// Decodes `wire`, `step` octets at a time, of which those that were not used come again.
    /// Returns how many calls and how many octets of work it took.
    fn decode_in_steps(wire: &[u8], step: usize, limits: &Limits) -> (usize, usize) {
        let mut decoder = ContentDecoder::new(Framing::Chunked);
        let (mut start, mut calls) = (0, 0);
        let octets = work::of(|| {
            for end in (step..wire.len()).step_by(step).chain([wire.len()]) {
                loop {
                    let (used, event) = decoder.decode(&wire[start..end], limits).unwrap();
                    start += used;
                    calls += 1;
                    if !matches!(event, ContentEvent::Data(_)) {
                        break;
                    }
                }
            }
        });
        assert!(decoder.is_complete(), "in steps of {step}");
        (calls, octets)
    }

    /// However chunks arrive, their extensions are passed over once, their trailer fields three
    /// times at most, and no call is made but for a piece of data and the end of an input.
    #[test]
    fn work_is_linear_however_chunks_arrive() {
        let limits = Limits::default()
            .with_chunk_line_bytes_max(usize::MAX)
            .with_chunk_extensions_bytes_max(usize::MAX)
            .with_trailer_bytes_max(usize::MAX)
            .with_trailer_fields_max(usize::MAX);
        let end = "0\r\n\r\n";
        let many_chunks = "1\r\nx\r\n".repeat(4_000) + end;
        let many_extensions = format!("1;{}\r\nx\r\n", "e;".repeat(10)).repeat(500) + end;
        let one_extension = format!("1;{}\r\nx\r\n{end}", "e".repeat(20_000));
        let many_trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(3_000));
        let one_trailer = format!("0\r\nA: {}\r\n\r\n", "b".repeat(20_000));
        for wire in [
            many_chunks,
            many_extensions,
            one_extension,
            many_trailers,
            one_trailer,
        ] {
            for step in [1, 2, 7, 100, 10_000] {
                let (calls, octets) = decode_in_steps(wire.as_bytes(), step, &limits);
                assert!(
                    octets <= 3 * wire.len(),
                    "{octets} octets in steps of {step}"
                );
                let pieces = wire.matches('x').count() + wire.len().div_ceil(step);
                assert!(calls <= pieces + 1, "{calls} calls in steps of {step}");
            }
        }
    }

    /// What a peer sends around its content is not kept.
    #[test]
    fn a_decoder_is_a_few_words_whatever_it_decodes() {
        assert!(
            size_of::<ContentDecoder>() <= 80,
            "{}",
            size_of::<ContentDecoder>()
        );
    }
}
