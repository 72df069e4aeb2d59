//! Where certificates and keys come from: PEM, in a file or in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::TlsConfigError;

/// Certificates or a private key as PEM (RFC 7468): a file, which is read anew with each reload, or
/// bytes. Other sections and text between them are skipped.
///
/// ```
/// use squall_iostream::tls::Pem;
/// let chain = Pem::file("/etc/squall/fullchain.pem");
/// let key = Pem::bytes("-----BEGIN PRIVATE KEY-----\n...");
/// ```
#[derive(Clone)]
pub struct Pem(Source);

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// The bundles of authorities that systems ship have a quarter of this; what is larger was named by
/// mistake.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Pem {
    /// What is in a file. It is read, blocking, when a configuration is built or reloaded.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// What is in these bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }

    /// A chain with its key, checked to belong together.
    pub(super) fn certified_key(
        certificates: &Self,
        key: &Self,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, TlsConfigError> {
        let chain = certificates.certificates()?;
        let key_der = key.private_key()?;
        let signer = provider
            .key_provider
            .load_private_key(key_der)
            .map_err(|error| key.malformed(&error.to_string()))?;
        let certified = CertifiedKey::new(chain, signer);
        match certified.keys_match() {
            // A key of another device may not tell its public half.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(certified)
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(TlsConfigError::KeyMismatch {
                certificate: certificates.origin(),
                key: key.origin(),
            }),
            Err(error) => Err(certificates.malformed(&error.to_string())),
        }
    }

    /// Authorities to verify a peer with.
    pub(super) fn add_to(&self, roots: &mut RootCertStore) -> Result<(), TlsConfigError> {
        for certificate in self.certificates()? {
            roots
                .add(certificate)
                .map_err(|error| self.malformed(&error.to_string()))?;
        }
        Ok(())
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        let bytes = self.read()?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.malformed(&error.to_string()))?;
        if certificates.is_empty() {
            let origin = self.origin();
            return Err(TlsConfigError::NoCertificate { origin });
        }
        Ok(certificates)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
        let bytes = self.read()?;
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsConfigError::NoKey {
                origin: self.origin(),
            },
            error => self.malformed(&error.to_string()),
        })
    }

    fn read(&self) -> Result<Vec<u8>, TlsConfigError> {
        match &self.0 {
            Source::Bytes(bytes) => Ok(bytes.clone()),
            Source::File(path) => read_file(path).map_err(|error| TlsConfigError::Unreadable {
                path: path.clone(),
                error,
            }),
        }
    }

    fn origin(&self) -> String {
        match &self.0 {
            Source::File(path) => path.display().to_string(),
            Source::Bytes(_) => "the given bytes".to_owned(),
        }
    }

    fn malformed(&self, reason: &str) -> TlsConfigError {
        TlsConfigError::Malformed {
            origin: self.origin(),
            reason: reason.to_owned(),
        }
    }
}

fn read_file(path: &PathBuf) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than any file of certificates (4 MiB)",
        ));
    }
    Ok(bytes)
}

/// Never what is inside: it may be a key.
impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pem").field(&self.origin()).finish()
    }
}
