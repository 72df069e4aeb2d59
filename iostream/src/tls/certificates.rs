//! A server's certificates, and which one a client gets: by the name that it asks for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

use crate::tls::TlsConfigError;

/// Certificates by the names that stand in them. The first of all is for clients that name nobody,
/// or somebody else.
#[derive(Default)]
pub(super) struct Certificates {
    all: Vec<Arc<CertifiedKey>>,
    exact: HashMap<String, Vec<usize>>,
    /// By what follows the `*.`, which stands for one label (RFC 9525, section 6.3).
    wildcards: HashMap<String, Vec<usize>>,
}

impl Certificates {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// # Errors
    /// When the certificate cannot be read.
    pub(super) fn add(&mut self, key: CertifiedKey) -> Result<(), TlsConfigError> {
        let at = self.all.len();
        let leaf = key.end_entity_cert();
        let names = leaf.map_err(|error| TlsConfigError::Library(error.to_string()))?;
        for name in dns_names(names)? {
            match name.strip_prefix("*.") {
                Some(parent) => self
                    .wildcards
                    .entry(parent.to_owned())
                    .or_default()
                    .push(at),
                None => self.exact.entry(name).or_default().push(at),
            }
        }
        self.all.push(Arc::new(key));
        Ok(())
    }

    /// The certificates for `name`, in the order in which they were given.
    fn of(&self, name: &str) -> Option<&[usize]> {
        let by_wildcard = || self.wildcards.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(by_wildcard).map(Vec::as_slice)
    }

    /// Of several for one name, the first whose kind of key the client can use: a server may have
    /// both ECDSA and RSA.
    fn choose(&self, name: Option<&str>, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fallback = [0];
        let candidates = name.and_then(|name| self.of(name)).unwrap_or(&fallback);
        let candidates = candidates.iter().filter_map(|at| self.all.get(*at));
        let is_usable =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        // If none is, the handshake says so, whichever it has.
        candidates
            .clone()
            .find(is_usable)
            .or_else(|| candidates.clone().next())
            .cloned()
    }
}

fn dns_names(leaf: &CertificateDer<'_>) -> Result<Vec<String>, TlsConfigError> {
    let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|error| {
        TlsConfigError::Library(format!("a certificate cannot be read: {error}"))
    })?;
    Ok(leaf
        .valid_dns_names()
        .map(str::to_ascii_lowercase)
        .collect())
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let chosen = self.choose(name.as_deref(), &hello);
        LAST_SERVER_NAME.set(name);
        chosen
    }
}

thread_local! {
    /// rustls tells a server the name that its client has asked for here and nowhere else (if the
    /// connection is unbuffered), in the middle of a call of ours.
    static LAST_SERVER_NAME: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a step of a handshake; returns the name that a client has asked for meanwhile as well.
pub(super) fn noting_server_name<R>(step: impl FnOnce() -> R) -> (R, Option<String>) {
    LAST_SERVER_NAME.set(None);
    let result = step();
    (result, LAST_SERVER_NAME.take())
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("exact", &self.exact.keys())
            .field("wildcards", &self.wildcards.keys())
            .finish_non_exhaustive()
    }
}
