//! Messages of the peer, inflated piece by piece (RFC 7692 §7.2.2).
//!
//! Each step makes at most [`STEP_BYTES`], which go to the assembly at once: there they are counted
//! and, if they are text, checked. So a bomb goes off in 16 KiB, wherever the limit is. Called by
//! `protocol.rs`, which knows where a message ends.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use super::pool::DeflatePool;
use crate::error::{Error, LimitFault, PeerFault};
use crate::message::Assembly;

/// The inflating side of a connection. Between messages it owns no inflater, unless the peer may
/// refer to messages before.
pub(crate) struct Inflater {
    pool: DeflatePool,
    keeps_context: bool,
    /// Whether the message that is open is compressed.
    is_open: bool,
    /// Whether the peer has ended its DEFLATE stream, and nothing came after that.
    is_at_end: bool,
    /// Bytes that have come of this message.
    taken: usize,
    stream: Option<Box<Decompress>>,
}

impl Inflater {
    pub(crate) fn new(keeps_context: bool, pool: &DeflatePool) -> Self {
        Self {
            pool: pool.clone(),
            keeps_context,
            is_open: false,
            is_at_end: false,
            taken: 0,
            stream: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// A message begins, compressed or not (§7.2: each may be either).
    pub(crate) fn begin(&mut self, compressed: bool) {
        self.is_open = compressed;
        self.is_at_end = false;
        self.taken = 0;
    }

    /// How many bytes may still come of this message: what does not compress is a little longer
    /// deflated than as it is, and peers that flush often make it longer still. But bytes that
    /// inflate to nothing have to end, too.
    pub(crate) fn room(&self, message_bytes_max: usize) -> usize {
        let taken = if self.is_open { self.taken } else { 0 };
        let bytes_max = message_bytes_max.saturating_add(message_bytes_max / 8 + 1024);
        bytes_max.saturating_sub(taken)
    }

    /// Inflates a piece into the assembly.
    pub(crate) fn push(
        &mut self,
        piece: &[u8],
        assembly: &mut Assembly,
        bytes_max: usize,
    ) -> Result<(), Error> {
        self.taken += piece.len();
        self.inflate(piece, assembly, bytes_max)
    }

    /// The message is whole: appends the tail that was not sent, with which everything comes out.
    pub(crate) fn finish(
        &mut self,
        assembly: &mut Assembly,
        bytes_max: usize,
    ) -> Result<(), Error> {
        // §7.2.3.4: a final block is followed by an empty one that the tail completes. Some forget
        // that, and nothing is lost.
        if !self.is_at_end {
            let before = assembly.len();
            self.inflate(&TAIL, assembly, bytes_max)?;
            // All that could come out came out before, unless the message was cut in a block.
            if assembly.len() != before {
                return Err(PeerFault::InvalidDeflate.into());
            }
        }
        self.is_open = false;
        if !self.keeps_context {
            self.give_back();
        }
        Ok(())
    }

    fn inflate(
        &mut self,
        mut input: &[u8],
        assembly: &mut Assembly,
        bytes_max: usize,
    ) -> Result<(), Error> {
        let Self {
            pool,
            stream,
            is_at_end,
            ..
        } = self;
        let stream = stream.get_or_insert_with(|| pool.take_inflater());
        if input.is_empty() {
            return Ok(());
        }
        pool.with_step(|step| {
            loop {
                let (used, made, status) = inflate_step(stream, input, step)?;
                input = &input[used..];
                if made > bytes_max.saturating_sub(assembly.len()) {
                    return Err(LimitFault::MessageBytes.into());
                }
                assembly.push(&step[..made], bytes_max)?;
                *is_at_end = status == Status::StreamEnd;
                if *is_at_end {
                    // A block may say that it is the last (§7.2.3.4), and more may follow. Its
                    // history is forgotten, as senders forget it that end their streams.
                    stream.reset(false);
                }
                // A step that is full may have left something behind.
                if input.is_empty() && (*is_at_end || made < step.len()) {
                    return Ok(());
                }
            }
        })
    }

    fn give_back(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.pool.give_inflater(stream);
        }
    }
}

/// Inflates as much as fits: bytes used, bytes made, and whether the stream has ended.
fn inflate_step(
    stream: &mut Decompress,
    input: &[u8],
    step: &mut [u8],
) -> Result<(usize, usize, Status), Error> {
    let (used_before, made_before) = (stream.total_in(), stream.total_out());
    let status = stream
        .decompress(input, step, FlushDecompress::Sync)
        .map_err(|_| PeerFault::InvalidDeflate)?;
    let used = (stream.total_in() - used_before) as usize;
    let made = (stream.total_out() - made_before) as usize;
    // Never seen, and would be a loop without end.
    if used == 0 && made == 0 && !input.is_empty() && status != Status::StreamEnd {
        return Err(PeerFault::InvalidDeflate.into());
    }
    Ok((used, made, status))
}

impl Drop for Inflater {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("keeps_context", &self.keeps_context)
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}
