//! How a UDP socket is bound, and what can be changed afterwards: broadcast, multicast, hops.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::UdpHandle;

/// Settings of a UDP socket that have to be made before it is bound.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{UdpOptions, UdpSocket};
/// // Two loops share a port; each has a socket of its own.
/// let ioloop = IoLoop::new()?;
/// let options = UdpOptions::default().reuse_port(true);
/// let first = UdpSocket::bind_with(&ioloop, ([127, 0, 0, 1], 0).into(), &options)?;
/// let second = UdpSocket::bind_with(&ioloop, first.local_addr()?, &options)?;
/// assert_eq!(first.local_addr()?, second.local_addr()?);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct UdpOptions {
    has_reuse_port: bool,
    has_reuse_address: bool,
    is_dual_stack: bool,
    recv_buffer_bytes: Option<usize>,
    send_buffer_bytes: Option<usize>,
}

impl UdpOptions {
    /// Lets several sockets be bound to the same address, and the system spread datagrams among
    /// them by sender (`SO_REUSEPORT`). Default off, so that a second server is an error.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.has_reuse_port = on;
        self
    }

    /// Lets several sockets receive the same multicast (`SO_REUSEADDR`). Unicast goes to the last
    /// of them, so this is for multicast alone. Default off.
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.has_reuse_address = on;
        self
    }

    /// Lets a socket on `[::]` receive from IPv4 too, whose senders look like `::ffff:1.2.3.4`.
    /// Default off, as for listeners: one socket, one family.
    #[must_use]
    pub fn dual_stack(mut self, on: bool) -> Self {
        self.is_dual_stack = on;
        self
    }

    /// How many bytes of datagrams may wait to be received, with the system's own overhead; what
    /// comes beyond is dropped. The system may cap it (Linux: `net.core.rmem_max`). Default: the
    /// system's, 208 KiB on Linux.
    #[must_use]
    pub fn recv_buffer_bytes(mut self, bytes: usize) -> Self {
        self.recv_buffer_bytes = Some(bytes);
        self
    }

    /// How many bytes may wait to be sent before a sender waits. As
    /// [`Self::recv_buffer_bytes`].
    #[must_use]
    pub fn send_buffer_bytes(mut self, bytes: usize) -> Self {
        self.send_buffer_bytes = Some(bytes);
        self
    }

    pub(super) fn bind(&self, address: SocketAddr) -> io::Result<Socket> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if self.has_reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.has_reuse_address {
            socket.set_reuse_address(true)?;
        }
        if address.is_ipv6() {
            socket.set_only_v6(!self.is_dual_stack)?;
        }
        if let Some(bytes) = self.recv_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    }
}

/// Options that can be set at any time. Their errors are the system's, and
/// [`io::ErrorKind::NotConnected`] when the socket is closed.
impl UdpHandle {
    /// Whether it may send to broadcast addresses. Off at first.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.core.with(|socket| socket.set_broadcast(on))
    }

    /// How many hops a datagram lives: the TTL of IPv4, the hop limit of IPv6, whichever the
    /// socket is of. The system's default is 64, mostly.
    ///
    /// # Errors
    /// What the system says: 0, or more than 255.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        if self.local_addr()?.is_ipv6() {
            return self.core.with(|socket| socket.set_unicast_hops_v6(hops));
        }
        self.core.with(|socket| socket.set_ttl_v4(hops))
    }

    /// The same for multicast, whose default is 1: it does not leave the network.
    ///
    /// # Errors
    /// What the system says: more than 255.
    pub fn set_multicast_ttl(&self, hops: u32) -> io::Result<()> {
        if self.local_addr()?.is_ipv6() {
            return self.core.with(|socket| socket.set_multicast_hops_v6(hops));
        }
        self.core.with(|socket| socket.set_multicast_ttl_v4(hops))
    }

    /// Whether what it sends to a group also comes to receivers on this machine. On at first.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_multicast_loop(&self, on: bool) -> io::Result<()> {
        if self.local_addr()?.is_ipv6() {
            return self.core.with(|socket| socket.set_multicast_loop_v6(on));
        }
        self.core.with(|socket| socket.set_multicast_loop_v4(on))
    }

    /// Sends multicast of IPv4 through the interface with this address. The unspecified address
    /// leaves the choice to the system.
    ///
    /// # Errors
    /// What the system says: no such interface.
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        self.core
            .with(|socket| socket.set_multicast_if_v4(&interface))
    }

    /// Sends multicast of IPv6 through the interface with this index; 0 leaves the choice to the
    /// system.
    ///
    /// # Errors
    /// What the system says: no such interface.
    pub fn set_multicast_interface_v6(&self, interface: u32) -> io::Result<()> {
        self.core
            .with(|socket| socket.set_multicast_if_v6(interface))
    }

    /// Receives what is sent to `group` through the interface with this address; the unspecified
    /// address leaves the choice to the system.
    ///
    /// # Errors
    /// What the system says: no multicast address, no such interface, joined already.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.core
            .with(|socket| socket.join_multicast_v4(&group, &interface))
    }

    /// Undoes [`Self::join_multicast_v4`]. Closing the socket does too.
    ///
    /// # Errors
    /// What the system says: not joined.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.core
            .with(|socket| socket.leave_multicast_v4(&group, &interface))
    }

    /// Receives what is sent to `group` through the interface with this index; 0 leaves the choice
    /// to the system.
    ///
    /// # Errors
    /// What the system says: no multicast address, no such interface, joined already.
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.core
            .with(|socket| socket.join_multicast_v6(&group, interface))
    }

    /// Undoes [`Self::join_multicast_v6`]. Closing the socket does too.
    ///
    /// # Errors
    /// What the system says: not joined.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.core
            .with(|socket| socket.leave_multicast_v6(&group, interface))
    }
}
