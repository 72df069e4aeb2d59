//! `TcpServer`: listeners, what happens to a stream before its handler has it, and the end.
//!
//! ```text
//!   accept --> PROXY header --> prepare (TLS) --> configure --> handle_stream
//!   \ admission /\___ each with a deadline ___/
//! ```
//!
//! Settings are in `tcp_server_builder.rs`, the handler's trait in `handle_stream.rs`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use squall_ioloop::{Handle, JoinHandle, with_timeout};

use crate::complaint::Complaint;
use crate::handover::{self, HandoverError};
use crate::tcp_server_builder::{Configure, Prepare, TcpServerBuilder};
use crate::waiter::Waiters;
use crate::{
    Address, Admission, AdmissionCounters, BindError, HandleStream, IoStream, Listener,
    ListenerOptions, Listening, ProxyProtocol, ProxyProtocolError, StreamClosed, StreamError,
    bind_sockets, bind_unix_socket,
};

/// A server on one loop that hands each stream to a handler: Tornado's `TCPServer`. Unix sockets
/// are served as well.
///
/// This is a handle. Listening goes on until [`Self::stop`], [`Self::drain`] or the loop's end.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{IoStream, StreamError, TcpServer};
///
/// let ioloop = IoLoop::new()?;
/// let server = TcpServer::new(&ioloop, |mut stream: IoStream, _peer| async move {
///     let line = stream.read_until(b"\n", 1024).await?;
///     stream.write(&line)?;
///     stream.drained(0).await
/// });
/// let addresses = server.listen(0, Some("127.0.0.1"))?;
/// let address = addresses[0].inet().expect("an address of the Internet");
/// let echo = ioloop.run_until(async {
///     let mut stream = IoStream::connect(&ioloop, address).await?;
///     stream.write(b"hello\n").map_err(std::io::Error::from)?;
///     stream.read_until_close(1024).await.map_err(std::io::Error::from)
/// })??;
/// assert_eq!(echo, b"hello\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TcpServer {
    shared: Rc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) ioloop: Handle,
    pub(crate) handler: Box<dyn HandleStream>,
    pub(crate) options: ListenerOptions,
    pub(crate) admission: Admission,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    pub(crate) prepare: Option<Prepare>,
    pub(crate) prepare_timeout: Duration,
    pub(crate) configure: Option<Configure>,
    pub(crate) state: State,
}

#[derive(Default)]
pub(crate) struct State {
    listening: RefCell<Vec<Listening>>,
    /// The tasks of streams that are being served.
    tasks: RefCell<HashMap<u64, JoinHandle<()>>>,
    next_id: Cell<u64>,
    /// Told when the last task has ended.
    idle: Waiters,
    refused_by_proxy_protocol: Cell<u64>,
    failed_preparations: Cell<u64>,
    refusals: Complaint,
}

impl TcpServer {
    /// A server with the default settings.
    pub fn new(ioloop: &Handle, handler: impl HandleStream) -> Self {
        Self::builder().build(ioloop, handler)
    }

    /// A server with other settings.
    pub fn builder() -> TcpServerBuilder {
        TcpServerBuilder::default()
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        Self {
            shared: Rc::new(shared),
        }
    }

    // ---- listening

    /// Listens on a port of every address of `host`, or of the machine, and returns them: see
    /// [`bind_sockets`]. Call it again for more.
    ///
    /// # Errors
    /// [`BindError`]; then the server listens on none of them.
    pub fn listen(&self, port: u16, host: Option<&str>) -> Result<Vec<Address>, BindError> {
        self.add_listeners(bind_sockets(port, host, &self.shared.options)?)
    }

    /// Listens on a Unix socket: see [`bind_unix_socket`].
    ///
    /// # Errors
    /// [`BindError`].
    pub fn listen_unix(&self, path: impl AsRef<Path>) -> Result<Address, BindError> {
        let listener = bind_unix_socket(path, &self.shared.options)?;
        self.add_listener(listener).map_err(BindError::on_loop)
    }

