//! UDP on the loop: one socket that receives, and handles that send.

mod batch;
mod core;
mod options;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::rc::Rc;

use socket2::Socket;
use squall_ioloop::Handle;

use self::core::Core;
pub use batch::{Datagram, DatagramBatch};
pub use options::UdpOptions;

/// A UDP socket. This is its receiving end, and there is one: it takes `&mut self`. Everything else
/// is on [`UdpHandle`], which it derefs to and which [`Self::handle`] clones. Dropping the
/// `UdpSocket` closes the socket.
///
/// Nothing is buffered here. What arrives waits in the system, which drops what has no room there
/// ([`UdpOptions::recv_buffer_bytes`]); what is sent waits for room, and a datagram is sent whole
/// or not at all. In one turn of the loop a socket receives 256 KiB, and 256 datagrams, at most,
/// and one call beyond that: a flood takes its share and starves nobody.
///
/// No receive has a deadline of its own: bound it with [`squall_ioloop::with_timeout`]. Giving up
/// loses nothing.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::UdpSocket;
///
/// let ioloop = IoLoop::new()?;
/// let mut server = UdpSocket::bind(&ioloop, "127.0.0.1:0".parse().unwrap())?;
/// let mut client = UdpSocket::bind(&ioloop, "127.0.0.1:0".parse().unwrap())?;
/// client.connect(server.local_addr()?)?;
/// let (mut question, mut answer) = ([0; 100], [0; 100]);
/// let received = ioloop.run_until(async {
///     client.send(b"ping").await?;
///     let received = server.recv_from(&mut question).await?;
///     server.send_to(b"pong", received.from).await?;
///     client.recv(&mut answer).await
/// })??;
/// assert_eq!(&answer[..received.len], b"pong");
/// assert!(!received.is_truncated);
/// # std::io::Result::Ok(())
/// ```
pub struct UdpSocket {
    handle: UdpHandle,
}

/// A handle of a UDP socket: to send, from as many tasks as there are, and to set options. It does
/// not keep the socket open.
#[derive(Clone)]
pub struct UdpHandle {
    core: Rc<Core>,
}

/// What is known of a received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many of its bytes are in the buffer.
    pub len: usize,
    /// Who has sent it.
    pub from: SocketAddr,
    /// Whether it was longer than the buffer; the rest is lost.
    pub is_truncated: bool,
}

impl UdpSocket {
    /// Binds with the default options. Port 0 lets the system choose one.
    ///
    /// # Errors
    /// What the system says: in use, not allowed, not ours.
    pub fn bind(ioloop: &Handle, address: SocketAddr) -> io::Result<Self> {
        Self::bind_with(ioloop, address, &UdpOptions::default())
    }

    /// Binds. Port 0 lets the system choose one.
    ///
    /// # Errors
    /// What the system says: in use, not allowed, not ours.
    pub fn bind_with(
        ioloop: &Handle,
        address: SocketAddr,
        options: &UdpOptions,
    ) -> io::Result<Self> {
        Self::on_loop(ioloop, options.bind(address)?)
    }

    /// Takes over a socket of the standard library: inherited, or bound by other means.
    ///
    /// # Errors
    /// What the system says when it is made non-blocking or put on the loop.
    pub fn from_std(ioloop: &Handle, socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::on_loop(ioloop, socket.into())
    }

    fn on_loop(ioloop: &Handle, socket: Socket) -> io::Result<Self> {
        let core = Core::register(ioloop, socket)?;
        Ok(Self {
            handle: UdpHandle { core },
        })
    }

    /// A handle to send from elsewhere.
    pub fn handle(&self) -> UdpHandle {
        self.handle.clone()
    }

    /// Receives one datagram, from anybody, or from the peer if the socket is connected.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] on a connected socket when nobody has received what was
    /// sent before, whichever task has sent it: the socket stays as good as it was.
    /// [`io::ErrorKind::NotConnected`] when the socket is closed; else what the system says.
    pub async fn recv_from(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        poll_fn(|cx| {
            self.core.poll_receive(
                cx,
                |socket| batch::receive(socket.as_fd(), buffer),
                |received| (1, received.len),
            )
        })
        .await
    }

