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
            Ok(length) => {
                out.truncate(start + length);
                return Ok(());
            }
            Err(Err(required)) if required > size => size = required,
            Err(Err(_)) => return Err(io::Error::other("TLS wants no more room than it had")),
            Err(Ok(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ServerConfig, ServerConnection};

    use super::*;
    use crate::tls_client::TlsClient;

    /// A server that echoes, and the two directions to it: `piece` bytes at a time come back.
    struct Echo {
        server: ServerConnection,
        piece: usize,
        outgoing: VecDeque<u8>,
    }

    impl Write for Echo {
        fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len();
            while !bytes.is_empty() {
                self.server.read_tls(&mut bytes)?;
                self.server
                    .process_new_packets()
                    .map_err(io::Error::other)?;
                let mut plain = vec![0; RECEIVE_BYTES];
                if let Ok(length) = self.server.reader().read(&mut plain) {
                    self.server.writer().write_all(&plain[..length])?;
                }
            }
            while self.server.wants_write() {
                self.server.write_tls(&mut self.outgoing)?;
            }
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Read for Echo {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.piece);
            match self.outgoing.read(&mut buffer[..length])? {
                0 => Err(ErrorKind::WouldBlock.into()),
                length => Ok(length),
            }
        }
    }

    fn server_config() -> Arc<ServerConfig> {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(vec![own.cert.der().clone()], key.into())
                .expect("a certificate");
        config.ticketer = aws_lc_rs::Ticketer::new().expect("a ticketer");
        Arc::new(config)
    }

    /// Sends `length` bytes over a new session, and holds what comes back against them.
    fn check(client: &TlsClient, config: &Arc<ServerConfig>, piece: usize, length: usize) {
        let mut socket = Echo {
            server: ServerConnection::new(config.clone()).expect("a server"),
            piece,
            outgoing: VecDeque::new(),
        };
        let mut tls = client.session().expect("a session");
        let message: Vec<u8> = (0..length).map(|at| at as u8).collect();
        assert_eq!(tls.write(&mut socket, &message).expect("written"), length);
        let mut answer = Vec::new();
        let mut buffer = [0; 1000];
        while answer.len() < length {
            let count = tls.read(&mut socket, &mut buffer).expect("an answer");
            answer.extend_from_slice(&buffer[..count]);
        }
        assert!(answer == message, "{piece} bytes at a time");
    }

    #[test]
    fn bytes_come_back_however_the_records_are_cut() {
        let (client, config) = (TlsClient::new(None).expect("a client"), server_config());
        for piece in [1, 2, 7, 1000, RECEIVE_BYTES] {
            check(&client, &config, piece, 50_000);
        }
    }

    #[test]
    fn sessions_are_resumed_once_there_are_enough_tickets() {
        let (client, config) = (TlsClient::new(Some(3)).expect("a client"), server_config());
        while client.wants_tickets() {
            check(&client, &config, RECEIVE_BYTES, 1);
        }
        // A session that is not resumed would fail.
        check(&client, &config, RECEIVE_BYTES, 1);
        // Another server does not know the tickets.
        let mut socket = Echo {
            server: ServerConnection::new(server_config()).expect("a server"),
            piece: RECEIVE_BYTES,
            outgoing: VecDeque::new(),
        };
        let mut tls = client.session().expect("a session");
        tls.write(&mut socket, b"x").expect("a hello");
        let error = tls
            .read(&mut socket, &mut [0; 10])
            .expect_err("not resumed");
        assert!(error.to_string().contains("Full"), "{error}");
    }
}
