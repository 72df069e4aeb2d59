//! What two ends of TLS agree upon: versions, names, protocols, certificates, sessions.

#![cfg(any(feature = "tls", feature = "tls-ring"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;

use ends::tls::{Authority, Outcome, client_config, fault, known, server_config, shake};
use ends::virtual_loop;
use squall_ioloop::IoLoop;
use squall_iostream::memory::Options;
use squall_iostream::tls::{
    CertificateFault, ClientConfig, PeerFault, ServerConfig, TlsAcceptor, TlsAlert, TlsConnector,
    TlsError, TlsFault, TlsInfo, TlsVersion,
};
use squall_iostream::{IoStream, StreamError};

/// Both outcomes of a handshake on a fresh loop.
fn check(server: ServerConfig, client: ClientConfig, name: &str) -> (Outcome, Outcome) {
    let ioloop = virtual_loop();
    let (acceptor, connector) = (server.build().unwrap(), client.build().unwrap());
    shake(&ioloop, Options::default(), &acceptor, &connector, name)
}

/// What both ends say of a handshake that is well.
fn agreed(server: ServerConfig, client: ClientConfig, name: &str) -> (TlsInfo, TlsInfo) {
    let (server, client) = check(server, client, name);
    (
        server.unwrap().tls().unwrap(),
        client.unwrap().tls().unwrap(),
    )
}

fn alert(code: u8) -> PeerFault {
    PeerFault::Alert(TlsAlert::new(code))
}

#[track_caller]
fn assert_peer_fault(outcome: Outcome, expected: PeerFault) {
    match fault(outcome) {
        TlsFault::Peer(fault) => assert_eq!(fault, expected),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn assert_certificate_fault(outcome: Outcome, expected: CertificateFault) {
    match fault(outcome) {
        TlsFault::Certificate(fault) => assert_eq!(fault, expected),
        other => panic!("{other}"),
    }
}

// ---- versions and suites

#[test]
fn the_greatest_common_version_is_spoken() {
    for (server_max, client_max) in [
        (TlsVersion::V1_3, TlsVersion::V1_3),
        (TlsVersion::V1_3, TlsVersion::V1_2),
        (TlsVersion::V1_2, TlsVersion::V1_3),
    ] {
        let server = server_config().max_version(server_max);
        let client = client_config().max_version(client_max);
        let (server, client) = agreed(server, client, "localhost");
        let expected = server_max.min(client_max);
        assert_eq!((server.version, client.version), (expected, expected));
        assert_eq!(server.cipher_suite, client.cipher_suite);
        assert!(
            server.cipher_suite.starts_with("TLS_"),
            "{}",
            server.cipher_suite
        );
        assert!(!server.cipher_suite.contains("TLS13"));
    }
}

#[test]
fn ends_without_a_common_version_say_so() {
    let server = server_config().min_version(TlsVersion::V1_3);
    let client = client_config().max_version(TlsVersion::V1_2);
    let (server, client) = check(server, client, "localhost");
    assert!(matches!(
        fault(server),
        TlsFault::Peer(PeerFault::Incompatible(_))
    ));
    assert_peer_fault(client, alert(70));
}

// ---- application protocols

#[test]
fn rfc7301_the_servers_preference_decides_among_common_protocols() {
    let server = server_config().alpn(["echo", "http/1.1"]);
    let client = client_config().alpn(["http/1.1", "echo"]);
    let (server, client) = agreed(server, client, "localhost");
    assert_eq!(server.alpn.as_deref(), Some(&b"echo"[..]));
    assert_eq!(client.alpn, server.alpn);
}

#[test]
fn rfc7301_3_2_a_client_that_offers_only_others_is_refused() {
    let server = server_config().alpn(["echo"]);
    let (server, client) = check(server, client_config().alpn(["h2"]), "localhost");
    assert_peer_fault(server, PeerFault::NoCommonProtocol);
    assert_peer_fault(client, alert(120));
}

#[test]
fn one_end_without_protocols_agrees_upon_none() {
    let with = || ["echo"];
    let (server, client) = agreed(server_config().alpn(with()), client_config(), "localhost");
    assert_eq!((server.alpn, client.alpn), (None, None));
    let (server, client) = agreed(server_config(), client_config().alpn(with()), "localhost");
    assert_eq!((server.alpn, client.alpn), (None, None));
}

// ---- the server's certificate

#[test]
fn the_certificate_is_chosen_by_the_name_that_stands_in_it() {
    let (authority, _) = known();
    let default = authority.server(&["default.example"]);
    let exact = authority.server(&["a.example.org", "other.example"]);
    let wild = authority.server(&["*.example.org"]);
    let check = |name: &str, expected: &[u8], is_right: bool| {
        let server = ServerConfig::new()
            .certificate(default.chain(), default.key())
            .certificate(wild.chain(), wild.key())
            .certificate(exact.chain(), exact.key());
        let client = if is_right {
            client_config()
        } else {
            ClientConfig::new().danger_accept_any_certificate()
        };
        let (server, client) = agreed(server, client, name);
        assert_eq!(client.peer_certificates, [expected], "{name}");
        let is_name = !name.starts_with(|first: char| first.is_ascii_digit());
        let expected = is_name.then(|| name.to_ascii_lowercase());
        assert_eq!(server.server_name, expected);
    };
    check("a.example.org", &exact.der, true);
    check("A.Example.ORG", &exact.der, true);
    check("other.example", &exact.der, true);
    check("b.example.org", &wild.der, true);
    check("default.example", &default.der, true);
    // RFC 9525, section 6.3: a wildcard is one label.
    check("c.b.example.org", &default.der, false);
    check("example.org", &default.der, false);
    check("unknown.example", &default.der, false);
    // An address is no name, so nothing is asked for.
    check("127.0.0.1", &default.der, false);
}

#[test]
fn a_client_may_keep_the_name_to_itself() {
    let (server, client) = agreed(server_config(), client_config().sni(false), "localhost");
    assert_eq!(server.server_name, None);
    assert_eq!(client.server_name.as_deref(), Some("localhost"));
}

#[test]
fn an_address_is_verified_as_one() {
    let (authority, _) = known();
    let own = authority.server(&["127.0.0.1", "::1"]);
    let server = || ServerConfig::new().certificate(own.chain(), own.key());
    agreed(server(), client_config(), "127.0.0.1");
    agreed(server(), client_config(), "::1");
    let (_, client) = check(server(), client_config(), "127.0.0.2");
    assert_certificate_fault(client, CertificateFault::WrongName);
}

#[test]
fn a_certificate_that_is_not_right_is_refused_with_the_reason_and_the_server_hears_it() {
    let (authority, _) = known();
    let stranger = Authority::new().server(&["localhost"]);
    let expired = authority.expired(&["localhost"]);
    let early = authority.issue(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(3000, 1, 1);
        params.not_after = rcgen::date_time_ymd(3001, 1, 1);
    });
    let other = authority.server(&["elsewhere.example"]);
    let client_s = authority.client("localhost");
    for (own, expected, alerts) in [
        (stranger, CertificateFault::UnknownAuthority, &[48][..]),
        (expired, CertificateFault::Expired, &[45]),
        (early, CertificateFault::NotYetValid, &[45]),
        (other, CertificateFault::WrongName, &[42]),
        (client_s, CertificateFault::WrongPurpose, &[43]),
    ] {
        for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
            let server = ServerConfig::new().certificate(own.chain(), own.key());
            let client = client_config().max_version(version);
            let (server, client) = check(server, client, "localhost");
            assert_certificate_fault(client, expected.clone());
            let heard = fault(server);
            let is_known = alerts
                .iter()
                .any(|code| matches!(&heard, TlsFault::Peer(fault) if *fault == alert(*code)));
            assert!(is_known, "{expected}: {heard}");
            let server = ServerConfig::new().certificate(own.chain(), own.key());
            let client = ClientConfig::new().danger_accept_any_certificate();
            let (_, client) = agreed(server, client.max_version(version), "localhost");
            assert_eq!(client.peer_certificates, [&own.der[..]]);
        }
    }
}

