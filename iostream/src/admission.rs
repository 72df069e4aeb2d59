//! Who is let in: maxima of open connections, in all and for each peer, and the pace of accepting.
//!
//! ```text
//!    backlog --> gates: the loop's and the listener's --> accept --> the peer's row --> stream
//!                full: the listener waits,                           full: closed      with its
//!                connections stay in the backlog                     at once            seat
//! ```
//!
//! The acceptor asks; what it is given is a [`Seat`], which lives in the socket's transport and is
//! given back when the socket is closed, wherever the transport has been moved to meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use squall_ioloop::{Handle, Token};

use crate::gate::Gate;
use crate::pacing::Pacing;
use crate::waiter::Waiters;
use crate::{Address, AdmissionCounters, AdmissionLimits, TrustedPeers};

/// The state of [`AdmissionLimits`]: share one among listeners of a loop, and they are counted
/// together.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{Admission, AdmissionLimits, ListenerOptions, bind_sockets};
///
/// let ioloop = IoLoop::new()?;
/// let admission = Admission::new(&ioloop, AdmissionLimits::default().connections_max(1000));
/// let mut listening = Vec::new();
/// for listener in bind_sockets(0, Some("localhost"), &ListenerOptions::default())? {
///     listening.push(listener.accept_admitted(&ioloop, &admission, |_stream, _peer| ())?);
/// }
/// assert_eq!(admission.counters().open, 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Admission {
    inner: Rc<Inner>,
}

struct Inner {
    ioloop: Handle,
    limits: AdmissionLimits,
    /// Whose own connections are not counted per peer, since they tell whom they speak for.
    proxies: TrustedPeers,
    own: Rc<Gate>,
    of_loop: Rc<Gate>,
    pacing: RefCell<Option<Pacing>>,
    rows: RefCell<HashMap<PeerKey, Weak<Row>>>,
    accepted: Cell<u64>,
    refused_per_peer: Cell<u64>,
    refused_out_of_descriptors: Cell<u64>,
    failed: Cell<u64>,
    /// Told when the last connection has closed.
    empty: Waiters,
}

impl Admission {
    /// Nobody let in yet.
    pub fn new(ioloop: &Handle, limits: AdmissionLimits) -> Self {
        Self::behind(ioloop, limits, TrustedPeers::default())
    }

    /// As [`Self::new`], with proxies in front: their own connections are not counted per peer,
    /// but the peers that they tell, see [`ProxyProtocol::accept_admitted`].
    ///
    /// [`ProxyProtocol::accept_admitted`]: crate::ProxyProtocol::accept_admitted
    pub fn behind(ioloop: &Handle, limits: AdmissionLimits, proxies: TrustedPeers) -> Self {
        let pacing = limits
            .accepts_per_second
            .map(|(per_second, burst)| Pacing::new(per_second, burst));
        let inner = Inner {
            ioloop: ioloop.clone(),
            own: Gate::new(limits.connections_max),
            of_loop: Gate::of_loop(ioloop),
            pacing: RefCell::new(pacing),
            rows: RefCell::default(),
            accepted: Cell::new(0),
            refused_per_peer: Cell::new(0),
            refused_out_of_descriptors: Cell::new(0),
            failed: Cell::new(0),
            empty: Waiters::default(),
            limits,
            proxies,
        };
        Self {
            inner: Rc::new(inner),
        }
    }

    /// What was let in and what was not.
    pub fn counters(&self) -> AdmissionCounters {
        AdmissionCounters {
            open: self.inner.own.open(),
            accepted: self.inner.accepted.get(),
            refused_per_peer: self.inner.refused_per_peer.get(),
            refused_out_of_descriptors: self.inner.refused_out_of_descriptors.get(),
            failed: self.inner.failed.get(),
        }
    }

    pub(crate) fn is_of(&self, ioloop: &Handle) -> bool {
        self.inner.ioloop.is_same_loop(ioloop)
    }

    pub(crate) fn limits(&self) -> &AdmissionLimits {
        &self.inner.limits
    }

    pub(crate) fn refusal(&self) -> &Bytes {
        &self.inner.limits.refusal
    }

    // ---- before a connection is accepted

    /// Whether there is room for one more. If not, `token` is told when there is.
    pub(crate) fn has_room_or_queue(&self, token: Token) -> bool {
        for gate in self.gates() {
            gate.answer(token);
        }
        let full = self.gates().into_iter().find(|gate| !gate.has_room());
        if let Some(gate) = full {
            gate.queue(token);
        }
        full.is_none()
    }

