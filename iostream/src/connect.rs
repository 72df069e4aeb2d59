//! Connecting, to one address. Names and several addresses come with `TcpClient`.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use squall_ioloop::Handle;

use crate::SocketTransport;
use crate::stream::IoStream;

impl IoStream {
    /// Connects to `address`. How long that may take is the system's choice, minutes mostly; bound
    /// it with [`squall_ioloop::with_timeout`], for dropping the future closes the socket.
    ///
    /// # Errors
    /// What the system says: refused, unreachable, no descriptors left.
    pub async fn connect(ioloop: &Handle, address: SocketAddr) -> io::Result<Self> {
        let socket = mio::net::TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let stream = Self::new(ioloop, SocketTransport::from_nonblocking(socket))?;
        stream.connected().await?;
        Ok(stream)
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
