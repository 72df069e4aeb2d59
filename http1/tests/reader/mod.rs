//! A connection without a socket: bytes in pieces, what was understood of them out.
//!
//! It does what a server (or a client) does with the decoders, so that the tests say only what is
//! on the wire and what it means.

// Each file of tests uses its part of this.
#![allow(dead_code, unreachable_pub)]

use http::Method;
use squall_http1::{
    ContentDecoder, ContentEvent, Error, Framing, HeadDecoder, Limits, RequestHead, ResponseHead,
};

/// What was understood, one after another.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A head: its first line's parts, and its fields.
    Head(String, Vec<(String, Vec<u8>)>, Framing),
    /// A content, whole, and its trailer fields.
    Content(Vec<u8>, Vec<(String, Vec<u8>)>),
    /// The message is refused; nothing is read after that.
    Refused(Error),
    /// The input ended inside a message.
    Waiting,
}

/// What a server hears.
pub fn hear<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Said> {
    hear_with(pieces, &Limits::default())
}

/// What a server with these limits hears.
pub fn hear_with<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Vec<Said> {
    let (mut decoder, mut head) = (HeadDecoder::new(), RequestHead::new());
    listen(pieces, limits, |input| {
        let used = decoder.decode(input, &mut head, limits)?;
        Ok(used.map(|used| {
            let line = format!("{} {} {}", head.method(), head.target(), head.version());
            (used, Said::Head(line, owned(head.fields()), head.framing()))
        }))
    })
}

/// What a client hears that has sent a request with this method.
pub fn hear_responses<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    method: &Method,
) -> Vec<Said> {
    let (mut decoder, mut head) = (HeadDecoder::new(), ResponseHead::new());
    let limits = Limits::default();
    listen(pieces, &limits, |input| {
        let used = decoder.decode_response(input, &mut head, &limits)?;
        let Some(used) = used else { return Ok(None) };
        let reason = String::from_utf8_lossy(head.reason());
        let line = format!("{} {} {reason}", head.version(), head.status().as_str());
        let framing = head.framing(method)?;
        Ok(Some((
            used,
            Said::Head(line, owned(head.fields()), framing),
        )))
    })
}

fn owned<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, Vec<u8>)> {
    fields
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect()
}

/// Reads heads with `read_head` and the content behind each, as far as the pieces go.
fn listen<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
    mut read_head: impl FnMut(&[u8]) -> Result<Option<(usize, Said)>, Error>,
) -> Vec<Said> {
    let mut said = Vec::new();
    let mut buffer = Vec::new();
    let mut content: Option<(ContentDecoder, Vec<u8>)> = None;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let step = match &mut content {
                None => read_head(&buffer),
                Some((decoder, so_far)) => read_content(decoder, so_far, &mut buffer, limits),
            };
            match step {
                Ok(None) => break,
                Ok(Some((used, event))) => {
                    buffer.drain(..used);
                    content = match event {
                        Said::Head(_, _, framing) => {
                            Some((ContentDecoder::new(framing), Vec::new()))
                        }
                        _ => None,
                    };
                    said.push(event);
                }
                Err(error) => {
                    said.push(Said::Refused(error));
                    return said;
                }
            }
        }
    }
    if let Some((mut decoder, so_far)) = content {
        said.push(match decoder.end_of_input() {
            Ok(()) => Said::Content(so_far, Vec::new()),
            Err(_) => Said::Waiting,
        });
    } else if !buffer.is_empty() {
        said.push(Said::Waiting);
    }
    said
}

/// Takes the content out of `buffer`, until it is whole or the buffer says no more.
fn read_content(
    decoder: &mut ContentDecoder,
    so_far: &mut Vec<u8>,
    buffer: &mut Vec<u8>,
    limits: &Limits,
) -> Result<Option<(usize, Said)>, Error> {
    loop {
        let (used, event) = decoder.decode(buffer, limits)?;
        match event {
            ContentEvent::Data(data) => so_far.extend_from_slice(data),
            ContentEvent::Partial => {
                buffer.drain(..used);
                return Ok(None);
            }
            ContentEvent::End => {
                let mut trailers = Vec::new();
                for (name, value) in decoder.trailers().into_iter().flatten() {
                    trailers.push((name.to_string(), value.as_bytes().to_vec()));
                }
                return Ok(Some((
                    used,
                    Said::Content(std::mem::take(so_far), trailers),
                )));
            }
        }
        buffer.drain(..used);
    }
}

/// The head of a request that is good.
pub fn head(wire: impl AsRef<[u8]>) -> RequestHead {
    let wire = wire.as_ref();
    let mut head = RequestHead::new();
    let used = HeadDecoder::new().decode(wire, &mut head, &Limits::default());
    match used {
        Ok(Some(_)) => head,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(wire)),
    }
}

/// Whether a request is refused, and why: the first fault in head or content.
pub fn fault(wire: impl AsRef<[u8]>) -> Option<Error> {
    let said = hear([wire.as_ref()]);
    said.into_iter().find_map(|said| match said {
        Said::Refused(error) => Some(error),
        _ => None,
    })
}

/// A request with this field line, beside a good Host.
pub fn with_field(line: impl AsRef<[u8]>) -> Vec<u8> {
    let line = line.as_ref();
    [b"GET / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n\r\n"].concat()
}

/// A request with this request-line.
pub fn with_line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: a\r\n\r\n"].concat()
}

/// A deterministic source of numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// So many octets of these.
    pub fn octets(&mut self, from: &[u8], len: usize) -> Vec<u8> {
        (0..len).map(|_| *self.pick(from)).collect()
    }
}
