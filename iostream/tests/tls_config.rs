//! Certificates and keys from files and bytes: what is wrong with them is said before any peer
//! comes, with the path; and new ones replace old ones without a restart.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use ends::tls::{Identity, client_config, known, server_config, shake};
use ends::virtual_loop;
use squall_iostream::memory::Options;
use squall_iostream::tls::{
    ClientConfig, Pem, ServerConfig, TlsAcceptor, TlsConfigError, TlsConnector, TlsVersion,
};

/// A folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("squall-tls-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> Pem {
        fs::write(self.0.join(name), text).unwrap();
        Pem::file(self.0.join(name))
    }

    fn write_identity(&self, own: &Identity) -> ServerConfig {
        let chain = self.write("chain.pem", &own.chain);
        ServerConfig::new().certificate(chain, self.write("key.pem", &own.key))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check(config: ServerConfig, says: &[&str]) -> TlsConfigError {
    let error = config.build().unwrap_err();
    let text = error.to_string();
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    error
}

/// The certificate that a client is shown.
fn shown(acceptor: &TlsAcceptor, connector: &TlsConnector) -> Vec<u8> {
    let ioloop = virtual_loop();
    let ends = shake(
        &ioloop,
        Options::default(),
        acceptor,
        connector,
        "localhost",
    );
    let info = ends.1.unwrap().tls().unwrap();
    assert!(!info.is_resumed);
    info.peer_certificates[0].clone()
}

#[test]
fn a_file_that_is_missing_or_no_file_is_named() {
    let folder = Folder::new();
    let own = &known().1;
    let missing = Pem::file(folder.0.join("missing.pem"));
    let config = ServerConfig::new().certificate(missing.clone(), own.key());
    match check(config, &["missing.pem", "No such file"]) {
        TlsConfigError::Unreadable { path, error } => {
            assert_eq!(path, folder.0.join("missing.pem"));
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        error => panic!("{error}"),
    }
    let config = ServerConfig::new().certificate(own.chain(), missing.clone());
    check(config, &["missing.pem"]);
    let config = server_config().require_client_certificate(missing.clone());
    check(config, &["missing.pem"]);
    check(
        ServerConfig::new().certificate(Pem::file(&folder.0), own.key()),
        &[&folder.0.display().to_string()],
    );
    let error = ClientConfig::new()
        .root_certificates(missing.clone())
        .build();
    assert!(matches!(error, Err(TlsConfigError::Unreadable { .. })));
    let client = client_config().certificate(missing, own.key());
    assert!(matches!(
        client.build(),
        Err(TlsConfigError::Unreadable { .. })
    ));
}

#[test]
fn a_file_as_long_as_a_disk_is_not_read_to_its_end() {
    let folder = Folder::new();
    let path = folder.0.join("long.pem");
    // A hole, which takes no space.
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let config = ServerConfig::new().certificate(Pem::file(path), known().1.key());
    check(config, &["long.pem", "4 MiB"]);
}

#[test]
fn a_file_with_something_else_in_it_is_named_with_what_is_wrong() {
    let folder = Folder::new();
    let own = &known().1;
    let empty = folder.write("empty.pem", "");
    let text = folder.write("notes.txt", "remember the milk\n");
    let chain = folder.write("chain.pem", &own.chain);
    let key = folder.write("key.pem", &own.key);
    for nothing in [&empty, &text, &key] {
        let config = ServerConfig::new().certificate(nothing.clone(), own.key());
        let error = check(config, &["no certificate"]);
        assert!(matches!(error, TlsConfigError::NoCertificate { .. }));
    }
    for nothing in [&empty, &text, &chain] {
        let config = ServerConfig::new().certificate(own.chain(), nothing.clone());
        let error = check(config, &["no private key"]);
        assert!(matches!(error, TlsConfigError::NoKey { .. }));
    }
    let half = &own.chain[..own.chain.len() / 2];
    let config = ServerConfig::new().certificate(folder.write("half.pem", half), own.key());
    let error = check(config, &["half.pem"]);
    assert!(matches!(error, TlsConfigError::Malformed { .. }));
    let lie = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(
        ServerConfig::new().certificate(folder.write("lie.pem", lie), own.key()),
        &["lie.pem"],
    );
    let lie = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check(
        ServerConfig::new().certificate(own.chain(), folder.write("lie.key", lie)),
        &["lie.key"],
    );
    let bytes = ServerConfig::new().certificate(Pem::bytes("milk"), own.key());
    check(bytes, &["the given bytes"]);
}

#[test]
fn a_key_of_another_certificate_is_found_out() {
    let folder = Folder::new();
    let (authority, own) = known();
    let other = authority.server(&["localhost"]);
    let chain = folder.write("chain.pem", &own.chain);
    let key = folder.write("other.pem", &other.key);
    let config = ServerConfig::new().certificate(chain, key);
    let error = check(config, &["chain.pem", "other.pem", "does not belong"]);
    assert!(matches!(error, TlsConfigError::KeyMismatch { .. }));
}

#[test]
fn settings_that_leave_nothing_are_refused() {
    check(ServerConfig::new(), &["needs a certificate"]);
    let config = server_config().min_version(TlsVersion::V1_3);
    check(
        config.max_version(TlsVersion::V1_2),
        &["TLS 1.3", "TLS 1.2"],
    );
    let client = client_config().min_version(TlsVersion::V1_3);
    let client = client.max_version(TlsVersion::V1_2).build();
    assert!(matches!(client, Err(TlsConfigError::NoVersion { .. })));
}

#[test]
fn an_error_is_one_of_the_systems_kind() {
    let missing = Pem::file("/nowhere/chain.pem");
    let config = ServerConfig::new().certificate(missing, known().1.key());
    let error = io::Error::from(config.build().unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let error = io::Error::from(ServerConfig::new().build().unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn no_key_is_ever_printed() {
    let (_, own) = known();
    let printed = format!("{:?}", server_config());
    let secret = own.key.lines().nth(1).unwrap();
    assert!(printed.contains("the given bytes") && !printed.contains(secret));
}

// ---- reload

#[test]
fn a_reload_reads_the_files_again_on_every_thread() {
    let folder = Folder::new();
    let (authority, first) = known();
    let second = authority.server(&["localhost"]);
    let acceptor = folder.write_identity(first).build().unwrap();
    let connector = client_config().build().unwrap();
    assert_eq!(shown(&acceptor, &connector), first.der);

    let _ = folder.write_identity(&second);
    let clone = acceptor.clone();
    std::thread::spawn(move || clone.reload().unwrap())
        .join()
        .unwrap();
    // Not resumed either: the session was another certificate's.
    assert_eq!(shown(&acceptor, &connector), second.der);
}

#[test]
fn a_reload_that_fails_leaves_all_as_it_was() {
    let folder = Folder::new();
    let (authority, own) = known();
    let connector = client_config().session_cache(0).build().unwrap();
    let acceptor = folder.write_identity(own).build().unwrap();
    folder.write("key.pem", &authority.server(&["localhost"]).key);
    assert!(matches!(
        acceptor.reload(),
        Err(TlsConfigError::KeyMismatch { .. })
    ));
    assert_eq!(shown(&acceptor, &connector), own.der);
    fs::remove_file(folder.0.join("chain.pem")).unwrap();
    assert!(matches!(
        acceptor.reload(),
        Err(TlsConfigError::Unreadable { .. })
    ));
    assert_eq!(shown(&acceptor, &connector), own.der);
    assert!(acceptor.replace(ServerConfig::new()).is_err());
    assert_eq!(shown(&acceptor, &connector), own.der);
}
