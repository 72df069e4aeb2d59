//! RFC 7692 §5 and §7.1: offers, answers, and what is declined or refused.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use http::{HeaderMap, StatusCode, Version};
use squall_websocket::Deflate;
use squall_websocket::Role;
use squall_websocket::handshake::{AnswerFault, ClientHandshake, answer_fields};

fn fields(lines: &[&str]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines {
        fields.append("sec-websocket-extensions", line.parse().unwrap());
    }
    fields
}

/// A server that lets the client do as it likes answers an offer with this.
fn check(offer: &str, answer: Option<&str>) {
    let server = Deflate::default()
        .with_context_takeover(true)
        .with_peer_context_takeover(true);
    check_with(&server, offer, answer);
}

fn check_with(server: &Deflate, offer: &str, answer: Option<&str>) {
    let agreement = server.accept(&fields(&[offer]));
    let said = agreement.map(|agreement| agreement.to_string());
    assert_eq!(said.as_deref(), answer, "{offer}");
}

const PLAIN: Option<&str> = Some("permessage-deflate");

#[test]
fn rfc7692_7_1_each_parameter_alone() {
    for (offer, answer) in [
        ("permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=8",
        ),
        (
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=9",
        ),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate",
        ),
        (
            "permessage-deflate;client_max_window_bits=\"12\" ;\tserver_max_window_bits = 15",
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=12",
        ),
    ] {
        check(offer, Some(answer));
    }
}

#[test]
fn rfc7692_7_1_all_four_together() {
    check(
        "permessage-deflate; client_max_window_bits=11; server_max_window_bits=12; \
         client_no_context_takeover; server_no_context_takeover",
        Some(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=12; client_max_window_bits=11",
        ),
    );
}

#[test]
fn rfc7692_7_1_what_is_wrong_is_declined() {
    for parameter in [
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+8",
        "server_max_window_bits=1e1",
        "server_max_window_bits=abc",
        "server_max_window_bits=99999999999999999999",
        "server_max_window_bits=\"8",
        "client_max_window_bits=",
        "client_max_window_bits=0",
        "client_max_window_bits=16",
        "server_no_context_takeover=1",
        "server_no_context_takeover=",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=9; server_max_window_bits=9",
        "client_max_window_bits; client_max_window_bits=9",
        "unknown",
        "unknown=1",
        "Server_no_context_takeover",
        "",
    ] {
        check(&format!("permessage-deflate; {parameter}"), None);
    }
    check("permessage-deflate2", None);
    check("x-webkit-deflate-frame", None);
    check("", None);
}

#[test]
fn rfc7692_5_1_the_first_acceptable_offer_is_taken() {
    check("foo, permessage-deflate", PLAIN);
    check("permessage-deflate; unknown=1, permessage-deflate", PLAIN);
    check(
        "permessage-deflate; server_max_window_bits=7, \
         permessage-deflate; server_max_window_bits=9, permessage-deflate",
        Some("permessage-deflate; server_max_window_bits=9"),
    );
    check(
        "foo; bar=\"a, permessage-deflate; x\", permessage-deflate",
        PLAIN,
    );
    check("foo; bar=\"a\\\", b\", permessage-deflate", PLAIN);
    let server = Deflate::default();
    let two_lines = fields(&["permessage-deflate; unknown", "permessage-deflate"]);
    assert!(server.accept(&two_lines).is_some());
}

#[test]
fn rfc7692_7_1_1_a_server_says_what_it_wants_besides() {
    check_with(
        &Deflate::default(),
        "permessage-deflate; client_max_window_bits",
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    );
    let small = Deflate::default()
        .with_context_takeover(true)
        .with_peer_context_takeover(true)
        .with_window_bits(10)
        .with_peer_window_bits(9);
    check_with(
        &small,
        "permessage-deflate; client_max_window_bits",
        Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"),
    );
    check_with(
        &small,
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=8",
        Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=8"),
    );
    // §7.1.2.2: not a word of the client's window to a client that does not know the parameter.
    check_with(
        &small,
        "permessage-deflate",
        Some("permessage-deflate; server_max_window_bits=10"),
    );
}

