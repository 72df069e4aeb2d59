//! Content that is decompressed as it is pulled: `Content-Encoding` of a request, RFC 9110, section
//! 8.4.
//!
//! ```text
//!   pull_plain --- a piece, as it was sent ---> Decoder::feed
//!                                                   |
//!      take <--- at most 16 KiB at a time --- Decoder::next
//! ```
//! A kilobyte may be a megabyte, so nothing is inflated ahead of who takes it, what was inflated
//! counts against the limit of the content before it is taken, and after a share the others on the
//! loop have their turn. The codings are in `inflate.rs`.

use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, StatusCode};
use squall_http1::LimitFault;
use squall_ioloop::yield_now;

use crate::inflate::{Inflater, Invalid};
use crate::{Config, Error, Exchange};

/// What is inflated in one go.
const PIECE_BYTES: usize = 16 * 1024;
/// What is inflated before others have their turn: half a millisecond's worth. Each piece counts
/// for [`PIECE_COST`] more, so that tiny ones are not for nothing.
const SHARE_BYTES: usize = 256 * 1024;
const PIECE_COST: usize = 1024;

/// All that can be decoded (RFC 9110, section 12.5.3).
const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, deflate, br, zstd");

/// How the content of a request is decoded.
#[derive(Default)]
pub(crate) struct Decoding {
    /// In place of the server's setting.
    is_on: Option<bool>,
    stage: Stage,
    /// Whether its coding was refused.
    is_refused: bool,
}

#[derive(Default)]
enum Stage {
    /// Nobody has read yet.
    #[default]
    Unknown,
    /// As it is, or all of it decoded.
    Plain,
    Running(Box<Decoder>),
}

struct Decoder {
    inflater: Inflater,
    /// What has come and was not used, from `used` on: at most one read.
    input: Vec<u8>,
    used: usize,
    output: Vec<u8>,
    made: u64,
}

enum Decoded {
    /// Who takes it has enough.
    Enough,
    /// So many bytes were taken.
    Piece(usize),
    /// More has to come.
    Hungry,
}

impl Config {
    /// Whether content in `gzip`, `deflate`, `br` or `zstd` is decompressed as it is read, and
    /// refused with 415 in any other coding, or in several. The limit of the content then holds
    /// for what was sent and for what it becomes: a bomb ends at it, with 413. What it costs while
    /// it is read: 100 KiB, and for the window of `br` up to 16 MiB more, of `zstd` up to 8 MiB,
    /// as they fill. A request may have
    /// [another setting](crate::Exchange::set_decompression).
    ///
    /// Default off, as in Tornado (`decompress_request`): few clients compress what they send, and
    /// who can make a server work harder by sending less should be known. With the feature
    /// `compression`.
    pub fn with_decompression(mut self, on: bool) -> Self {
        self.request.decompresses = on;
        self
    }
}

impl Exchange {
    /// Whether this request's content is decompressed, in place of the server's
    /// [`with_decompression`](crate::Config::with_decompression). For before it is read.
    pub fn set_decompression(&self, on: bool) {
        self.inner()
            .with_extra(|extra| extra.decoding.is_on = Some(on));
    }

    /// Whether the content is decompressed when it is read: what
    /// [`content`](Self::content) and [`chunk`](Self::chunk) return is then not in the coding that
    /// the head's `Content-Encoding` names.
    pub fn decompresses_content(&self) -> bool {
        let own = self.inner().extra(|extra| extra.decoding.is_on).flatten();
        own.unwrap_or_else(|| self.with_link(|link| link.server.config.request.decompresses))
    }

    /// Whether what is about to be read has to be decoded; looks at the coding the first time.
    pub(crate) fn begin_decoding(&self) -> Result<bool, Error> {
        if !self.inner().has_content() || !self.decompresses_content() {
            return Ok(false);
        }
        self.inner().with_extra(|extra| {
            let decoding = &mut extra.decoding;
            if let Stage::Unknown = decoding.stage {
                decoding.stage = match coding(self) {
                    Ok(None) => Stage::Plain,
                    Ok(Some(inflater)) => Stage::Running(Box::new(Decoder::new(inflater))),
                    Err(error) => {
                        decoding.is_refused = true;
                        return Err(error);
                    }
                };
            }
            Ok(matches!(decoding.stage, Stage::Running(_)))
        })
    }

    /// Pulls content and takes its coding off.
    pub(crate) async fn pull_decoded(
        &self,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let incoming = self.incoming();
        if let Some(fault) = incoming.fault() {
            return Err(fault);
        }
        let _turn = Turn::take(self)?;
        let mut share = SHARE_BYTES;
        loop {
            match self.decode_some(&mut take) {
                Ok(Decoded::Enough) => return Ok(()),
                Ok(Decoded::Piece(length)) => {
                    share = share.saturating_sub(length + PIECE_COST);
                    if share == 0 {
                        yield_now().await;
                        share = SHARE_BYTES;
                    }
                }
                Ok(Decoded::Hungry) if incoming.is_over() => return self.end_decoding(),
                Ok(Decoded::Hungry) => {
                    let feed = |piece: &[u8]| {
                        self.with_decoder(|decoder| decoder.feed(piece));
                        true
                    };
                    self.pull_plain(feed).await?;
                }
                Err(error) => {
                    incoming.set_fault(error.clone());
                    return Err(error);
                }
            }
        }
    }