// ---- the client's certificate

/// A client that shows `own`, if it has one: what the server says, and what the client's first
/// read says.
fn introduce(
    server: ServerConfig,
    client: ClientConfig,
    version: TlsVersion,
) -> (Outcome, Result<Vec<u8>, TlsError>) {
    let ioloop = virtual_loop();
    let (server, client) = (server.build().unwrap(), client.max_version(version));
    let client = client.build().unwrap();
    let (server, client) = shake(&ioloop, Options::default(), &server, &client, "localhost");
    if let Ok(server) = &server {
        server.write(b"welcome").unwrap();
        server.flush();
    }
    let read = match client {
        Err(error) => Err(error),
        Ok(mut client) => match ioloop.run_until(client.read_bytes(7)).unwrap() {
            Ok(bytes) => Ok(bytes),
            Err(StreamError::Closed(closed)) => Err(TlsError::of(&closed).unwrap().clone()),
            Err(error) => panic!("{error}"),
        },
    };
    (server, read)
}

#[test]
fn a_required_certificate_lets_in_who_has_one_and_nobody_else() {
    let (authority, _) = known();
    let own = authority.client("ann");
    let stranger = Authority::new().client("eve");
    let expired = authority.issue(&["old"], |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let server = || server_config().require_client_certificate(authority.pem());

        let client = client_config().certificate(own.chain(), own.key());
        let (accepted, read) = introduce(server(), client, version);
        let info = accepted.unwrap().tls().unwrap();
        assert_eq!(info.peer_certificates, [&own.der[..]]);
        assert_eq!(read.unwrap(), b"welcome");

        let (accepted, read) = introduce(server(), client_config(), version);
        assert_certificate_fault(accepted, CertificateFault::Missing);
        assert!(matches!(
            read.unwrap_err().fault(),
            TlsFault::Peer(PeerFault::Alert(_))
        ));

        let client = client_config().certificate(stranger.chain(), stranger.key());
        let (accepted, read) = introduce(server(), client, version);
        assert_certificate_fault(accepted, CertificateFault::UnknownAuthority);
        assert!(read.is_err());

        let client = client_config().certificate(expired.chain(), expired.key());
        let (accepted, _) = introduce(server(), client, version);
        assert_certificate_fault(accepted, CertificateFault::Expired);
    }
}

