//! Limits of admission, and what it counts. Who keeps them is in `admission.rs`.

use std::time::Duration;

use bytes::Bytes;

use crate::TrustedPeers;

/// Limits of what a listener, or a server with several, lets in. The maximum of a whole loop is
/// [`LoopConnections`](crate::LoopConnections)'s.
///
/// ```
/// use squall_iostream::AdmissionLimits;
/// let limits = AdmissionLimits::default()
///     .connections_max(10_000)
///     .connections_per_peer_max(100)
///     .accepts_per_second(500, 1_000)
///     .refusal("421 too many connections from your network\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct AdmissionLimits {
    pub(crate) connections_max: Option<usize>,
    pub(crate) connections_per_peer_max: Option<usize>,
    pub(crate) exempt: TrustedPeers,
    pub(crate) accepts_per_second: Option<(u32, u32)>,
    pub(crate) refusal: Bytes,
    pub(crate) patience: Duration,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            connections_max: None,
            connections_per_peer_max: None,
            exempt: TrustedPeers::default(),
            accepts_per_second: None,
            refusal: Bytes::new(),
            patience: Duration::from_secs(1),
        }
    }
}

impl AdmissionLimits {
    /// How many connections may be open. Beyond it nobody is accepted: connections wait in the
    /// backlog until one closes. Default: no maximum but the descriptors of the process.
    #[must_use]
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = Some(connections);
        self
    }

    /// How many connections of one peer may be open: of an IPv4 address or of an IPv6 network of
    /// 64 bits, which is what one subscriber has. Beyond it the connection is closed at once, for
    /// a peer that waited in the backlog would make all others wait behind it. Default: no
    /// maximum, since many peers may share the address of a proxy or of a carrier. Unix sockets
    /// have no peer to count.
    #[must_use]
    pub fn connections_per_peer_max(mut self, connections: usize) -> Self {
        self.connections_per_peer_max = Some(connections);
        self
    }

    /// Peers that the maximum per peer does not count. Proxies that are trusted with the PROXY
    /// protocol are exempt already: of those it counts the address that they tell. Default: none.
    #[must_use]
    pub fn exempt(mut self, peers: TrustedPeers) -> Self {
        self.exempt = peers;
        self
    }

    /// How many connections are accepted in a second, on average, and how many at once after a
    /// quiet time. Beyond it they wait in the backlog. Default: no bound but that of a turn, 128.
    /// Zero counts as one.
    #[must_use]
    pub fn accepts_per_second(mut self, per_second: u32, burst: u32) -> Self {
        self.accepts_per_second = Some((per_second, burst));
        self
    }

    /// What a peer that has too many connections is told before it is closed, as far as it fits in
    /// the socket's buffer. Default: nothing.
    #[must_use]
    pub fn refusal(mut self, bytes: impl Into<Bytes>) -> Self {
        self.refusal = bytes.into();
        self
    }

    /// Whether a maximum of zero keeps everybody out, which nobody wants.
    pub fn admits_nobody(&self) -> bool {
        self.connections_max == Some(0)
    }

    /// How long connections may wait in the backlog while the process is out of descriptors.
    /// Most shortages are shorter; when this one lasts longer, those who wait are accepted with a
    /// descriptor kept in reserve and closed, so that they see an end instead of silence. Default
    /// 1 second; zero closes them at once.
    #[must_use]
    pub fn patience(mut self, duration: Duration) -> Self {
        self.patience = duration;
        self
    }
}

/// What was let in and what was not. Counts since the listener began, but for `open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdmissionCounters {
    /// Connections that are open.
    pub open: usize,
    /// Connections that were accepted and became streams.
    pub accepted: u64,
    /// Connections that were closed because their peer had its maximum.
    pub refused_per_peer: u64,
    /// Connections that were closed because there was no descriptor for them.
    pub refused_out_of_descriptors: u64,
    /// Connections that failed before they were accepted, mostly because the peer had gone.
    pub failed: u64,
}
