//! The addresses of peers as text. Asking the system for one is a call, and a connection that
//! waits must not grow by it, so they are kept in a table of fixed size: those of connections that
//! ask much are in it, and others ask again.

use std::cell::RefCell;
use std::io::Write;
use std::net::IpAddr;

use squall_iostream::StreamHandle;

/// Entries of the table: 27 KiB. The numbers of connections are dense, so that fewer connections
/// than this have an entry each.
const ENTRIES: usize = 512;
/// `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`
const TEXT_MAX: usize = 45;
const NOBODY: u32 = u32::MAX;

/// An address without its port; `-` for a peer that has none of the Internet.
#[derive(Clone, Copy)]
pub(super) struct PeerText {
    len: u8,
    bytes: [u8; TEXT_MAX],
}

impl PeerText {
    pub(super) fn new(ip: Option<IpAddr>) -> Self {
        let mut bytes = [b'-'; TEXT_MAX];
        let mut len = 1;
        if let Some(ip) = ip {
            let mut rest = &mut bytes[..];
            // It is as long as the longest address.
            let _ = write!(rest, "{ip}");
            len = TEXT_MAX - rest.len();
        }
        Self {
            len: len as u8,
            bytes,
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Appends the text. Most are short, and then nothing has to be called for it.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        const SHORT: usize = 16;
        let len = usize::from(self.len);
        if len <= SHORT {
            let start = out.len();
            out.extend_from_slice(&self.bytes[..SHORT]);
            out.truncate(start + len);
        } else {
            out.extend_from_slice(&self.bytes[..len]);
        }
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("-")
    }
}

/// The texts of this server's connections, by their numbers.
#[derive(Default)]
pub(super) struct Peers {
    entries: RefCell<Vec<(u32, PeerText)>>,
}

impl Peers {
    /// A connection begins, and may have the number of one that is gone.
    pub(super) fn forget(&self, connection: u32) {
        let mut entries = self.entries.borrow_mut();
        if let Some(entry) = entries.get_mut(place_of(connection)) {
            if entry.0 == connection {
                entry.0 = NOBODY;
            }
        }
    }

    #[inline]
    pub(super) fn text(&self, connection: u32, stream: &StreamHandle) -> PeerText {
        match self.entries.borrow().get(place_of(connection)) {
            Some((known, text)) if *known == connection => return *text,
            _ => {}
        }
        self.look_up(connection, stream)
    }

    #[cold]
    fn look_up(&self, connection: u32, stream: &StreamHandle) -> PeerText {
        // Before anything is borrowed: a transport may be the user's.
        let text = PeerText::new(stream.peer_addr().and_then(|address| address.ip()));
        let mut entries = self.entries.borrow_mut();
        if entries.is_empty() {
            entries.resize(ENTRIES, (NOBODY, PeerText::new(None)));
        }
        entries[place_of(connection)] = (connection, text);
        text
    }
}

fn place_of(connection: u32) -> usize {
    connection as usize % ENTRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_room() {
        let check = |ip: &str| {
            let text = PeerText::new(Some(ip.parse().expect("an address")));
            assert_eq!(text.as_str(), ip);
        };
        check("127.0.0.1");
        check("255.255.255.255");
        check("::1");
        check("2001:db8:1111:2222:3333:4444:5555:6666");
        check("::ffff:255.255.255.255");
        assert_eq!(PeerText::new(None).as_str(), "-");
    }
}