    /// Listens on a socket that is bound already: inherited, or taken over from another process.
    /// Tornado's `add_socket`.
    ///
    /// # Errors
    /// What the poller says.
    pub fn add_listener(&self, listener: Listener) -> io::Result<Address> {
        let server = self.clone();
        let listening = listener.accept_admitted(
            &self.shared.ioloop,
            &self.shared.admission,
            move |stream, peer| server.serve_stream(stream, peer),
        )?;
        let address = listening.local_addr().clone();
        self.shared.state.listening.borrow_mut().push(listening);
        Ok(address)
    }

    fn add_listeners(&self, listeners: Vec<Listener>) -> Result<Vec<Address>, BindError> {
        let before = self.shared.state.listening.borrow().len();
        let added: io::Result<Vec<_>> = listeners
            .into_iter()
            .map(|listener| self.add_listener(listener))
            .collect();
        added.map_err(|error| {
            let added = self.shared.state.listening.borrow_mut().split_off(before);
            drop(added);
            BindError::on_loop(error)
        })
    }

    /// Where it listens.
    pub fn local_addrs(&self) -> Vec<Address> {
        let listening = self.shared.state.listening.borrow();
        listening
            .iter()
            .map(|listening| listening.local_addr().clone())
            .collect()
    }

    /// Offers all its sockets to a successor, under one name: see [`handover`].
    ///
    /// # Errors
    /// As [`handover::Offer::add`].
    pub fn offer_to(&self, offer: &handover::Offer, name: &str) -> Result<(), HandoverError> {
        let listening = self.shared.state.listening.borrow();
        listening
            .iter()
            .try_for_each(|listening| offer.add(name, listening))
    }

    /// Stops listening. Streams stay, and are served to their end. Stopping a stopped server
    /// changes nothing.
    pub fn stop(&self) {
        let listening = self.shared.state.listening.take();
        drop(listening);
    }

