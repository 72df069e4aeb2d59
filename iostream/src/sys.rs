//! The one place for unsafe code of this crate: descriptors that this process was born with, of
//! which it knows nothing but the number, and calls of the system that nobody wraps.

#![allow(unsafe_code, reason = "this is the address")]

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::NotAListener;

#[cfg(target_os = "linux")]
pub(crate) use linux::receive_many;

/// Takes over a descriptor that was inherited. Its number comes from the environment, and may be
/// wrong: so it is asked whether it is open, and whether it has outlived an `exec`, which none has
/// that is closed by it. All that Rust's standard library opens is.
pub(crate) fn inherit(number: RawFd) -> Result<OwnedFd, NotAListener> {
    if number < 0 {
        return Err(NotAListener::NotOpen);
    }
    // SAFETY: an owned descriptor must be open and owned by nobody else. Both are checked below
    // before anything else is done with it, and where they do not hold, the value is given up
    // without a close. The caller takes each number once in the life of the process
    // (`inherited.rs`), and what was inherited had no owner before.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    let problem = match fcntl_getfd(&fd) {
        Err(_) => NotAListener::NotOpen,
        Ok(flags) if flags.contains(FdFlags::CLOEXEC) => NotAListener::NotInherited,
        // From here on children do not inherit it.
        Ok(flags) => match fcntl_setfd(&fd, flags | FdFlags::CLOEXEC) {
            Ok(()) => return Ok(fd),
            Err(error) => NotAListener::System(error.into()),
        },
    };
    let _ = fd.into_raw_fd();
    Err(problem)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::mem;
    use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
    use std::os::fd::{AsRawFd, BorrowedFd};
    use std::ptr;

    use crate::udp::Received;

    /// How many datagrams one call takes. Their heads are on the stack, 6 KiB.
    const DATAGRAMS_MAX: usize = 64;

    /// A sender's address, of either family, as the system writes it.
    #[derive(Clone, Copy)]
    #[repr(C)]
    union Name {
        family: libc::sa_family_t,
        v4: libc::sockaddr_in,
        v6: libc::sockaddr_in6,
    }

    /// Receives up to one datagram for each of `heads`, without waiting, with one call
    /// (`recvmmsg`). Each has its place in `storage`, `bytes_max` apart. Returns how many came.
    pub(crate) fn receive_many(
        fd: BorrowedFd<'_>,
        storage: &mut [u8],
        bytes_max: usize,
        heads: &mut [Option<Received>],
    ) -> io::Result<usize> {
        let count = heads.len().min(DATAGRAMS_MAX);
        assert!(bytes_max > 0 && storage.len() / bytes_max >= count);
        // SAFETY: these are plain integers and pointers of C, for which all zeros is a value: no
        // name, no buffer, no control data.
        let (mut names, mut pieces, mut messages) = unsafe {
            (
                mem::zeroed::<[Name; DATAGRAMS_MAX]>(),
                mem::zeroed::<[libc::iovec; DATAGRAMS_MAX]>(),
                mem::zeroed::<[libc::mmsghdr; DATAGRAMS_MAX]>(),
            )
        };
        let places = storage.chunks_exact_mut(bytes_max);
        for (((place, name), piece), message) in places
            .zip(&mut names)
            .zip(&mut pieces)
            .zip(&mut messages)
            .take(count)
        {
            piece.iov_base = place.as_mut_ptr().cast();
            piece.iov_len = bytes_max;
            message.msg_hdr.msg_iov = piece;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_name = ptr::from_mut(name).cast();
            message.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
        }
        // SAFETY: `fd` is borrowed, so open. The first `count` messages are what is passed; each
        // points to one piece and one name, which live in this frame, and each piece to a place of
        // `storage` of its own, `bytes_max` long, which is borrowed mutably for the whole call.
        // There is no timeout to point to.
        let received = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                messages.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        if received < 0 {
            return Err(io::Error::last_os_error());
        }
        let received = received as usize;
        for ((head, name), message) in heads.iter_mut().zip(&names).zip(&messages).take(received) {
            *head = Some(Received {
                len: (message.msg_len as usize).min(bytes_max),
                from: address(name)?,
                is_truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            });
        }
        Ok(received)
    }

    fn address(name: &Name) -> io::Result<SocketAddr> {
        // SAFETY: every family's form begins with the family, and the union was all zeros before
        // the system wrote to it, so each of its fields has a value whatever was written.
        let (family, v4, v6) = unsafe { (name.family, name.v4, name.v6) };
        match i32::from(family) {
            libc::AF_INET => {
                let ip = v4.sin_addr.s_addr.to_ne_bytes();
                Ok((ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => Ok(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(v6.sin6_addr.s6_addr),
                u16::from_be(v6.sin6_port),
                v6.sin6_flowinfo,
                v6.sin6_scope_id,
            ))),
            _ => Err(io::Error::other(
                "a datagram from no address of the Internet",
            )),
        }
    }
}