    /// Lets the next listener try, in case this one has left room.
    pub(crate) fn call_next(&self) {
        for gate in self.gates() {
            gate.call_next(&self.inner.ioloop);
        }
    }

    pub(crate) fn leave_queue(&self, token: Token) {
        for gate in self.gates() {
            gate.leave_queue(token);
        }
        self.call_next();
    }

    /// How long the pace asks to wait before the next is accepted.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let pacing = self.inner.pacing.borrow();
        let wait = pacing.as_ref()?.wait(self.inner.ioloop.now());
        (!wait.is_zero()).then_some(wait)
    }

    // ---- when it is

    /// A seat for a connection that was accepted; `None` if its peer has its maximum.
    pub(crate) fn seat(&self, peer: &Address) -> Option<Seat> {
        if let Some(pacing) = &mut *self.inner.pacing.borrow_mut() {
            pacing.take(self.inner.ioloop.now());
        }
        let is_proxy = self.inner.proxies.contains(Some(peer));
        let key = if is_proxy {
            PeerKey::ANYONE
        } else {
            self.key_of(peer)
        };
        let row = self.row(key)?;
        self.inner.accepted.set(self.inner.accepted.get() + 1);
        for gate in self.gates() {
            gate.enter();
        }
        Some(Seat { row })
    }

    /// A place in the row of a peer that a trusted proxy has told, beside the seat of the proxy's
    /// connection.
    pub(crate) fn proxied_row(&self, peer: &Address) -> Option<Rc<Row>> {
        self.row(self.key_of(peer))
    }

    fn row(&self, key: PeerKey) -> Option<Rc<Row>> {
        let known = self.inner.rows.borrow().get(&key).and_then(Weak::upgrade);
        let taken = known.as_ref().map_or(0, |row| Rc::strong_count(row) - 1);
        let limit = self.inner.limits.connections_per_peer_max;
        let is_full = key != PeerKey::ANYONE && limit.is_some_and(|max| taken >= max);
        if is_full {
            let refused = &self.inner.refused_per_peer;
            refused.set(refused.get() + 1);
            return None;
        }
        Some(known.unwrap_or_else(|| {
            let admission = self.clone();
            let row = Rc::new(Row { admission, key });
            let weak = Rc::downgrade(&row);
            self.inner.rows.borrow_mut().insert(key, weak);
            row
        }))
    }

    /// Peers that are not counted share a row without an end, and a map of peers that nobody needs
    /// is not built.
    fn key_of(&self, peer: &Address) -> PeerKey {
        let limits = &self.inner.limits;
        if limits.connections_per_peer_max.is_none() || limits.exempt.contains(Some(peer)) {
            return PeerKey::ANYONE;
        }
        peer.ip().map_or(PeerKey::ANYONE, PeerKey::of)
    }

    pub(crate) fn count_failed(&self) {
        self.inner.failed.set(self.inner.failed.get() + 1);
    }

    pub(crate) fn count_out_of_descriptors(&self) {
        let refused = &self.inner.refused_out_of_descriptors;
        refused.set(refused.get() + 1);
    }

    // ---- the end

    /// Whether nothing is open; if something is, the task is woken when the last has closed.
    pub(crate) fn is_empty_or_wait(&self, cx: &Context<'_>) -> bool {
        let is_empty = self.inner.own.open() == 0;
        if !is_empty {
            self.inner.empty.wait(cx.waker());
        }
        is_empty
    }

    fn gates(&self) -> [&Gate; 2] {
        [&self.inner.own, &self.inner.of_loop]
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Admission").field(&self.counters()).finish()
    }
}

/// An open connection's place in the counts, given back when dropped. One pointer, for every
/// accepted stream has one.
pub(crate) struct Seat {
    row: Rc<Row>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let admission = &self.row.admission;
        for gate in admission.gates() {
            gate.leave(&admission.inner.ioloop);
        }
        if admission.inner.own.open() == 0 {
            admission.inner.empty.wake();
        }
    }
}

/// The connections of one peer: there are as many as references to it. It lives in the map of its
/// admission for as long as there is one.
pub(crate) struct Row {
    admission: Admission,
    key: PeerKey,
}

impl Drop for Row {
    fn drop(&mut self) {
        self.admission.inner.rows.borrow_mut().remove(&self.key);
    }
}

/// An IPv4 address or the first 64 bits of an IPv6 one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct PeerKey(u64);

impl PeerKey {
    /// Those who are not counted. No peer has it: `ff00::/8` is multicast, no source (RFC 4291,
    /// section 2.7).
    const ANYONE: Self = Self(u64::MAX);

