//! What rustls calls a failure, in our words: the only place that knows its errors.

use rustls::CertificateError;
use rustls::Error;

use crate::tls::alert::TlsAlert;
use crate::tls::error::{CertificateFault, LocalFault, PeerFault, TlsFault};

pub(super) fn fault_of(error: Error) -> TlsFault {
    match error {
        Error::AlertReceived(alert) => PeerFault::Alert(TlsAlert::new(alert.into())).into(),
        Error::NoCertificatesPresented => CertificateFault::Missing.into(),
        Error::InvalidCertificate(error) => certificate_fault_of(error).into(),
        Error::PeerIncompatible(what) => PeerFault::Incompatible(format!("{what:?}")).into(),
        Error::NoApplicationProtocol => PeerFault::NoCommonProtocol.into(),
        Error::DecryptError => PeerFault::Undecryptable.into(),
        error @ (Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::InvalidEncryptedClientHello(_)) => PeerFault::Malformed(error.to_string()).into(),
        error => LocalFault::Library(error.to_string()).into(),
    }
}

fn certificate_fault_of(error: CertificateError) -> CertificateFault {
    use CertificateError as Theirs;
    match error {
        Theirs::UnknownIssuer => CertificateFault::UnknownAuthority,
        Theirs::Expired | Theirs::ExpiredContext { .. } => CertificateFault::Expired,
        Theirs::NotValidYet | Theirs::NotValidYetContext { .. } => CertificateFault::NotYetValid,
        Theirs::NotValidForName | Theirs::NotValidForNameContext { .. } => {
            CertificateFault::WrongName
        }
        Theirs::Revoked => CertificateFault::Revoked,
        Theirs::InvalidPurpose | Theirs::InvalidPurposeContext { .. } => {
            CertificateFault::WrongPurpose
        }
        error => CertificateFault::Bad(error.to_string()),
    }
}

/// Whether it says that the bytes are no record of TLS.
pub(super) fn is_of_framing(error: &Error) -> bool {
    use rustls::InvalidMessage as Theirs;
    matches!(
        error,
        Error::InvalidMessage(
            Theirs::InvalidContentType
                | Theirs::UnknownProtocolVersion
                | Theirs::MessageTooLarge
                | Theirs::InvalidEmptyPayload
        )
    )
}
