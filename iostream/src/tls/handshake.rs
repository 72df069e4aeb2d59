//! From a plain stream to one of TLS: what both ends have in common.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use squall_ioloop::Handle;

use crate::tls::gate::Gates;
use crate::tls::session::Session;
use crate::tls::transport::TlsTransport;
use crate::tls::{LocalFault, TlsAcceptor, TlsConnector, TlsError, TlsPhase};
use crate::{IoStream, Step, StreamError, Transport};

impl IoStream {
    /// Goes on in TLS, as a client that has agreed upon it in plain words (STARTTLS; Tornado's
    /// `start_tls`). What was written is sent before. The stream must be idle: what is unread would
    /// be taken for what came through TLS, and refuses.
    ///
    /// ```
    /// # use squall_ioloop::IoLoop;
    /// # use squall_iostream::memory;
    /// # use squall_iostream::tls::{ClientConfig, LocalFault, TlsFault};
    /// # let ioloop = IoLoop::builder().virtual_clock().build()?;
    /// # let connector = ClientConfig::new().danger_accept_any_certificate().build()?;
    /// # let (mut stream, theirs) = memory::pair(&ioloop, memory::Options::default());
    /// # theirs.write(b"220 go ahead\r\n250 injected\r\n")?;
    /// # ioloop.run_until(async {
    /// stream.write(b"STARTTLS\r\n")?;
    /// stream.read_until(b"\r\n", 100).await?;
    /// let refused = stream.start_tls(&connector, "mail.example").await.unwrap_err();
    /// // Somebody has put something behind the answer.
    /// assert!(matches!(refused.fault(), TlsFault::Local(LocalFault::UnreadBytes(14))));
    /// # Ok::<_, squall_iostream::StreamError>(()) })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LocalFault::UnreadBytes`]; else as [`TlsConnector::connect`]. The stream is closed then.
    pub async fn start_tls(
        self,
        connector: &TlsConnector,
        server_name: &str,
    ) -> Result<Self, TlsError> {
        connector.connect(self, server_name).await
    }

    /// Goes on in TLS, as a server that has agreed upon it in plain words. What was written is sent
    /// before.
    ///
    /// # Errors
    /// [`LocalFault::UnreadBytes`] when the client has sent more than it should have; else as
    /// [`TlsAcceptor::accept`]. The stream is closed then.
    pub async fn accept_tls(self, acceptor: &TlsAcceptor) -> Result<Self, TlsError> {
        say_what_is_plain(&self).await?;
        acceptor.accept(self).await
    }
}

/// Sends what is unsent. Nothing may be unread.
pub(super) async fn say_what_is_plain(stream: &IoStream) -> Result<(), TlsError> {
    let phase = TlsPhase::Start;
    check_open(stream)?;
    if stream.unread_len() > 0 {
        let fault = LocalFault::UnreadBytes(stream.unread_len());
        return Err(TlsError::new(phase, fault));
    }
    let sent = stream.drained(0).await;
    sent.map_err(|error| TlsError::from_stream(phase, &error))
}

/// A stream that we have closed ourselves is our own mistake.
pub(super) fn check_open(stream: &IoStream) -> Result<(), TlsError> {
    let phase = TlsPhase::Start;
    stream.check_open().map_err(|closed| match closed.cause() {
        None => TlsError::new(phase, LocalFault::Closed),
        Some(_) => TlsError::from_stream(phase, &closed.into()),
    })
}

/// The transport of a stream, and what it has read.
pub(super) fn take_apart(stream: IoStream) -> Result<(Box<dyn Transport>, Vec<u8>), TlsError> {
    check_open(&stream)?;
    let parts = stream.into_parts();
    parts.map_err(|_| TlsError::new(TlsPhase::Start, LocalFault::NotMovable))
}

/// What a handshake begins with.
pub(super) struct Opening {
    pub(super) transport: Box<dyn Transport>,
    pub(super) session: Session,
    /// What was read before.
    pub(super) read: Vec<u8>,
}

/// The handshake. Each step of it waits at the gate, if there is one.
pub(super) async fn run(
    ioloop: &Handle,
    opening: Opening,
    gates: Option<(Rc<Gates>, usize)>,
) -> Result<IoStream, TlsError> {
    let Opening {
        transport,
        session,
        read,
    } = opening;
    let established = Rc::new(Cell::new(false));
    let transport = TlsTransport::new(transport, session, read, established.clone());
    let mut stream = IoStream::new(ioloop, transport).map_err(TlsError::from_io)?;
    let mut index = 0;
    while !established.get() {
        readable(&stream).await;
        if let Some((gates, handshakes_max)) = &gates {
            gates.enter(ioloop, index, *handshakes_max).await;
            index += 1;
        }
        match step(&mut stream).await {
            Ok(()) => {}
            // The peer had nothing to say, and has said so: its end is for the first read.
            Err(StreamError::Closed(closed)) if closed.cause().is_none() && established.get() => {}
            Err(error) => return Err(TlsError::from_stream(TlsPhase::Handshake, &error)),
        }
    }
    Ok(stream)
}

async fn readable(stream: &IoStream) {
    let core = stream.core();
    poll_fn(|cx| {
        if core.is_readable() || core.is_closed() {
            return Poll::Ready(());
        }
        core.wait_for_input(cx);
        Poll::Pending
    })
    .await;
}

/// Reads what there is. Plaintext that comes with the end of the handshake stays unread.
async fn step(stream: &mut IoStream) -> Result<(), StreamError> {
    let mut read = pin!(stream.decode(|_| Ok::<_, StreamError>(Step::Done(0, ()))));
    poll_fn(|cx| match read.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => Poll::Ready(Ok(())),
    })
    .await
}
