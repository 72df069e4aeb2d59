//! One end of TLS without any I/O: records in, plaintext and records out. All that is known of
//! rustls' connections is here.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};
use rustls_pki_types::ServerName;

use crate::tls::certificates;
use crate::tls::scratch::{Output, RECORD_PLAINTEXT_BYTES};
use crate::tls::{TlsInfo, TlsVersion};

pub(super) enum Session {
    Server(UnbufferedServerConnection, Option<Box<str>>),
    Client(UnbufferedClientConnection, Option<Box<str>>),
}

/// What came of input.
pub(super) struct Processed {
    /// How many bytes of its front are done with. The rest must be given again, unchanged and with
    /// more behind it.
    pub(super) used: usize,
    /// Whether the peer has said that no more will come.
    pub(super) has_ended: bool,
    pub(super) result: Result<(), Error>,
}

impl Session {
    pub(super) fn server(config: Arc<rustls::ServerConfig>) -> Result<Self, Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Self::Server(connection, None))
    }

    pub(super) fn client(
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Error> {
        let host = match &name {
            ServerName::DnsName(name) => Some(name.as_ref().to_ascii_lowercase().into()),
            _ => None,
        };
        let connection = UnbufferedClientConnection::new(config, name)?;
        Ok(Self::Client(connection, host))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.state().is_handshaking()
    }

    /// Works on all whole records of `input`, in place. Plaintext goes to `plaintext`, records that
    /// have to be sent are appended to `output`: the alert as well that tells the peer of a
    /// failure. After a failure there is nothing more to be had.
    pub(super) fn process(
        &mut self,
        input: &mut [u8],
        plaintext: &mut dyn FnMut(&[u8]),
        output: &mut Output,
    ) -> Processed {
        match self {
            Self::Client(connection, _) => process(connection, input, plaintext, output),
            Self::Server(connection, name) if connection.is_handshaking() => {
                let step = || process(connection, input, plaintext, output);
                let (processed, asked) = certificates::noting_server_name(step);
                if let Some(asked) = asked {
                    *name = Some(asked.into());
                }
                processed
            }
            Self::Server(connection, _) => process(connection, input, plaintext, output),
        }
    }

    /// Appends `plaintext` to `output` as records. `input` is what [`Self::process`] has left.
    pub(super) fn encrypt(
        &mut self,
        plaintext: &[u8],
        input: &mut [u8],
        output: &mut Output,
    ) -> Result<(), Error> {
        self.with_traffic(input, output, Outgoing::Plaintext(plaintext))
    }

    /// Appends the alert that says that no more will come.
    pub(super) fn end(&mut self, input: &mut [u8], output: &mut Output) -> Result<(), Error> {
        self.with_traffic(input, output, Outgoing::End)
    }

    fn with_traffic(
        &mut self,
        input: &mut [u8],
        output: &mut Output,
        outgoing: Outgoing<'_>,
    ) -> Result<(), Error> {
        match self {
            Self::Server(connection, _) => send(connection, input, output, outgoing),
            Self::Client(connection, _) => send(connection, input, output, outgoing),
        }
    }

    fn state(&self) -> &CommonState {
        match self {
            Self::Server(connection, _) => connection,
            Self::Client(connection, _) => connection,
        }
    }

    /// What was agreed upon, when it was.
    pub(super) fn info(&self) -> Option<TlsInfo> {
        let state = self.state();
        if state.is_handshaking() {
            return None;
        }
        let version = match state.protocol_version()? {
            ProtocolVersion::TLSv1_3 => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        };
        // The library's names of the suites of TLS 1.3 have its version in them.
        let suite = format!("{:?}", state.negotiated_cipher_suite()?.suite());
        let certificates = state.peer_certificates().unwrap_or_default();
        let (Self::Server(_, name) | Self::Client(_, name)) = self;
        Some(TlsInfo {
            version,
            cipher_suite: suite.replace("TLS13_", "TLS_"),
            alpn: state.alpn_protocol().map(<[u8]>::to_vec),
            server_name: name.as_deref().map(str::to_owned),
            peer_certificates: certificates.iter().map(|one| one.to_vec()).collect(),
            is_resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }
}

/// What the two kinds of connection have in common.
trait Connection: std::ops::Deref<Target: std::ops::Deref<Target = CommonState>> {
    type Data;

    fn step<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Connection for UnbufferedServerConnection {
    type Data = rustls::server::ServerConnectionData;

    fn step<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

impl Connection for UnbufferedClientConnection {
    type Data = rustls::client::ClientConnectionData;

    fn step<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

fn process<C: Connection>(
    connection: &mut C,
    input: &mut [u8],
    plaintext: &mut dyn FnMut(&[u8]),
    output: &mut Output,
) -> Processed {
    let mut used = 0;
    let mut has_ended = false;
    let result = loop {
        let status = connection.step(&mut input[used..]);
        let mut discard = status.discard;
        let mut is_blocked = false;
        match status.state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            plaintext(record.payload);
                            discard += record.discard;
                        }
                        Err(error) => return failed(used + discard, error),
                    }
                }
            }
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, output),
            // It is in the output, which is sent in order.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => has_ended = true,
            Ok(
                ConnectionState::Closed
                | ConnectionState::BlockedHandshake
                | ConnectionState::WriteTraffic(_),
            ) => is_blocked = true,
            // Early data is off, as it can be replayed (RFC 8446, section 8).
            Ok(_) => return failed(used + discard, Error::HandshakeNotComplete),
            Err(error) => {
                used += discard;
                break Err(error);
            }
        }
        used += discard;
        if is_blocked {
            break Ok(());
        }
    };
    if result.is_err() {
        // The alert that goes with it. No step without one: the record that has failed would be
        // looked at again.
        while connection.wants_write() {
            match connection.step(&mut input[used..]).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, output),
                _ => break,
            }
        }
    }
    Processed {
        used,
        has_ended,
        result,
    }
}

