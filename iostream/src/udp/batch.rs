//! Many datagrams at once: where they are kept, and the calls that receive and send them.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags};
use socket2::Socket;

use super::Received;

/// One received datagram of a [`DatagramBatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What it says, or the beginning of it.
    pub bytes: &'a [u8],
    /// Who has sent it.
    pub from: SocketAddr,
    /// Whether it was longer than its place; the rest is lost.
    pub is_truncated: bool,
}

/// Places for datagrams, to be filled by [`UdpSocket::recv_batch`](super::UdpSocket::recv_batch)
/// again and again. It owns its memory, `datagrams` times `bytes_max`, from the beginning.
pub struct DatagramBatch {
    storage: Vec<u8>,
    bytes_max: usize,
    heads: Vec<Option<Received>>,
    len: usize,
}

impl DatagramBatch {
    /// Room for `datagrams` of `bytes_max` bytes each. One call of the system fills at most 64.
    ///
    /// # Panics
    /// When either is 0.
    pub fn new(datagrams: usize, bytes_max: usize) -> Self {
        assert!(
            datagrams > 0 && bytes_max > 0,
            "a batch without room receives nothing"
        );
        Self {
            storage: vec![0; datagrams * bytes_max],
            bytes_max,
            heads: vec![None; datagrams],
            len: 0,
        }
    }

    /// How many datagrams are in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The datagrams, in the order in which they arrived.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let places = self.storage.chunks_exact(self.bytes_max);
        let heads = self.heads[..self.len].iter().flatten();
        heads.zip(places).map(|(head, place)| Datagram {
            bytes: &place[..head.len],
            from: head.from,
            is_truncated: head.is_truncated,
        })
    }

    /// How many bytes are in it.
    pub(super) fn bytes_len(&self) -> usize {
        self.heads[..self.len]
            .iter()
            .flatten()
            .map(|head| head.len)
            .sum()
    }

    /// Fills it with what is there, at least one datagram.
    pub(super) fn receive(&mut self, socket: &Socket) -> io::Result<()> {
        self.len = 0;
        #[cfg(target_os = "linux")]
        {
            let Self {
                storage,
                bytes_max,
                heads,
                len,
            } = self;
            *len = crate::sys::receive_many(socket.as_fd(), storage, *bytes_max, heads)?;
            Ok(())
        }
        #[cfg(not(target_os = "linux"))]
        self.receive_one_by_one(socket)
    }

    /// The same, with a call for each: where there is no other, and the oracle of the other.
    #[cfg(any(test, not(target_os = "linux")))]
    fn receive_one_by_one(&mut self, socket: &Socket) -> io::Result<()> {
        self.len = 0;
        let places = self.storage.chunks_exact_mut(self.bytes_max);
        for (head, place) in self.heads.iter_mut().zip(places) {
            match receive(socket.as_fd(), place) {
                Ok(received) => *head = Some(received),
                Err(error) if self.len == 0 => return Err(error),
                // Nothing, or a failure: the next call says so.
                Err(_) => break,
            }
            self.len += 1;
        }
        Ok(())
    }
}

/// Receives one datagram.
pub(super) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let len = buffer.len();
    let mut pieces = [IoSliceMut::new(buffer)];
    let mut nothing = RecvAncillaryBuffer::default();
    let received = rustix::net::recvmsg(fd, &mut pieces, &mut nothing, RecvFlags::DONTWAIT)?;
    let from = received.address.and_then(|from| from.try_into().ok());
    Ok(Received {
        len: received.bytes.min(len),
        from: from.ok_or_else(|| io::Error::other("a datagram from no address"))?,
        is_truncated: received.flags.contains(ReturnFlags::TRUNC),
    })
}

/// How many datagrams one call sends.
#[cfg(target_os = "linux")]
const SENT_PER_CALL: usize = 64;

/// Sends datagrams, without waiting, and says how many went: at least one.
#[cfg(target_os = "linux")]
pub(super) fn send_many(socket: &Socket, datagrams: &[(&[u8], SocketAddr)]) -> io::Result<usize> {
    use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny};

    let datagrams = &datagrams[..datagrams.len().min(SENT_PER_CALL)];
    let names = datagrams.iter().map(|(_, to)| SocketAddrAny::from(*to));
    let names: Vec<_> = names.collect();
    let pieces = datagrams.iter().map(|(bytes, _)| [IoSlice::new(bytes)]);
    let pieces: Vec<_> = pieces.collect();
    let controls = datagrams.iter().map(|_| SendAncillaryBuffer::default());
    let mut controls: Vec<_> = controls.collect();
    let mut messages: Vec<_> = names
        .iter()
        .zip(&pieces)
        .zip(&mut controls)
        .map(|((name, piece), control)| MMsgHdr::new_with_addr(name, piece, control))
        .collect();
    Ok(rustix::net::sendmmsg(
        socket,
        &mut messages,
        SendFlags::DONTWAIT,
    )?)
}

/// Sends datagrams, without waiting, and says how many went: at least one.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_many(socket: &Socket, datagrams: &[(&[u8], SocketAddr)]) -> io::Result<usize> {
    let mut sent = 0;
    for (bytes, to) in datagrams {
        match socket.send_to(bytes, &(*to).into()) {
            Ok(_) => sent += 1,
            Err(error) if sent == 0 => return Err(error),
            // Datagrams that have gone are not sent again; the next call says what is wrong.
            Err(_) => break,
        }
    }
    Ok(sent)
}

impl fmt::Debug for DatagramBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramBatch")
            .field("len", &self.len)
            .field("datagrams_max", &self.heads.len())
            .field("bytes_max", &self.bytes_max)
            .finish()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::random::XorShift;

    #[test]
    fn a_batch_is_what_one_receives_one_by_one() {
        for (address, seed) in [("127.0.0.1:0", 1), ("[::1]:0", 2), ("127.0.0.1:0", 3)] {
            let mut random = XorShift(seed);
            let sockets = || UdpSocket::bind(address).unwrap();
            let (first, second) = (sockets(), sockets());
            let senders: Vec<_> = (0..5).map(|_| sockets()).collect();
            let (datagrams, bytes_max) = (1 + random.below(70), 1 + random.below(200));
            let mut batch = DatagramBatch::new(datagrams, bytes_max);
            let mut twin = DatagramBatch::new(datagrams, bytes_max);
            let of = |socket: &UdpSocket| Socket::from(socket.try_clone().unwrap());
            let (batch_socket, twin_socket) = (of(&first), of(&second));
            batch_socket.set_nonblocking(true).unwrap();
            twin_socket.set_nonblocking(true).unwrap();
            for _ in 0..40 {
                for _ in 0..random.below(100) {
                    let len = random.below(300);
                    let bytes = random.bytes(len);
                    let sender = &senders[random.below(senders.len())];
                    for socket in [&first, &second] {
                        sender
                            .send_to(&bytes, socket.local_addr().unwrap())
                            .unwrap();
                    }
                }
                // All in the end, by whatever calls it takes.
                let (mut batched, mut single) = (Vec::new(), Vec::new());
                let own = |datagram: Datagram<'_>| {
                    let Datagram {
                        bytes,
                        from,
                        is_truncated,
                    } = datagram;
                    (bytes.to_vec(), from, is_truncated)
                };
                while batch.receive(&batch_socket).is_ok() {
                    assert!(!batch.is_empty() && batch.len() <= datagrams);
                    batched.extend(batch.iter().map(own));
                }
                while twin.receive_one_by_one(&twin_socket).is_ok() {
                    single.extend(twin.iter().map(own));
                }
                assert_eq!(batched, single);
            }
        }
    }
}
