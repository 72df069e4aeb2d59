//! The client's way in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use squall_ioloop::with_timeout;

use crate::IoStream;
use crate::tls::handshake::{self, Opening};
use crate::tls::session::Session;
use crate::tls::{ClientConfig, LocalFault, TlsConfigError, TlsError, TlsFault, TlsPhase};

/// Makes streams of TLS out of plain ones, for a client. Made by [`ClientConfig::build`]; see
/// [`TlsAcceptor`](crate::tls::TlsAcceptor) for both ends at work.
///
/// A clone is a pointer, and may go to another thread: all of them share the sessions that can be
/// resumed.
#[derive(Clone)]
pub struct TlsConnector {
    config: Arc<rustls::ClientConfig>,
    timeout: Duration,
}

impl TlsConnector {
    pub(super) fn from_config(config: &ClientConfig) -> Result<Self, TlsConfigError> {
        Ok(Self {
            config: Arc::new(config.to_rustls()?),
            timeout: config.timeout_handshake,
        })
    }

    /// The handshake with a server over `stream`, whose certificate has to be for `server_name`: a
    /// host's name, or an address. What was written to the stream is sent before.
    ///
    /// What comes back is another stream: guards, rates and the like are to be set on that one.
    ///
    /// # Errors
    /// [`TlsError`]; the stream is closed then. A peer that has said something before TLS began is
    /// one: [`LocalFault::UnreadBytes`].
    ///
    /// # Panics
    /// When polled where no loop is turning.
    pub async fn connect(&self, stream: IoStream, server_name: &str) -> Result<IoStream, TlsError> {
        let fail = |fault: LocalFault| TlsError::new(TlsPhase::Start, fault);
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| fail(LocalFault::InvalidServerName(server_name.to_owned())))?;
        let session = Session::client(self.config.clone(), name)
            .map_err(|error| fail(LocalFault::Library(error.to_string())))?;
        with_timeout(self.timeout, ask(stream, session))
            .await
            .unwrap_or_else(|_| Err(TlsError::new(TlsPhase::Handshake, TlsFault::TimedOut)))
    }
}

async fn ask(stream: IoStream, session: Session) -> Result<IoStream, TlsError> {
    handshake::say_what_is_plain(&stream).await?;
    let ioloop = stream.ioloop().clone();
    let (transport, read) = handshake::take_apart(stream)?;
    let opening = Opening {
        transport,
        session,
        read,
    };
    // Not at the gate: who connects has decided how often.
    handshake::run(&ioloop, opening, None).await
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").finish_non_exhaustive()
    }
}