    /// Stops listening, waits until the streams are closed that were open, for `deadline` at most,
    /// and then ends the handlers that are left, which closes their streams. Returns what was
    /// left. Streams that a [`callback`](crate::callback) has kept are waited for and not cut.
    pub async fn drain(&self, deadline: Duration) -> DrainReport {
        self.stop();
        let state = &self.shared.state;
        let over = poll_fn(|cx| {
            let is_closed = self.shared.admission.is_empty_or_wait(cx);
            let is_idle = state.tasks.borrow().is_empty();
            if !is_idle {
                state.idle.wait(cx.waker());
            }
            if is_closed && is_idle {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let mut report = DrainReport::default();
        if with_timeout(deadline, over).await.is_err() {
            let tasks = state.tasks.take();
            report.cut = tasks.len();
            tasks.values().for_each(JoinHandle::abort);
            drop(tasks);
            report.left = self.shared.admission.counters().open;
        }
        report
    }

    /// What was let in, and what became of it.
    pub fn counters(&self) -> TcpServerCounters {
        let state = &self.shared.state;
        TcpServerCounters {
            admission: self.shared.admission.counters(),
            served_now: state.tasks.borrow().len(),
            refused_by_proxy_protocol: state.refused_by_proxy_protocol.get(),
            failed_preparations: state.failed_preparations.get(),
        }
    }

    // ---- serving

    /// Serves a stream that came from elsewhere: accepted by others, or in memory.
    pub fn serve_stream(&self, stream: IoStream, peer: Address) {
        let shared = self.shared.clone();
        let state = &self.shared.state;
        let id = state.next_id.get();
        state.next_id.set(id + 1);
        let place = Place {
            shared: shared.clone(),
            id,
        };
        let task = self.shared.ioloop.spawn(async move {
            let _place = place;
            shared.serve(stream, peer).await;
        });
        state.tasks.borrow_mut().insert(id, task);
    }
}

impl Shared {
    async fn serve(&self, stream: IoStream, peer: Address) {
        let Some((stream, peer)) = self.make_ready(stream, peer).await else {
            return;
        };
        if let Some(configure) = &self.configure {
            configure(&stream);
        }
        match self.handler.handle_stream(stream, peer.clone()).await {
            Ok(()) => {}
            Err(error) if is_closed(&*error) => {
                tracing::debug!(target: "squall::iostream", %peer, %error, "a stream has ended");
            }
            Err(error) => {
                // Tornado's words.
                tracing::error!(
                    target: "squall::iostream",
                    %peer,
                    %error,
                    "Error in connection callback"
                );
            }
        }
    }

    /// What comes before the handler. `None` when the stream does not come through, which is
    /// logged and counted.
    async fn make_ready(&self, stream: IoStream, peer: Address) -> Option<(IoStream, Address)> {
        let proxied = match &self.proxy_protocol {
            None => Ok((stream, peer.clone())),
            Some(policy) => self.read_proxy_header(policy, stream, &peer).await,
        };
        let (stream, peer) = match proxied {
            Ok(through) => through,
            Err(error) => {
                let count = &self.state.refused_by_proxy_protocol;
                self.complain(count, &peer, "PROXY header", &error);
                return None;
            }
        };
        let Some(prepare) = &self.prepare else {
            return Some((stream, peer));
        };
        let prepared = match with_timeout(self.prepare_timeout, prepare(stream)).await {
            Ok(prepared) => prepared,
            Err(timed_out) => Err(timed_out.into()),
        };
        match prepared {
            Ok(stream) => Some((stream, peer)),
            Err(error) => {
                let count = &self.state.failed_preparations;
                self.complain(count, &peer, "preparation", &*error);
                None
            }
        }
    }

    async fn read_proxy_header(
        &self,
        policy: &ProxyProtocol,
        stream: IoStream,
        peer: &Address,
    ) -> Result<(IoStream, Address), ProxyProtocolError> {
        let (stream, header) = policy
            .accept_admitted(stream, peer, &self.admission)
            .await?;
        let told = header.as_ref().and_then(|header| header.source());
        let peer = told.unwrap_or(peer).clone();
        Ok((stream, peer))
    }

    /// At most one line a second; the counters have them all.
    fn complain(&self, count: &Cell<u64>, peer: &Address, phase: &str, error: &dyn Error) {
        count.set(count.get() + 1);
        if let Some(others) = self.state.refusals.due(self.ioloop.now()) {
            tracing::info!(
                target: "squall::iostream",
                %peer,
                phase,
                others,
                %error,
                "a connection was closed before it was served"
            );
        }
    }
}

/// A peer that leaves is nobody's fault.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    error.is::<StreamClosed>() || matches!(error.downcast_ref(), Some(StreamError::Closed(_)))
}

/// A task's place in the server's list, given back when the task is over or dropped.
struct Place {
    shared: Rc<Shared>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = &self.shared.state;
        let task = state.tasks.borrow_mut().remove(&self.id);
        let is_last = task.is_some() && state.tasks.borrow().is_empty();
        // Its handle tells the loop of a panic, if that is how it has ended.
        drop(task);
        if is_last {
            state.idle.wake();
        }
    }
}

/// What was left when a server had drained: nothing, if all streams closed in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Handlers that were ended, with their streams.
    pub cut: usize,
    /// Streams that are open still, because something other than a handler owns them.
    pub left: usize,
}

/// What a server has let in, and what became of it. Counts since it was made, but for what is
/// said to be now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpServerCounters {
    /// Of all its listeners.
    pub admission: AdmissionCounters,
    /// Streams that are being served now, or made ready to be.
    pub served_now: usize,
    /// Streams that were closed for what the PROXY protocol says of them.
    pub refused_by_proxy_protocol: u64,
    /// Streams that were closed because their preparation has failed, or took too long.
    pub failed_preparations: u64,
}

impl fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listening = self.shared.state.listening.borrow();
        f.debug_struct("TcpServer")
            .field("listening", &listening.len())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
