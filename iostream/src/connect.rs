//! Connecting, to one address. Names and several addresses come with `TcpClient`.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use squall_ioloop::Handle;

use crate::stream::IoStream;
use crate::{StreamError, TcpTransport};

impl IoStream {
    /// Connects to `address`.
    ///
    /// # Errors
    /// What the system says: refused, unreachable, no descriptors left.
    pub async fn connect(ioloop: &Handle, address: SocketAddr) -> io::Result<Self> {
        let socket = mio::net::TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let stream = Self::new(ioloop, TcpTransport::new(socket))?;
        stream.handle.connected().await?;
        Ok(stream)
    }
}

impl crate::StreamHandle {
    /// A socket that connects is writable when it has, or failed when it has not.
    async fn connected(&self) -> io::Result<()> {
        self.core().expect_writable_event();
        poll_fn(|cx| {
            if self.core().take_deadline() {
                return Poll::Ready(Err(StreamError::TimedOut.into()));
            }
            if !self.core().wait_for_writable(cx) {
                return Poll::Pending;
            }
            Poll::Ready(match self.core().transport.take_error() {
                Some(error) => Err(error),
                None => Ok(()),
            })
        })
        .await
    }
}
