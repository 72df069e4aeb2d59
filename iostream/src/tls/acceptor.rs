//! The server's way in.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use squall_ioloop::with_timeout;

use crate::IoStream;
use crate::tls::gate::Gates;
use crate::tls::handshake::{self, Opening};
use crate::tls::session::Session;
use crate::tls::{
    LocalFault, PeerFault, ServerConfig, TlsConfigError, TlsError, TlsFault, TlsPhase, hello,
};

/// Makes streams of TLS out of plain ones, for a server. Made by [`ServerConfig::build`].
///
/// A clone is a pointer, and may go to another thread: all of them share certificates, tickets and
/// sessions, and see the same [reload](Self::reload).
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::memory;
/// use squall_iostream::tls::{ClientConfig, Pem, ServerConfig, TlsVersion};
///
/// let own = rcgen::generate_simple_self_signed(["localhost".to_string()])?;
/// let (chain, key) = (Pem::bytes(own.cert.pem()), Pem::bytes(own.signing_key.serialize_pem()));
/// let acceptor = ServerConfig::new().certificate(chain.clone(), key).build()?;
/// let connector = ClientConfig::new().root_certificates(chain).build()?;
///
/// let ioloop = IoLoop::builder().virtual_clock().build()?;
/// let (ours, theirs) = memory::pair(&ioloop, memory::Options::default());
/// let served = ioloop.spawn(async move {
///     let mut stream = acceptor.accept(theirs).await?;
///     assert_eq!(stream.tls().expect("it is TLS").version, TlsVersion::V1_3);
///     let name = stream.read_until(b"\n", 100).await?;
///     stream.write(&[b"hello, ", &*name].concat())?;
///     stream.shutdown_write().await?; // says so in TLS
///     Ok::<_, Box<dyn std::error::Error>>(())
/// });
/// let answer = ioloop.run_until(async {
///     let mut stream = connector.connect(ours, "localhost").await?;
///     stream.write(b"Ann\n")?;
///     Ok::<_, Box<dyn std::error::Error>>(stream.read_until_close(100).await?)
/// })??;
/// assert_eq!(answer, b"hello, Ann\n");
/// # ioloop.run_until(served)???;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsAcceptor {
    current: Arc<RwLock<Current>>,
}

struct Current {
    config: ServerConfig,
    rustls: Arc<rustls::ServerConfig>,
}

impl TlsAcceptor {
    pub(super) fn from_config(config: ServerConfig) -> Result<Self, TlsConfigError> {
        let rustls = Arc::new(config.to_rustls()?);
        let current = Arc::new(RwLock::new(Current { config, rustls }));
        Ok(Self { current })
    }

    /// The handshake with a client over `stream`. What the stream has read already is the
    /// beginning of it, as after a PROXY header; where plain words were exchanged before,
    /// [`IoStream::accept_tls`] is the way.
    ///
    /// A client that speaks HTTP without TLS is answered with a 400 that says so. With TLS 1.3, a
    /// client does not wait for the server's opinion of its certificate: if that is refused, it
    /// learns of it from its first read.
    ///
    /// What comes back is another stream: guards, rates and the like are to be set on that one.
    ///
    /// # Errors
    /// [`TlsError`]; the stream is closed then.
    ///
    /// # Panics
    /// When polled where no loop is turning.
    pub async fn accept(&self, stream: IoStream) -> Result<IoStream, TlsError> {
        let (rustls, timeout, handshakes_max) = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            let config = &current.config;
            let rustls = current.rustls.clone();
            (rustls, config.timeout_handshake, config.handshakes_per_turn)
        };
        with_timeout(timeout, answer(rustls, handshakes_max, stream))
            .await
            .unwrap_or_else(|_| {
                let phase = TlsPhase::Handshake;
                Err(TlsError::new(phase, TlsFault::TimedOut))
            })
    }

    /// Reads the files anew. Handshakes that begin from now on, on whatever thread, see the new
    /// certificates; established streams and handshakes under way go on with the old ones.
    /// Sessions from before are not resumed: what let a client in may no longer do so. Blocking,
    /// as files are, and callable on any thread.
    ///
    /// # Errors
    /// [`TlsConfigError`]; then all stays as it was.
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        let config = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            current.config.clone()
        };
        self.replace(config)
    }

    /// As [`Self::reload`], with other settings.
    ///
    /// # Errors
    /// [`TlsConfigError`]; then all stays as it was.
    pub fn replace(&self, config: ServerConfig) -> Result<(), TlsConfigError> {
        let rustls = Arc::new(config.to_rustls()?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, Current { config, rustls });
        drop(current);
        drop(old);
        Ok(())
    }
}

async fn answer(
    rustls: Arc<rustls::ServerConfig>,
    handshakes_max: usize,
    mut stream: IoStream,
) -> Result<IoStream, TlsError> {
    handshake::check_open(&stream)?;
    // Nothing of TLS is allocated before the client has said something.
    if let hello::Opening::Http = hello::opening(&mut stream).await? {
        hello::answer_plain_http(stream).await;
        return Err(TlsError::new(TlsPhase::Start, PeerFault::PlainHttp));
    }
    let ioloop = stream.ioloop().clone();
    let (transport, read) = handshake::take_apart(stream)?;
    let session = Session::server(rustls)
        .map_err(|error| TlsError::new(TlsPhase::Start, LocalFault::Library(error.to_string())))?;
    let opening = Opening {
        transport,
        session,
        read,
    };
    let gates = Some((Gates::of(&ioloop), handshakes_max));
    handshake::run(&ioloop, opening, gates).await
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("TlsAcceptor").field(&current.config).finish()
    }
}

#[cfg(test)]
mod tests {
    fn assert_crosses_threads<T: Send + Sync + Clone>() {}

    #[test]
    fn acceptors_connectors_and_errors_cross_threads() {
        assert_crosses_threads::<super::TlsAcceptor>();
        assert_crosses_threads::<crate::tls::TlsConnector>();
        assert_crosses_threads::<crate::tls::TlsError>();
    }
}
