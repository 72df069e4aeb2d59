//! Tickets of TLS 1.3 to resume sessions with: each is used once, and each answer brings new ones.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// Servers send up to two with each handshake, and only one is used for the next.
const KEPT_MAX: usize = 1024;

/// Those not used yet, all of one server. The library's own store keeps eight, too few for
/// handshakes at once.
#[derive(Debug)]
pub(crate) struct Tickets {
    kept: Mutex<VecDeque<Tls13ClientSessionValue>>,
    /// How many are needed before the first is used: one for each connection at a time.
    wanted: usize,
    is_stocked: AtomicBool,
}

impl Tickets {
    pub(crate) fn new(wanted: usize) -> Self {
        Self {
            kept: Mutex::default(),
            wanted: wanted.clamp(1, KEPT_MAX),
            is_stocked: AtomicBool::new(false),
        }
    }

    /// Whether there were enough of them once. Until then handshakes are full ones.
    pub(crate) fn is_stocked(&self) -> bool {
        self.is_stocked.load(Ordering::Relaxed)
    }
}

impl ClientSessionStore for Tickets {
    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push_back(value);
        }
        if kept.len() >= self.wanted {
            self.is_stocked.store(true, Ordering::Relaxed);
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_stocked().then(|| kept.pop_front())?
    }

    // One group is offered, and TLS 1.2 is not.

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
}
