//! What the generator offers in a handshake: TLS 1.3, AES-128-GCM with SHA-256, X25519, and nothing
//! else, so that all servers compute the same. Certificates are taken as they come: to check them
//! would cost the generator time and tell nothing about the server.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme};

use crate::tickets::Tickets;
use crate::tls::Tls;

/// Makes sessions.
#[derive(Clone)]
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
    /// Only when sessions are to be resumed.
    tickets: Option<Arc<Tickets>>,
}

impl TlsClient {
    /// With `tickets`, sessions are resumed once there are so many.
    pub(crate) fn new(tickets: Option<usize>) -> io::Result<Self> {
        let provider = CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_no_client_auth();
        let tickets = tickets.map(|wanted| Arc::new(Tickets::new(wanted)));
        config.resumption = match &tickets {
            Some(tickets) => Resumption::store(tickets.clone()),
            None => Resumption::disabled(),
        };
        Ok(Self {
            config: Arc::new(config),
            tickets,
        })
    }

    /// Whether more full handshakes have to bring tickets before sessions are resumed.
    pub(crate) fn wants_tickets(&self) -> bool {
        let tickets = self.tickets.as_ref();
        tickets.is_some_and(|tickets| !tickets.is_stocked())
    }

    /// A session that has yet to shake hands, and fails unless that comes out as it should.
    pub(crate) fn session(&self) -> io::Result<Tls> {
        let kind = match self.tickets.is_some() && !self.wants_tickets() {
            true => HandshakeKind::Resumed,
            false => HandshakeKind::Full,
        };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let session = UnbufferedClientConnection::new(self.config.clone(), name);
        Ok(Tls::new(session.map_err(io::Error::other)?, kind))
    }
}

/// Believes everybody.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 was not offered".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
