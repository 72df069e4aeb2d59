//! What goes out: pieces of plaintext into full records, and records that the inner transport has
//! not taken.

use std::io::{self, IoSlice};

use crate::Transport;
use crate::shared::Shared;
use crate::tls::input::Input;
use crate::tls::scratch::{BATCH_BYTES, RECORD_PLAINTEXT_BYTES, Scratch};
use crate::tls::session::Session;

/// Records that are not sent. They own memory only then.
#[derive(Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Unsent {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends `records`, in one write, behind what is unsent; keeps what does not go.
    ///
    /// # Errors
    /// A failure of the transport; that it takes nothing is none.
    pub(super) fn send(
        &mut self,
        inner: &dyn Transport,
        records: &[u8],
        shared: &Shared,
    ) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let sent = if self.is_empty() {
            write(inner, records)?
        } else {
            0
        };
        if sent < records.len() {
            if self.bytes.capacity() == 0 {
                self.bytes = shared.take_spare();
            }
            self.bytes.extend_from_slice(&records[sent..]);
        }
        Ok(())
    }

    /// Sends what is unsent.
    ///
    /// # Errors
    /// `WouldBlock` when not all went; a failure of the transport.
    pub(super) fn flush(&mut self, inner: &dyn Transport, shared: &Shared) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.sent += write(inner, &self.bytes[self.sent..])?;
        if !self.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.release(shared);
        Ok(())
    }

    /// Sends what goes at all, before the transport is closed and will not be ready again.
    pub(super) fn push(&mut self, inner: &dyn Transport) {
        while !self.is_empty() {
            match write(inner, &self.bytes[self.sent..]) {
                Ok(0) | Err(_) => return,
                Ok(count) => self.sent += count,
            }
        }
    }

    /// Gives all memory back.
    pub(super) fn release(&mut self, shared: &Shared) {
        self.sent = 0;
        shared.give_spare(std::mem::take(&mut self.bytes));
    }
}

/// How much the transport takes, which may be nothing.
fn write(inner: &dyn Transport, bytes: &[u8]) -> io::Result<usize> {
    match inner.write(bytes) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Plaintext that is being written, piece after piece.
pub(super) struct Pieces<'a> {
    rest: &'a [IoSlice<'a>],
    /// How much of the first one is taken.
    taken: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(pieces: &'a [IoSlice<'a>]) -> Self {
        Self {
            rest: pieces,
            taken: 0,
        }
    }

    /// Encrypts what goes with one send, in records as full as can be: small pieces are gathered
    /// into one, long ones encrypted from where they are. Returns how much was taken; nothing is
    /// the end.
    pub(super) fn encrypt_batch(
        &mut self,
        session: &mut Session,
        input: &mut Input,
        scratch: &mut Scratch,
    ) -> Result<usize, rustls::Error> {
        let mut batch = 0;
        while batch < BATCH_BYTES {
            let first = self.first();
            let count = if first.is_empty() {
                break;
            } else if self.rest.len() == 1 {
                first.len().min(BATCH_BYTES - batch)
            } else {
                let full = first.len() - first.len() % RECORD_PLAINTEXT_BYTES;
                full.min(BATCH_BYTES - batch)
            };
            let partial = input.partial();
            if count > 0 {
                session.encrypt(&first[..count], partial, &mut scratch.output)?;
                self.advance(count);
                batch += count;
            } else {
                self.gather(&mut scratch.plaintext);
                session.encrypt(&scratch.plaintext, partial, &mut scratch.output)?;
                batch += scratch.plaintext.len();
            }
        }
        Ok(batch)
    }

    /// Fills `record` from as many pieces as it takes.
    fn gather(&mut self, record: &mut Vec<u8>) {
        record.clear();
        while record.len() < RECORD_PLAINTEXT_BYTES {
            let first = self.first();
            if first.is_empty() {
                return;
            }
            let count = first.len().min(RECORD_PLAINTEXT_BYTES - record.len());
            record.extend_from_slice(&first[..count]);
            self.advance(count);
        }
    }

    /// What is left of the first piece that has something left.
    fn first(&mut self) -> &'a [u8] {
        let pieces: &'a [IoSlice<'a>] = self.rest;
        for (at, piece) in pieces.iter().enumerate() {
            if self.taken < piece.len() {
                self.rest = &pieces[at..];
                return &piece[self.taken..];
            }
            self.taken = 0;
        }
        self.rest = &[];
        &[]
    }

    fn advance(&mut self, count: usize) {
        self.taken += count;
    }
}
