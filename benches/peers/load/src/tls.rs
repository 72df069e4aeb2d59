//! One session of TLS over a socket that belongs to somebody else: bytes in, bytes out.
//!
//! What is received lies in one buffer of the thread, and is decrypted there: a session at rest
//! holds nothing but its keys. The socket may block or not.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};

use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError};
use rustls::{CipherSuite, HandshakeKind};

const RECEIVE_BYTES: usize = 256 * 1024;
/// Enough for every message of a client's handshake.
const HANDSHAKE_BYTES: usize = 4096;
/// A record of 16 KiB has 22 bytes around it.
const RECORD_BYTES_MAX: usize = 16 * 1024;
const RECORD_EXTRA_BYTES: usize = 32;

thread_local! {
    static RECEIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; RECEIVE_BYTES]);
}

/// A client's session.
pub(crate) struct Tls {
    session: UnbufferedClientConnection,
    /// How the handshake has to come out.
    kind: HandshakeKind,
    is_established: bool,
    /// Written before the handshake was over.
    early: Vec<u8>,
    /// Encrypted, and not taken by the socket.
    unsent: Vec<u8>,
    /// A record whose end has not come.
    partial: Vec<u8>,
    /// Decrypted, and more than the reader had room for.
    rest: Vec<u8>,
    is_closed: bool,
    /// Whether the last read of the socket took all there was room for.
    pub(crate) may_have_more: bool,
}

impl Tls {
    pub(crate) fn new(session: UnbufferedClientConnection, kind: HandshakeKind) -> Self {
        Self {
            session,
            kind,
            is_established: false,
            early: Vec::new(),
            unsent: Vec::new(),
            partial: Vec::new(),
            rest: Vec::new(),
            is_closed: false,
            may_have_more: false,
        }
    }

    /// Takes all of `bytes`, unless what was written before has not left yet.
    pub(crate) fn write(&mut self, socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
        self.flush(socket)?;
        if !self.is_established && !self.early.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.early.extend_from_slice(bytes);
        self.process(&mut [], &mut Plain::none(&mut Vec::new()))?;
        match self.flush(socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(bytes.len()),
        }
    }

    pub(crate) fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        let mut sent = 0;
        let result = loop {
            if sent == self.unsent.len() {
                break Ok(());
            }
            match socket.write(&self.unsent[sent..]) {
                Ok(written) => sent += written,
                Err(error) => break Err(error),
            }
        };
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
        result
    }

    /// As of a socket: 0 is the end, with or without a close_notify.
    pub(crate) fn read<S: Read + Write>(
        &mut self,
        socket: &mut S,
        out: &mut [u8],
    ) -> io::Result<usize> {
        if !self.rest.is_empty() {
            let length = self.rest.len().min(out.len());
            out[..length].copy_from_slice(&self.rest[..length]);
            self.rest.drain(..length);
            return Ok(length);
        }
        while !self.is_closed {
            let length =
                RECEIVED.with_borrow_mut(|received| self.receive(socket, received, out))?;
            if length > 0 {
                return Ok(length);
            }
        }
        Ok(0)
    }

    /// One read of the socket, and what comes out of it.
    fn receive<S: Read + Write>(
        &mut self,
        socket: &mut S,
        received: &mut [u8],
        out: &mut [u8],
    ) -> io::Result<usize> {
        self.may_have_more = false;
        let start = self.partial.len();
        let length = socket.read(&mut received[start..])?;
        received[..start].copy_from_slice(&self.partial);
        self.may_have_more = length == received.len() - start;
        self.is_closed = length == 0;
        let mut rest = std::mem::take(&mut self.rest);
        let mut plain = Plain {
            out,
            length: 0,
            rest: &mut rest,
        };
        let input = &mut received[..start + length];
        let used = self.process(input, &mut plain)?;
        let length = plain.length;
        self.rest = rest;
        self.partial.clear();
        self.partial.extend_from_slice(&input[used..]);
        match self.flush(socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(length),
        }
    }

    /// Lets the session do all it can; returns how much of `input` it has used.
    fn process(&mut self, input: &mut [u8], plain: &mut Plain<'_>) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let status = self.session.process_tls_records(&mut input[used..]);
            let mut discard = status.discard;
            match status.state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut records) => {
                    while let Some(record) = records.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        discard += record.discard;
                        plain.take(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut message) => {
                    append(&mut self.unsent, HANDSHAKE_BYTES, |buffer| {
                        message.encode(buffer).map_err(|error| match error {
                            EncodeError::InsufficientSize(size) => Err(size.required_size),
                            error => Ok(io::Error::other(error)),
                        })
                    })?;
                }
                ConnectionState::TransmitTlsData(transmit) => transmit.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    let early = std::mem::take(&mut self.early);
                    if !early.is_empty() {
                        let records = early.len() / RECORD_BYTES_MAX + 1;
                        let size = early.len() + records * RECORD_EXTRA_BYTES;
                        append(&mut self.unsent, size, |buffer| {
                            let encrypted = traffic.encrypt(&early, buffer);
                            encrypted.map_err(|error| match error {
                                EncryptError::InsufficientSize(size) => Err(size.required_size),
                                error => Ok(io::Error::other(error)),
                            })
                        })?;
                    }
                    if !self.is_established {
                        self.is_established = true;
                        self.check_handshake()?;
                    }
                    return Ok(used + discard);
                }
                ConnectionState::BlockedHandshake => return Ok(used + discard),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.is_closed = true;
                    return Ok(used + discard);
                }
                state => return Err(io::Error::other(format!("TLS: {state:?}"))),
            }
            used += discard;
        }
    }

    /// What was agreed upon is what the scenario is about.
    fn check_handshake(&self) -> io::Result<()> {
        let kind = self.session.handshake_kind();
        if kind != Some(self.kind) {
            let wanted = self.kind;
            return Err(io::Error::other(format!(
                "a handshake {kind:?} and not {wanted:?}"
            )));
        }
        let suite = self
            .session
            .negotiated_cipher_suite()
            .map(|suite| suite.suite());
        match suite {
            Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => Ok(()),
            _ => Err(io::Error::other(format!("a cipher suite {suite:?}"))),
        }
    }
}

/// Where decrypted bytes go: to the reader, and what it has no room for behind it.
struct Plain<'a> {
    out: &'a mut [u8],
    length: usize,
    rest: &'a mut Vec<u8>,
}

impl<'a> Plain<'a> {
    fn none(rest: &'a mut Vec<u8>) -> Self {
        Self {
            out: &mut [],
            length: 0,
            rest,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = self.out.len() - self.length;
        let (now, later) = bytes.split_at(bytes.len().min(room));
        self.out[self.length..][..now.len()].copy_from_slice(now);
        self.length += now.len();
        self.rest.extend_from_slice(later);
    }
}

/// Appends what `encode` makes, giving it the room that it asks for.
fn append(
    out: &mut Vec<u8>,
    mut size: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Result<io::Error, usize>>,
) -> io::Result<()> {
    let start = out.len();
    loop {
        out.resize(start + size, 0);
        match encode(&mut out[start..]) {
            Ok(length) => return Ok(out.truncate(start + length)),
            Err(Err(required)) if required > size => size = required,
            Err(Err(_)) => return Err(io::Error::other("TLS wants no more room than it had")),
            Err(Ok(error)) => return Err(error),
        }
    }
}
