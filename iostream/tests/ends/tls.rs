//! Certificates that are made in the test, and both ends of a handshake.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use squall_ioloop::{Handle, IoLoop};
use squall_iostream::tls::{
    ClientConfig, Pem, ServerConfig, TlsAcceptor, TlsConnector, TlsError, TlsFault,
};
use squall_iostream::{IoStream, memory};

static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: Vec<u8>,
}

/// A certificate with its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each has a name of its own: by it a certificate says who has signed it.
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("authority {number}"));
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            pem: own.pem(),
            der: own.der().to_vec(),
        }
    }

    pub(crate) fn pem(&self) -> Pem {
        Pem::bytes(self.pem.as_str())
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// For a server of these names.
    pub(crate) fn server(&self, names: &[&str]) -> Identity {
        self.issue(names, |_| {})
    }

    pub(crate) fn client(&self, name: &str) -> Identity {
        self.issue(&[name], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    pub(crate) fn expired(&self, names: &[&str]) -> Identity {
        self.issue(names, |params| {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        })
    }

    pub(crate) fn issue(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }
}

impl Identity {
    pub(crate) fn chain(&self) -> Pem {
        Pem::bytes(self.chain.as_str())
    }

    pub(crate) fn key(&self) -> Pem {
        Pem::bytes(self.key.as_str())
    }
}

/// The authority of all tests that need but one, with a server's certificate for `localhost`.
pub(crate) fn known() -> &'static (Authority, Identity) {
    static KNOWN: OnceLock<(Authority, Identity)> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let authority = Authority::new();
        let server = authority.server(&["localhost"]);
        (authority, server)
    })
}

pub(crate) fn server_config() -> ServerConfig {
    let (_, server) = known();
    ServerConfig::new().certificate(server.chain(), server.key())
}

pub(crate) fn client_config() -> ClientConfig {
    ClientConfig::new().root_certificates(known().0.pem())
}

pub(crate) type Outcome = Result<IoStream, TlsError>;

/// Both ends of a handshake over a pair in memory: the server's, and the client's.
pub(crate) fn shake(
    ioloop: &IoLoop,
    options: memory::Options,
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
    name: &str,
) -> (Outcome, Outcome) {
    let (ours, theirs) = memory::pair(ioloop, options);
    shake_over(ioloop, (ours, theirs), acceptor, connector, name)
}

pub(crate) fn shake_over(
    ioloop: &IoLoop,
    (ours, theirs): (IoStream, IoStream),
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
    name: &str,
) -> (Outcome, Outcome) {
    let acceptor = acceptor.clone();
    let accepting = ioloop.spawn(async move { acceptor.accept(theirs).await });
    let connected = ioloop.run_until(connector.connect(ours, name)).unwrap();
    (ioloop.run_until(accepting).unwrap().unwrap(), connected)
}

/// A pair of streams that speak TLS: the server's, and the client's.
pub(crate) fn tls_pair(ioloop: &IoLoop, options: memory::Options) -> (IoStream, IoStream) {
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    let (accepted, connected) = shake(ioloop, options, &acceptor, &connector, "localhost");
    (accepted.unwrap(), connected.unwrap())
}

/// An end for those that would rather speak plainly.
pub(crate) fn accepting(
    ioloop: &Handle,
    acceptor: &TlsAcceptor,
    stream: IoStream,
) -> squall_ioloop::JoinHandle<Outcome> {
    let acceptor = acceptor.clone();
    ioloop.spawn(async move { acceptor.accept(stream).await })
}

pub(crate) fn fault(outcome: Outcome) -> TlsFault {
    outcome.unwrap_err().fault().clone()
}