#[test]
fn rfc7692_7_1_a_client_offers_what_it_wants_and_then_what_it_takes() {
    let offer = |deflate: Deflate| deflate.offer().to_str().unwrap().to_owned();
    let history = Deflate::default()
        .with_context_takeover(true)
        .with_peer_context_takeover(true);
    assert_eq!(offer(history), "permessage-deflate; client_max_window_bits");
    assert_eq!(
        offer(history.with_window_bits(10).with_peer_window_bits(12)),
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=10, \
         permessage-deflate; client_max_window_bits=10"
    );
    assert_eq!(
        offer(Deflate::default()),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         client_max_window_bits, \
         permessage-deflate; client_no_context_takeover; client_max_window_bits"
    );
}

#[test]
fn a_server_takes_every_offer_of_a_client_and_the_client_its_answer() {
    for bits in 0..64 {
        let settings = |shift: usize| {
            Deflate::default()
                .with_context_takeover(bits >> shift & 1 == 1)
                .with_peer_context_takeover(bits >> (shift + 1) & 1 == 1)
                .with_window_bits(if bits >> (shift + 2) & 1 == 1 { 9 } else { 15 })
        };
        let (client, server) = (settings(0), settings(3));
        let mut request = HeaderMap::new();
        request.insert("sec-websocket-extensions", client.offer());
        let servers = server.accept(&request).expect("acceptable");
        let clients = client.check(&fields(&[&servers.to_string()]));
        let clients = clients
            .expect("an answer to the offer")
            .expect("compression");
        for role in [Role::Server, Role::Client] {
            assert_eq!(servers.keeps_context(role), clients.keeps_context(role));
            assert_eq!(servers.window_bits(role), clients.window_bits(role));
        }
    }
}

/// A client that has offered its defaults thinks so of an answer.
fn check_answer(lines: &[&str], expected: Result<bool, AnswerFault>) {
    let deflate = Deflate::default();
    let agreed = deflate.check(&fields(lines));
    assert_eq!(agreed.map(|agreed| agreed.is_some()), expected, "{lines:?}");

    // The same within the whole answer.
    let handshake = ClientHandshake::new([7; 16]).with_deflate(deflate);
    let request = handshake.fields();
    let key = request["sec-websocket-key"].to_str().unwrap();
    let mut answer = answer_fields(key, None);
    answer.extend(fields(lines));
    let checked = handshake.check(StatusCode::SWITCHING_PROTOCOLS, Version::HTTP_11, &answer);
    assert_eq!(checked.err(), expected.err());
}

#[test]
fn rfc7692_5_1_a_client_fails_an_answer_that_is_none_to_its_offer() {
    check_answer(&[], Ok(false));
    check_answer(&["permessage-deflate"], Ok(true));
    check_answer(
        &["permessage-deflate; server_no_context_takeover"],
        Ok(true),
    );
    check_answer(&["permessage-deflate; client_max_window_bits=8"], Ok(true));
    for bad in [
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate, permessage-deflate",
    ] {
        check_answer(&[bad], Err(AnswerFault::BadExtension));
    }
    check_answer(&["foo"], Err(AnswerFault::UnaskedExtension));
    check_answer(
        &["permessage-deflate", "permessage-deflate"],
        Err(AnswerFault::BadExtension),
    );
    check_answer(
        &["permessage-deflate, foo"],
        Err(AnswerFault::UnaskedExtension),
    );
}

#[test]
fn rfc7692_7_1_2_2_a_client_s_window_is_not_made_larger() {
    let small = Deflate::default().with_window_bits(10);
    let answer = |bits: u8| {
        let line = format!("permessage-deflate; client_max_window_bits={bits}");
        small.check(&fields(&[&line]))
    };
    assert_eq!(answer(11), Err(AnswerFault::BadExtension));
    for bits in [8, 10] {
        let agreed = answer(bits).unwrap().unwrap();
        assert_eq!(agreed.window_bits(Role::Client), bits);
    }
    let agreed = small.check(&fields(&["permessage-deflate"]));
    assert_eq!(agreed.unwrap().unwrap().window_bits(Role::Client), 10);
}

#[test]
fn offers_of_any_length_are_read_in_one_go() {
    // Not a timed test: what is quadratic would hang here.
    let long = "permessage-deflate; x=\"".to_owned() + &"\\\",".repeat(200_000);
    assert!(Deflate::default().accept(&fields(&[&long])).is_none());
    let many = "foo,".repeat(200_000) + "permessage-deflate";
    assert!(Deflate::default().accept(&fields(&[&many])).is_some());
}