    /// IPv4 addresses are put below `ffff::/32`, which is multicast as well.
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(0xffff_0000_0000_0000 | u64::from(u32::from(ip))),
            IpAddr::V6(ip) => Self((u128::from(ip) >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_ioloop::IoLoop;

    fn peer(text: &str) -> Address {
        Address::Inet(text.parse().unwrap())
    }

    fn admission(ioloop: &IoLoop, limits: AdmissionLimits) -> Admission {
        Admission::new(ioloop, limits)
    }

    #[test]
    fn a_peer_is_an_ipv4_address_or_an_ipv6_network() {
        let check = |one: &str, other: &str, is_same: bool| {
            let key = |text: &str| PeerKey::of(peer(text).ip().unwrap());
            assert_eq!(key(one) == key(other), is_same, "{one} {other}");
        };
        check("192.0.2.1:1", "192.0.2.1:2", true);
        check("192.0.2.1:1", "[::ffff:192.0.2.1]:1", true);
        check("192.0.2.1:1", "192.0.2.2:1", false);
        check("[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::]:1", true);
        check("[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false);
        check("0.0.0.1:1", "[::1]:1", false);
        check("255.255.255.255:1", "[::1]:1", false);
    }

    #[test]
    fn a_peer_has_its_maximum_and_gets_room_when_one_of_its_seats_is_free() {
        let ioloop = IoLoop::new().unwrap();
        let limits = AdmissionLimits::default().connections_per_peer_max(2);
        let admission = admission(&ioloop, limits);
        let first = admission.seat(&peer("192.0.2.1:1"));
        let second = admission.seat(&peer("192.0.2.1:2"));
        assert!(first.is_some() && second.is_some());
        assert!(admission.seat(&peer("192.0.2.1:3")).is_none());
        let other = admission.seat(&peer("192.0.2.2:1"));
        assert!(other.is_some());
        drop(first);
        let third = admission.seat(&peer("192.0.2.1:4"));
        assert!(third.is_some());
        let counters = admission.counters();
        assert_eq!((counters.open, counters.accepted), (3, 4));
        assert_eq!(counters.refused_per_peer, 1);
        drop((second, other, third));
        assert_eq!(admission.counters().open, 0);
        assert!(admission.inner.rows.borrow().is_empty(), "no row is left");
    }

    #[test]
    fn a_proxy_is_not_counted_and_whom_it_tells_is() {
        let ioloop = IoLoop::new().unwrap();
        let limits = AdmissionLimits::default().connections_per_peer_max(1);
        let proxies = TrustedPeers::from_networks(["10.0.0.1"]).unwrap();
        let admission = Admission::behind(&ioloop, limits, proxies);
        let proxy = peer("10.0.0.1:1");
        let seats: Vec<_> = (0..3).map(|_| admission.seat(&proxy)).collect();
        assert!(seats.iter().all(Option::is_some));
        let told = admission.proxied_row(&peer("192.0.2.1:1"));
        assert!(told.is_some());
        assert!(admission.proxied_row(&peer("192.0.2.1:2")).is_none());
        drop(told);
        assert!(admission.proxied_row(&peer("192.0.2.1:3")).is_some());
        assert_eq!(admission.counters().open, 3);
    }

    #[test]
    fn those_who_are_exempt_have_no_maximum() {
        let ioloop = IoLoop::new().unwrap();
        let exempt = TrustedPeers::from_networks(["10.0.0.0/8"]).unwrap();
        let limits = AdmissionLimits::default()
            .connections_per_peer_max(0)
            .exempt(exempt);
        let admission = admission(&ioloop, limits);
        assert!(admission.seat(&peer("10.0.0.1:1")).is_some());
        assert!(admission.seat(&peer("192.0.2.1:1")).is_none());
        let unnamed = Address::Unix(crate::UnixAddress::Unnamed);
        assert!(admission.seat(&unnamed).is_some());
    }

    #[test]
    fn the_loop_s_maximum_is_over_all_its_listeners() {
        let ioloop = IoLoop::new().unwrap();
        let (one, other) = (
            admission(&ioloop, AdmissionLimits::default()),
            admission(&ioloop, AdmissionLimits::default()),
        );
        let everybody = crate::LoopConnections::of(&ioloop);
        let seats = [&one, &other].map(|admission| admission.seat(&peer("[::1]:1")));
        assert_eq!(everybody.open(), 2);
        everybody.set_max(Some(2));
        assert!(!one.inner.of_loop.has_room());
        drop(seats);
        assert_eq!(everybody.open(), 0);
        assert!(other.inner.of_loop.has_room());
    }
}