#[test]
fn an_optional_certificate_may_be_missing_but_not_wrong() {
    let (authority, _) = known();
    let own = authority.client("ann");
    let stranger = Authority::new().client("eve");
    let server = || server_config().accept_client_certificate(authority.pem());
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let (accepted, read) = introduce(server(), client_config(), version);
        let info = accepted.unwrap().tls().unwrap();
        assert!(info.peer_certificates.is_empty());
        assert_eq!(read.unwrap(), b"welcome");

        let client = client_config().certificate(own.chain(), own.key());
        let (accepted, _) = introduce(server(), client, version);
        let info = accepted.unwrap().tls().unwrap();
        assert_eq!(info.peer_certificates, [&own.der[..]]);

        let client = client_config().certificate(stranger.chain(), stranger.key());
        let (accepted, _) = introduce(server(), client, version);
        assert_certificate_fault(accepted, CertificateFault::UnknownAuthority);
    }
}

#[test]
fn a_client_that_is_not_asked_shows_nothing() {
    let own = known().0.client("ann");
    let client = client_config().certificate(own.chain(), own.key());
    let (server, _) = agreed(server_config(), client, "localhost");
    assert!(server.peer_certificates.is_empty());
}

// ---- sessions

/// A word each way, so that the client has heard of tickets.
async fn talk(server: &mut IoStream, client: &mut IoStream) {
    client.write(b"ping").unwrap();
    client.flush();
    server.read_bytes(4).await.unwrap();
    server.write(b"pong").unwrap();
    server.flush();
    client.read_bytes(4).await.unwrap();
}

/// Whether the second of two connections was resumed.
fn resumes(ioloop: &IoLoop, acceptor: &TlsAcceptor, connector: &TlsConnector) -> bool {
    let mut found = Vec::new();
    for _ in 0..2 {
        let ends = shake(ioloop, Options::default(), acceptor, connector, "localhost");
        let (mut server, mut client) = (ends.0.unwrap(), ends.1.unwrap());
        ioloop.run_until(talk(&mut server, &mut client)).unwrap();
        let (server, client) = (server.tls().unwrap(), client.tls().unwrap());
        assert_eq!(server.is_resumed, client.is_resumed);
        // The client's certificates are those of the first time.
        assert_eq!(client.peer_certificates, [known().1.der.clone()]);
        assert_eq!(server.server_name.as_deref(), Some("localhost"));
        found.push(server.is_resumed);
    }
    found[1]
}

#[test]
fn sessions_are_resumed_by_tickets_and_from_the_cache_and_not_without_both() {
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        for (has_tickets, sessions) in [(true, 0), (false, 10), (true, 10), (false, 0)] {
            let ioloop = virtual_loop();
            let server = server_config().tickets(has_tickets).session_cache(sessions);
            let acceptor = server.build().unwrap();
            let connector = client_config().max_version(version).build().unwrap();
            let expected = has_tickets || sessions > 0;
            let resumed = resumes(&ioloop, &acceptor, &connector);
            assert_eq!(resumed, expected, "{version}, {has_tickets}, {sessions}");
        }
    }
}

#[test]
fn a_client_that_remembers_nothing_resumes_nothing() {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let connector = client_config().session_cache(0).build().unwrap();
    assert!(!resumes(&ioloop, &acceptor, &connector));
}

#[test]
fn a_resumed_session_still_has_the_clients_certificate() {
    let ioloop = virtual_loop();
    let (authority, _) = known();
    let own = authority.client("ann");
    let server = server_config().require_client_certificate(authority.pem());
    let acceptor = server.build().unwrap();
    let client = client_config().certificate(own.chain(), own.key());
    let connector = client.build().unwrap();
    assert!(resumes(&ioloop, &acceptor, &connector));
    let (server, _) = shake(
        &ioloop,
        Options::default(),
        &acceptor,
        &connector,
        "localhost",
    );
    let info = server.unwrap().tls().unwrap();
    assert!(info.is_resumed);
    assert_eq!(info.peer_certificates, [&own.der[..]]);
}

#[test]
fn clones_on_other_threads_share_their_sessions() {
    let ioloop = virtual_loop();
    let acceptor = server_config().build().unwrap();
    let connector = client_config().build().unwrap();
    resumes(&ioloop, &acceptor, &connector);
    let elsewhere = std::thread::spawn(move || {
        let ioloop = virtual_loop();
        let ends = shake(
            &ioloop,
            Options::default(),
            &acceptor,
            &connector,
            "localhost",
        );
        ends.0.unwrap().tls().unwrap().is_resumed
    });
    assert!(elsewhere.join().unwrap());
}
