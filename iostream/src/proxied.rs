//! A stream that a proxy has opened for somebody else: who may say so, and the header's reading.
//! What a header looks like is in `proxy_protocol`, the ends that it tells are kept by
//! `proxied_transport.rs`.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use squall_ioloop::{TimedOut, with_timeout};

use crate::admission::Row;
use crate::proxied_transport::ProxiedTransport;
use crate::proxy_protocol::{Decoded, Header, HeaderError, Signature, decode};
use crate::{Address, Admission, IoStream, Step, StreamClosed, StreamError, TrustedPeers};

/// Who may send a header of the [PROXY protocol](crate::proxy_protocol), and who must.
///
/// A header says who the peer is, so only proxies of ours may send one: those of the trust list.
/// They must, unless it is [optional](Self::optional). All others may not: a stream of theirs that
/// begins with one is an error, and one that does not is served as it is, or refused
/// ([`Self::refuse_others`]).
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{ProxyProtocol, TrustedPeers, memory};
///
/// let ioloop = IoLoop::new()?;
/// // Streams in memory have no address: they are local.
/// let policy = ProxyProtocol::trusting(TrustedPeers::default().local(true));
/// let (proxy, stream) = memory::pair(&ioloop, memory::Options::default());
/// proxy.write(b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\nhello")?;
/// ioloop.run_until(async {
///     let (mut stream, header) = policy.accept(stream).await.unwrap();
///     assert!(header.is_some());
///     assert_eq!(stream.peer_addr().unwrap().to_string(), "192.0.2.7:51000");
///     assert_eq!(stream.read_bytes(5).await.unwrap(), b"hello");
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProxyProtocol {
    pub(crate) trusted: TrustedPeers,
    is_optional: bool,
    refuses_others: bool,
    timeout: Duration,
}

impl ProxyProtocol {
    /// Takes the word of these peers.
    pub fn trusting(trusted: TrustedPeers) -> Self {
        Self {
            trusted,
            is_optional: false,
            refuses_others: false,
            timeout: Duration::from_secs(5),
        }
    }

    /// Lets a trusted peer speak for itself, without a header. Default off, for whoever reaches
    /// the port through a proxy that forgets the header would otherwise pass for the proxy. Not
    /// for protocols in which the server speaks first.
    #[must_use]
    pub fn optional(mut self, on: bool) -> Self {
        self.is_optional = on;
        self
    }

    /// Refuses peers that are not trusted at once. Default off: they are served as who they are.
    /// For that their first bytes have to be seen, so a protocol in which the server speaks first
    /// wants this, or has them wait for the timeout.
    #[must_use]
    pub fn refuse_others(mut self, on: bool) -> Self {
        self.refuses_others = on;
        self
    }

    /// How long a header may take. Default 5 seconds: enough for a lost packet that is sent again,
    /// which takes three (section 2 of the protocol asks for that much).
    #[must_use]
    pub fn timeout(mut self, duration: Duration) -> Self {
        self.timeout = duration;
        self
    }

    /// Reads the header, if the stream's peer is to send one. The stream that comes back tells the
    /// addresses of the header as its [`peer_addr`](crate::StreamHandle::peer_addr) and
    /// [`local_addr`](crate::StreamHandle::local_addr), also when TLS is put around it. Handles of
    /// the stream that went in are closed. What was set on it (its deadline, guards, rates, budget,
    /// watermarks and cap) is set on the one that comes back, and holds meanwhile.
    ///
    /// # Errors
    /// [`ProxyProtocolError`]; the stream is closed then.
    pub async fn accept(
        &self,
        stream: IoStream,
    ) -> Result<(IoStream, Option<Header>), ProxyProtocolError> {
        let mut has_descriptor = false;
        stream
            .core()
            .transport
            .with_fd(&mut |_| has_descriptor = true);
        let peer = stream.peer_addr();
        // A socket that was reset has no peer any more, and is not one without address for that.
        let is_trusted =
            self.trusted.contains(peer.as_ref()) && (peer.is_some() || !has_descriptor);
        self.accept_from(stream, is_trusted, |_| Ok(None)).await
    }

    /// As [`Self::accept`], from a peer that is known, and within the limits of an admission: the
    /// peer that the header tells has its place there, beside that of the proxy's connection. The
    /// admission has to know the proxies, see [`Admission::behind`].
    ///
    /// # Errors
    /// As [`Self::accept`], and [`ProxyProtocolError::TooManyConnections`].
    pub async fn accept_admitted(
        &self,
        stream: IoStream,
        peer: &Address,
        admission: &Admission,
    ) -> Result<(IoStream, Option<Header>), ProxyProtocolError> {
        let is_trusted = self.trusted.contains(Some(peer));
        let admit = |told: &Address| match admission.proxied_row(told) {
            Some(row) => Ok(Some(row)),
            None => Err(ProxyProtocolError::TooManyConnections(told.clone())),
        };
        self.accept_from(stream, is_trusted, admit).await
    }

    /// Whose word is taken.
    pub fn trusted(&self) -> &TrustedPeers {
        &self.trusted
    }