    /// Decodes one piece, if there is one, and has it taken.
    fn decode_some(&self, take: &mut impl FnMut(&[u8]) -> bool) -> Result<Decoded, Error> {
        let bytes_max = self.incoming().content_bytes_max();
        let decoded = self.with_decoder(|decoder| {
            let piece = decoder.next().map_err(|Invalid| Error::CodingInvalid)?;
            let length = piece.len();
            if length == 0 {
                return Ok(Decoded::Hungry);
            }
            decoder.made += length as u64;
            if decoder.made > bytes_max {
                let limit = squall_http1::Error::from(LimitFault::ContentBytes);
                return Err(limit.into());
            }
            if take(&decoder.output[..length]) {
                return Ok(Decoded::Enough);
            }
            Ok(Decoded::Piece(length))
        });
        decoded.unwrap_or(Ok(Decoded::Hungry))
    }

    /// All has come, and is decoded. The memory for it is given back now, not with the answer.
    fn end_decoding(&self) -> Result<(), Error> {
        let may_end = self.with_decoder(|decoder| decoder.inflater.may_end());
        if may_end == Some(false) {
            self.incoming().set_fault(Error::CodingInvalid);
            return Err(Error::CodingInvalid);
        }
        self.inner()
            .with_extra(|extra| extra.decoding.stage = Stage::Plain);
        Ok(())
    }

    fn with_decoder<R>(&self, f: impl FnOnce(&mut Decoder) -> R) -> Option<R> {
        self.inner()
            .with_extra(|extra| match &mut extra.decoding.stage {
                Stage::Running(decoder) => Some(f(decoder)),
                Stage::Unknown | Stage::Plain => None,
            })
    }

    /// RFC 9110, section 15.5.16: a 415 for its coding says which would do.
    pub(crate) fn tell_codings(&self) {
        let is_refused = self.inner().extra(|extra| extra.decoding.is_refused);
        let mut response = self.response().borrow_mut();
        if is_refused == Some(true)
            && response.status == StatusCode::UNSUPPORTED_MEDIA_TYPE
            && response.get(&ACCEPT_ENCODING).is_none()
        {
            response.add(&ACCEPT_ENCODING, &ACCEPTED);
        }
    }
}

/// The one who decodes, from the first piece that it wants to the last: between two pieces others
/// have their turn, but not with this content, which would reach each of them in part.
struct Turn<'a>(&'a Exchange);

impl<'a> Turn<'a> {
    fn take(exchange: &'a Exchange) -> Result<Self, Error> {
        if exchange.incoming().set_decoding(true) {
            return Err(Error::ContentTaken);
        }
        Ok(Self(exchange))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.incoming().set_decoding(false);
        // The connection may be waiting for the content.
        self.0.wake_connection();
    }
}

/// The one coding of a request's content, if it has one.
fn coding(exchange: &Exchange) -> Result<Option<Inflater>, Error> {
    let fields = exchange.head().field_all("content-encoding");
    let members = fields.flat_map(|value| value.split(|byte| *byte == b','));
    let is_coding =
        |member: &&[u8]| !member.is_empty() && !member.eq_ignore_ascii_case(b"identity");
    let mut codings = members.map(<[u8]>::trim_ascii).filter(is_coding);
    match (codings.next(), codings.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => match Inflater::new(one) {
            Some(inflater) => Ok(Some(inflater)),
            None => Err(Error::CodingUnsupported),
        },
        (Some(_), Some(_)) => Err(Error::CodingUnsupported),
    }
}

impl Decoder {
    fn new(inflater: Inflater) -> Self {
        Self {
            inflater,
            input: Vec::new(),
            used: 0,
            output: Vec::new(),
            made: 0,
        }
    }

    fn feed(&mut self, piece: &[u8]) {
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(piece);
    }

    /// The next piece; an empty one if there is none without more input.
    fn next(&mut self) -> Result<&[u8], Invalid> {
        self.output.resize(PIECE_BYTES, 0);
        loop {
            let input = &self.input[self.used..];
            let (used, made) = self.inflater.step(input, &mut self.output)?;
            self.used += used;
            let is_stuck = used == 0 && !input.is_empty();
            if made > 0 || self.used == self.input.len() {
                return Ok(&self.output[..made]);
            }
            if is_stuck {
                return Err(Invalid);
            }
        }
    }
}