fn failed(used: usize, error: Error) -> Processed {
    Processed {
        used,
        has_ended: false,
        result: Err(error),
    }
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, output: &mut Output) {
    // Asked with no room, it says how much it needs.
    let needed = match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(needed)) => needed.required_size,
        _ => return,
    };
    if let Ok(written) = data.encode(output.room(needed)) {
        output.advance(written);
    }
}

enum Outgoing<'a> {
    Plaintext(&'a [u8]),
    End,
}

/// Room for the header and the tag of a record, and for an alert.
const RECORD_OVERHEAD_MAX: usize = 64;

fn send<C: Connection>(
    connection: &mut C,
    input: &mut [u8],
    output: &mut Output,
    outgoing: Outgoing<'_>,
) -> Result<(), Error> {
    loop {
        // Not without the input: a message of the handshake may have begun in it.
        match connection.step(input).state? {
            ConnectionState::WriteTraffic(traffic) => return write(traffic, output, &outgoing),
            ConnectionState::EncodeTlsData(data) => encode(data, output),
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => {}
            _ => return Err(Error::HandshakeNotComplete),
        }
    }
}

fn write<Data>(
    mut traffic: WriteTraffic<'_, Data>,
    output: &mut Output,
    outgoing: &Outgoing<'_>,
) -> Result<(), Error> {
    let bytes = match outgoing {
        Outgoing::Plaintext(bytes) => bytes.len(),
        Outgoing::End => 0,
    };
    let records = bytes.div_ceil(RECORD_PLAINTEXT_BYTES).max(1);
    let mut size = bytes + records * RECORD_OVERHEAD_MAX;
    loop {
        let room = output.room(size);
        let written = match outgoing {
            Outgoing::Plaintext(bytes) => traffic.encrypt(bytes, room),
            Outgoing::End => traffic.queue_close_notify(room),
        };
        match written {
            Ok(written) => {
                output.advance(written);
                return Ok(());
            }
            // More was queued than these bytes: an update of the keys.
            Err(EncryptError::InsufficientSize(needed)) if size < needed.required_size => {
                size = needed.required_size;
            }
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
}