    /// As [`Self::recv_from`]: the name that is usual on a connected socket.
    ///
    /// # Errors
    /// As [`Self::recv_from`].
    pub async fn recv(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        self.recv_from(buffer).await
    }

    /// Waits until there are datagrams, and receives as many as there are and have room in
    /// `batch`, but at most 64, with one call (`recvmmsg`, on Linux; one by one elsewhere). What
    /// was in the batch before is gone.
    ///
    /// # Errors
    /// As [`Self::recv_from`].
    pub async fn recv_batch(&mut self, batch: &mut DatagramBatch) -> io::Result<()> {
        let sizes = poll_fn(|cx| {
            self.core.poll_receive(
                cx,
                |socket| {
                    batch.receive(socket)?;
                    Ok((batch.len(), batch.bytes_len()))
                },
                |sizes| *sizes,
            )
        });
        sizes.await.map(|_| ())
    }
}

impl UdpHandle {
    /// Sends one datagram, and waits for room if there is none.
    ///
    /// # Errors
    /// What the system says: too long (65,507 bytes over IPv4, and less where fragments are
    /// refused), unreachable, not allowed (broadcast has to be asked for);
    /// [`io::ErrorKind::NotConnected`] when the socket is closed. Never that an earlier datagram
    /// was refused: that is the receiver's to know.
    pub async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = to.into();
        let sent = poll_fn(|cx| self.core.poll_send(cx, |socket| socket.send_to(bytes, &to)));
        sent.await.map(|_| ())
    }

    /// Sends one datagram to the peer of a connected socket.
    ///
    /// # Errors
    /// As [`Self::send_to`]; the system's word for a socket that is not connected is "destination
    /// address required".
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = poll_fn(|cx| self.core.poll_send(cx, |socket| socket.send(bytes)));
        sent.await.map(|_| ())
    }

    /// Sends one datagram if there is room: for those who would rather drop one than wait.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none; else as [`Self::send_to`].
    pub fn try_send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = to.into();
        self.core
            .try_send(|socket| socket.send_to(bytes, &to))
            .map(|_| ())
    }

    /// Sends datagrams in order, with one call for up to 64 (`sendmmsg`, on Linux; one by one
    /// elsewhere), and says how many went: at least one, unless there was none. Waits for room only
    /// for the first. When fewer went than were given, call it again with the rest; if one was
    /// refused, it is the first of those, and the next call says why.
    ///
    /// # Errors
    /// As [`Self::send_to`], for the first of them.
    pub async fn send_batch(&self, datagrams: &[(&[u8], SocketAddr)]) -> io::Result<usize> {
        if datagrams.is_empty() {
            return Ok(0);
        }
        poll_fn(|cx| {
            self.core
                .poll_send(cx, |socket| batch::send_many(socket, datagrams))
        })
        .await
    }

    /// Sends to `peer` and receives from it alone, from now on. Datagrams of others that wait
    /// already are still received.
    ///
    /// # Errors
    /// What the system says: another family, unreachable.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.core.with(|socket| socket.connect(&peer.into()))
    }

    /// Where the socket is: with port 0, the port that the system chose.
    ///
    /// # Errors
    /// What the system says, and [`io::ErrorKind::NotConnected`] when it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.core.with(Socket::local_addr)?;
        address
            .as_socket()
            .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// The peer of a connected socket.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotConnected`] when it has none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let address = self.core.with(Socket::peer_addr)?;
        address
            .as_socket()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The loop that the socket is on.
    pub fn ioloop(&self) -> &Handle {
        &self.core.ioloop
    }

    /// Closes the socket; whoever waits is told. Closing a closed one changes nothing.
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }
}

impl Deref for UdpSocket {
    type Target = UdpHandle;
    fn deref(&self) -> &UdpHandle {
        &self.handle
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local_addr = self.local_addr().ok();
        f.debug_struct("UdpSocket")
            .field("local_addr", &local_addr)
            .finish()
    }
}

impl fmt::Debug for UdpHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local_addr = self.local_addr().ok();
        f.debug_struct("UdpHandle")
            .field("local_addr", &local_addr)
            .finish()
    }
}
