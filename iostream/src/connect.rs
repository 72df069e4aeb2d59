//! Connecting to one address of the Internet; Unix sockets are in `unix.rs`. Names, several
//! addresses and deadlines are `tcp_client.rs`'s.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use squall_ioloop::Handle;

use crate::SocketTransport;
use crate::stream::IoStream;

/// What a TCP socket is given before it connects.
#[derive(Clone, Debug)]
pub(crate) struct SocketOptions {
    pub(crate) source: Option<SocketAddr>,
    pub(crate) has_nodelay: bool,
    pub(crate) keepalive: Option<Duration>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            source: None,
            has_nodelay: true,
            keepalive: None,
        }
    }
}

impl IoStream {
    /// Connects to `address`. How long that may take is the system's choice, minutes mostly; bound
    /// it with [`squall_ioloop::with_timeout`], for dropping the future closes the socket. For
    /// names, several addresses and deadlines there is [`TcpClient`](crate::TcpClient).
    ///
    /// # Errors
    /// What the system says: refused, unreachable, no descriptors left.
    pub async fn connect(ioloop: &Handle, address: SocketAddr) -> io::Result<Self> {
        connect_tcp(ioloop, address, &SocketOptions::default()).await
    }

    /// A socket that connects is writable when it has, or failed when it has not.
    async fn connected(&self) -> io::Result<()> {
        let core = self.handle.core();
        core.expect_writable_event();
        poll_fn(|cx| {
            if core.is_writable() {
                return Poll::Ready(core.transport.take_error().map_or(Ok(()), Err));
            }
            core.wait_for_room(cx);
            Poll::Pending
        })
        .await
    }
}

pub(crate) async fn connect_tcp(
    ioloop: &Handle,
    address: SocketAddr,
    options: &SocketOptions,
) -> io::Result<IoStream> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(options.has_nodelay)?;
    if let Some(idle) = options.keepalive {
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    if let Some(source) = options.source {
        bind_source(&socket, source, address)?;
    }
    begin(&socket, &address.into())?;
    let stream = IoStream::new(ioloop, SocketTransport::from_nonblocking(socket))?;
    stream.connected().await?;
    // Where nobody listens on a port that the system may choose for us, it may choose that one, and
    // a socket that connects to itself succeeds (RFC 9293, section 3.5, simultaneous open).
    if stream.local_addr().and_then(|local| local.inet()) == Some(address) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

fn bind_source(socket: &Socket, source: SocketAddr, address: SocketAddr) -> io::Result<()> {
    if source.is_ipv4() != address.is_ipv4() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the source address is of another family",
        ));
    }
    if source.port() != 0 {
        // Or the port could not be used for as long as an earlier connection is remembered.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&source.into())
}

/// Begins to connect. An interrupted one goes on by itself, as one that is under way (connect(2)).
fn begin(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.connect(address) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        result => result,
    }
}