    async fn accept_from(
        &self,
        mut stream: IoStream,
        is_trusted: bool,
        admit: impl FnOnce(&Address) -> Result<Option<Rc<Row>>, ProxyProtocolError>,
    ) -> Result<(IoStream, Option<Header>), ProxyProtocolError> {
        if !is_trusted && self.refuses_others {
            return Err(ProxyProtocolError::Untrusted);
        }
        // Not the stream's own deadline, which is its owner's, as its guards are.
        let header = match is_trusted {
            true => match with_timeout(self.timeout, self.read_header(&mut stream)).await {
                Ok(read) => read?,
                Err(TimedOut) => {
                    let received = stream.unread_len();
                    return Err(ProxyProtocolError::TimedOut { received });
                }
            },
            false => {
                let checked = with_timeout(self.timeout, check_for_header(&mut stream)).await;
                checked.unwrap_or(Ok(()))?;
                None
            }
        };
        let ends = header.as_ref().and_then(|header| {
            let (source, destination) = (header.source()?, header.destination()?);
            Some((source.clone(), destination.clone()))
        });
        if let Some((peer, local)) = ends {
            let row = admit(&peer)?;
            stream = tell(stream, peer, local, row)?;
        }
        Ok((stream, header))
    }

    async fn read_header(
        &self,
        stream: &mut IoStream,
    ) -> Result<Option<Header>, ProxyProtocolError> {
        let read = stream.decode(|unread| match decode(unread) {
            Ok(Decoded::Header(used, header)) => Ok(Step::Done(used, Some(header))),
            Ok(Decoded::Partial) => Ok(Step::More(0)),
            Err(HeaderError::NoSignature) if self.is_optional => Ok(Step::Done(0, None)),
            Err(error) => Err(ProxyProtocolError::Malformed(error)),
        });
        let read = read.await;
        let received = stream.unread_len();
        read.map_err(|error| match error {
            ProxyProtocolError::TimedOut { .. } => ProxyProtocolError::TimedOut { received },
            error => error,
        })
    }
}

/// Fails if a peer that may not sends a header. What it sends stays unread, and what becomes of
/// the stream meanwhile the next read will tell.
async fn check_for_header(stream: &mut IoStream) -> Result<(), ProxyProtocolError> {
    let seen = stream.decode(|unread| match Signature::of(unread) {
        Signature::None => Ok(Step::Done(0, ())),
        Signature::Partial => Ok(Step::More(0)),
        Signature::V1 | Signature::V2 => Err(ProxyProtocolError::HeaderFromUntrusted),
    });
    match seen.await {
        Ok(()) | Err(ProxyProtocolError::Closed(_)) => Ok(()),
        Err(ProxyProtocolError::TimedOut { .. }) => {
            let received = stream.unread_len();
            Err(ProxyProtocolError::TimedOut { received })
        }
        Err(error) => Err(error),
    }
}

/// Moves the stream onto a transport that tells other ends. Not a field of every stream: few are
/// proxied, and so TLS over it has the same answer.
fn tell(
    stream: IoStream,
    peer: Address,
    local: Address,
    row: Option<Rc<Row>>,
) -> Result<IoStream, ProxyProtocolError> {
    let ioloop = stream.ioloop().clone();
    let settings = stream.core().take_settings();
    let cannot_move = |_| io::Error::new(io::ErrorKind::Unsupported, "its transport cannot move");
    let (inner, unread) = stream
        .into_parts()
        .map_err(cannot_move)
        .map_err(ProxyProtocolError::System)?;
    let transport = ProxiedTransport {
        inner,
        peer,
        local,
        row: Cell::new(row),
    };
    let mut stream = IoStream::new(&ioloop, transport).map_err(ProxyProtocolError::System)?;
    let shared = &stream.handle.core().shared;
    stream.buffer.append(&unread, shared);
    stream.handle.put_settings(settings, unread.len());
    Ok(stream)
}

/// Why a stream was not accepted by a [`ProxyProtocol`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyProtocolError {
    /// Its peer is not trusted, and such peers are refused.
    Untrusted,
    /// Its peer is not trusted, and has sent a header.
    HeaderFromUntrusted,
    /// There is no header where one is required, or one that is malformed.
    Malformed(HeaderError),
    /// The header did not come in time.
    TimedOut {
        /// How many bytes had come.
        received: usize,
    },
    /// The stream ended before the header did.
    Closed(StreamClosed),
    /// The peer that the header tells has as many connections as it may.
    TooManyConnections(Address),
    /// The system, or the stream's transport, does not do what is needed.
    System(io::Error),
}

impl From<StreamError> for ProxyProtocolError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed(closed) => Self::Closed(closed),
            StreamError::TimedOut | StreamError::Idle | StreamError::TooSlow => {
                Self::TimedOut { received: 0 }
            }
            // No header is as long as what a stream holds.
            _ => Self::Malformed(HeaderError::BadLineEnd),
        }
    }
}

impl fmt::Display for ProxyProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("the peer is not a trusted proxy"),
            Self::HeaderFromUntrusted => {
                f.write_str("a PROXY header from a peer that is not trusted")
            }
            Self::Malformed(error) => error.fmt(f),
            Self::TimedOut { received } => write!(
                f,
                "the PROXY header did not come in time: only {received} bytes of it"
            ),
            Self::Closed(closed) => write!(f, "before the PROXY header: {closed}"),
            Self::TooManyConnections(peer) => write!(f, "too many connections of {peer}"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ProxyProtocolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::Closed(closed) => Some(closed),
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}
