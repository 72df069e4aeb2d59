//! A file as content: it goes from the disk's cache to the socket without a byte of ours.
//!
//! How the system does it, and what is done where it cannot, is in `squall-iostream`; the frame
//! around it is that of any streamed answer, see `answer.rs`.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use squall_http1::CHUNK_END;

use crate::answer::{Outgoing, Phase};
use crate::{Error, Exchange};

/// What is handed to the stream at once. A stream counts what is unsent in a `usize`, and a file
/// may be longer than that where addresses have 32 bits.
const PIECE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

impl Exchange {
    /// Sends what was written, then the bytes `range` of `file`, and waits while the peer is slow.
    /// They take no memory: on Linux a socket is given them by `sendfile(2)`, in TLS and elsewhere
    /// they pass through the loop's receive buffer. The answer still has to be finished.
    ///
    /// Where nothing was flushed before, and the service has not declared a `Content-Length`, the
    /// answer's is that of what was written and of the range, and nothing can follow. To send more
    /// than that (several ranges, say), declare the length of it all, or flush first.
    ///
    /// To a HEAD, and with a status that has no content (204, 304), the file is not touched: only
    /// the length is said, where it may be.
    ///
    /// The file may be shared by any number of answers, and its position does not matter. Opening
    /// it, and knowing how long it is, are the caller's, who should not do so on the loop unless
    /// the disk is fast. A file that turns out to be shorter than the range, or that cannot be
    /// read, resets the connection: nobody takes half a file for a whole one.
    ///
    /// ```
    /// use squall_httpserver::{Error, Exchange};
    /// use std::fs::File;
    /// use std::sync::Arc;
    ///
    /// async fn download(http: Exchange, file: Arc<File>) -> Result<(), Error> {
    ///     let length = file.metadata().map_or(0, |metadata| metadata.len());
    ///     http.send_file(file, 0..length).await?;
    ///     http.finish();
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Self::flush`]; a range that is longer than what is left of a declared length is a
    /// [`Error::WrongContentLength`], and nothing of it is sent.
    pub async fn send_file(
        &self,
        file: impl Into<Arc<File>>,
        range: Range<u64>,
    ) -> Result<(), Error> {
        // First, for its destructor may be anybody's code.
        let file = file.into();
        if !self.has_reader()? {
            return Ok(());
        }
        let length = range.end.saturating_sub(range.start);
        let written = self.response().borrow().content.len() as u64;
        self.begin_streaming(Some(written.saturating_add(length)))?;
        self.send_content()?;
        let mut from = range.start;
        while from < range.end {
            let piece = (range.end - from).min(PIECE_BYTES_MAX);
            let sent = self.send_piece(&file, from, piece);
            if let Err(Error::BufferFull { .. }) = sent {
                // A chunk without its end, perhaps.
                self.abort();
            }
            if !sent? {
                break;
            }
            self.delivered().await?;
            from += piece;
        }
        Ok(())
    }

    /// Sends a piece of a file in the answer's frame; `false` if the answer has no content.
    fn send_piece(&self, file: &Arc<File>, from: u64, length: u64) -> Result<bool, Error> {
        let Phase::Streaming { framing, stays } = self.phase() else {
            return Err(Error::Finished);
        };
        let send = || self.with_link(|link| link.stream.send_file(file.clone(), from, length));
        match framing {
            Outgoing::Nothing => return Ok(false),
            Outgoing::UntilClose => send()?,
            Outgoing::Length(due) => {
                let due = due.checked_sub(length).ok_or(Error::WrongContentLength)?;
                send()?;
                let framing = Outgoing::Length(due);
                self.set_phase(Phase::Streaming { framing, stays });
            }
            Outgoing::Chunked => {
                // At most a piece, which fits.
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                self.write_with(|out| squall_http1::encode_chunk_head(out, length))?;
                send()?;
                self.write_with(|out| out.extend_from_slice(CHUNK_END))?;
            }
        }
        self.seen().content_sent(length);
        Ok(true)
    }
}
