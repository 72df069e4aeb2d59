//! The opening handshake: RFC 6455 §4, its examples, and what Tornado answers (or should).

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::{Method, StatusCode, Version};
use squall_websocket::handshake::{
    AnswerFault, ClientHandshake, Refusal, accept_key, answer_fields, check_request,
    is_same_origin, subprotocols,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The request of RFC 6455 §1.2.
const REQUEST: [(&str, &str); 7] = [
    ("host", "server.example.com"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-key", KEY),
    ("origin", "http://example.com"),
    ("sec-websocket-protocol", "chat, superchat"),
    ("sec-websocket-version", "13"),
];

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a name");
        fields.append(
            name,
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        );
    }
    fields
}

/// The RFC's request with one field set to these lines, or removed by none.
fn request_with(name: &'static str, lines: &[&str]) -> HeaderMap {
    let mut request = fields(&REQUEST);
    request.remove(name);
    for line in lines {
        request.append(name, HeaderValue::from_str(line).expect("a value"));
    }
    request
}

/// The RFC's request, so changed, is answered like this.
fn check(name: &'static str, lines: &[&str], expected: Result<(), Refusal>) {
    let request = request_with(name, lines);
    let checked = check_request(&Method::GET, Version::HTTP_11, &request).map(|_| ());
    assert_eq!(checked, expected, "{name}: {lines:?}");
}

#[test]
fn rfc6455_1_3_the_example_is_accepted() {
    let request = fields(&REQUEST);
    let key = check_request(&Method::GET, Version::HTTP_11, &request).expect("the RFC's example");
    let chosen = subprotocols(&request)
        .find(|name| *name == "chat")
        .expect("offered");
    let chosen = HeaderValue::from_str(chosen).expect("a token");
    let answer = answer_fields(key, Some(chosen));
    let expected = fields(&[
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "chat"),
    ]);
    assert_eq!(answer, expected);
}

#[test]
fn rfc6455_4_2_2_accept_keys_are_tornado_s() {
    for (key, accept) in [
        (KEY, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("MDEyMzQ1Njc4OWFiY2RlZg==", "BACScCJPNqyz+UBoqMH89VmURoA="),
        ("", "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w="),
    ] {
        assert_eq!(accept_key(key), accept);
    }
}

#[test]
fn rfc6455_4_2_1_only_a_get_of_http_1_1_opens() {
    let request = fields(&REQUEST);
    for method in [Method::POST, Method::HEAD, Method::CONNECT, Method::OPTIONS] {
        let refusal = check_request(&method, Version::HTTP_11, &request);
        assert_eq!(refusal, Err(Refusal::NotGet));
    }
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2] {
        let refusal = check_request(&Method::GET, version, &request);
        assert_eq!(refusal, Err(Refusal::NotHttp11));
    }
}

#[test]
fn rfc6455_4_2_1_upgrade_names_websocket_in_any_case() {
    for good in [
        &["websocket"][..],
        &["WebSocket"],
        &["h2c, websocket"],
        &["h2c", "WEBSOCKET"],
    ] {
        check("upgrade", good, Ok(()));
    }
    for bad in [
        &[][..],
        &[""],
        &["websockets"],
        &["web socket"],
        &["h2c"],
        &["websocket/13"],
    ] {
        check("upgrade", bad, Err(Refusal::NoUpgrade));
    }
}

#[test]
fn rfc6455_4_2_1_connection_lists_upgrade_in_any_case() {
    for good in [
        &["upgrade"][..],
        &["keep-alive, Upgrade"],
        &["keep-alive", "UPGRADE"],
        &["a,upgrade ,b"],
    ] {
        check("connection", good, Ok(()));
    }
    for bad in [
        &[][..],
        &["keep-alive"],
        &["upgraded"],
        &["no-upgrade"],
        &["up grade"],
    ] {
        check("connection", bad, Err(Refusal::NoConnectionUpgrade));
    }
}

#[test]
fn rfc6455_4_2_2_another_version_is_answered_with_426_and_ours() {
    check("sec-websocket-version", &["13"], Ok(()));
    for bad in [
        &[][..],
        &["12"],
        &["8"],
        &["013"],
        &["13, 8"],
        &["13", "13"],
    ] {
        check("sec-websocket-version", bad, Err(Refusal::UnknownVersion));
    }
    assert_eq!(
        Refusal::UnknownVersion.status(),
        StatusCode::UPGRADE_REQUIRED
    );
    let (name, value) = Refusal::UnknownVersion.field().expect("the version");
    assert_eq!(
        (name.as_str(), value.as_bytes()),
        ("sec-websocket-version", &b"13"[..])
    );
}

#[test]
fn rfc6455_4_2_1_a_key_is_16_bytes_in_base64() {
    for good in [
        KEY,
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "//////////////////////==",
        "AQIDBAUGBwgJCgsMDQ4PEC==",
    ] {
        check("sec-websocket-key", &[good], Ok(()));
    }
    for bad in [
        &[][..],
        &[""],
        &["x"],
        &["dGhlIHNhbXBsZSBub25jZQ"],
        &["dGhlIHNhbXBsZSBub25jZQ="],
        &["dGhlIHNhbXBsZSBub25jZQ==="],
        &["dGhlIHNhbXBsZSBub25jZTE="],
        &["dGhlIHNhbXBsZSBub25jZTEy"],
        &["dGhlIHNhbXBsZSBub25j"],
        &["dGhlIHNhbXBsZSBub25j!Q=="],
        &["dGhl IHNhbXBsZSBub25jZQ=="],
        &["dGhlIHNhbXBsZSBub25j-_=="],
        &[KEY, KEY],
    ] {
        check("sec-websocket-key", bad, Err(Refusal::BadKey));
    }
}

#[test]
fn rfc6455_4_2_1_host_is_there_once() {
    for bad in [&[][..], &[""], &["a", "b"]] {
        check("host", bad, Err(Refusal::NoHost));
    }
}

#[test]
fn refusals_know_their_status() {
    for (refusal, status) in [
        (Refusal::NotGet, 405),
        (Refusal::NotHttp11, 400),
        (Refusal::NoUpgrade, 400),
        (Refusal::NoConnectionUpgrade, 400),
        (Refusal::UnknownVersion, 426),
        (Refusal::NoHost, 400),
        (Refusal::BadKey, 400),
        (Refusal::CrossOrigin, 403),
    ] {
        assert_eq!(refusal.status(), status, "{refusal}");
    }
    assert_eq!(
        Refusal::NotGet.field().map(|(name, _)| name),
        Some(http::header::ALLOW)
    );
    assert_eq!(Refusal::BadKey.field(), None);
}

#[test]
fn rfc6455_11_3_4_subprotocols_may_be_on_several_lines() {
    let request = fields(&[
        ("sec-websocket-protocol", "chat , superchat"),
        ("sec-websocket-protocol", ",,v2.example,"),
    ]);
    assert!(subprotocols(&request).eq(["chat", "superchat", "v2.example"]));
    assert_eq!(subprotocols(&HeaderMap::new()).next(), None);
}

#[test]
fn rfc6455_10_2_only_the_host_s_own_pages_may_connect() {
    let host = "127.0.0.1:8080";
    for (host, origin, same) in [
        (host, None, true),
        (host, Some("http://127.0.0.1:8080"), true),
        (host, Some("http://127.0.0.1:8080/some/path"), true),
        (host, Some("https://127.0.0.1:8080"), true),
        (host, Some("127.0.0.1:8080"), false),
        (host, Some("http://127.0.0.1:8081"), false),
        (host, Some("http://127.0.0.1"), false),
        (host, Some("http://127.0.0.1:80801"), false),
        (host, Some("http://somewhereelse.example"), false),
        (host, Some("null"), false),
        (host, Some(""), false),
        (host, Some("http://"), false),
        ("", Some("http://"), false),
        ("localhost", Some("http://subtenant.localhost"), false),
        ("subtenant.localhost", Some("http://localhost"), false),
        ("Example.COM", Some("http://example.com"), true),
        ("example.com:443", Some("https://example.com"), true),
        ("example.com", Some("https://example.com:443"), true),
        ("example.com:80", Some("https://example.com"), false),
        ("example.com:443", Some("http://example.com"), false),
        ("[::1]:8080", Some("http://[::1]:8080"), true),
        (
            "example.com",
            Some("http://example.com@evil.example"),
            false,
        ),
        (
            "example.com",
            Some("http://evil.example/http://example.com"),
            false,
        ),
    ] {
        let mut request = fields(&[("host", host)]);
        if let Some(origin) = origin {
            request.insert(ORIGIN, HeaderValue::from_str(origin).expect("a value"));
        }
        assert_eq!(is_same_origin(&request), same, "{origin:?} to {host:?}");
    }
}

#[test]
fn two_origins_or_no_host_are_not_the_same_origin() {
    let twice = fields(&[
        ("host", "a.example"),
        ("origin", "http://a.example"),
        ("origin", "http://b.example"),
    ]);
    assert!(!is_same_origin(&twice));
    assert!(!is_same_origin(&fields(&[("origin", "http://a.example")])));
}

#[test]
fn sec_fetch_site_is_believed_when_it_allows() {
    for (site, same) in [
        ("same-origin", true),
        ("none", true),
        ("same-site", false),
        ("cross-site", false),
    ] {
        let mut request = fields(&[("host", "a.example"), ("origin", "http://b.example")]);
        request.insert("sec-fetch-site", HeaderValue::from_static(site));
        assert_eq!(is_same_origin(&request), same, "{site}");
        request.insert(HOST, HeaderValue::from_static("b.example"));
        assert!(is_same_origin(&request), "the Origin allows it");
    }
}

/// The nonce of the RFC's example.
fn handshake() -> ClientHandshake {
    ClientHandshake::new(*b"the sample nonce")
}

#[test]
fn rfc6455_4_1_a_client_asks_as_the_rfc_says() {
    let handshake = handshake()
        .with_subprotocol("chat")
        .and_then(|h| h.with_subprotocol("b.c"));
    let expected = fields(&[
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-protocol", "chat, b.c"),
    ]);
    assert_eq!(handshake.expect("tokens").fields(), expected);
    let plain = ClientHandshake::new([0; 16]).fields();
    assert!(!plain.contains_key("sec-websocket-protocol"));
    let mut request = plain;
    request.insert(HOST, HeaderValue::from_static("a.example"));
    assert!(check_request(&Method::GET, Version::HTTP_11, &request).is_ok());
}

#[test]
fn rfc6455_4_1_a_subprotocol_is_a_token() {
    for bad in ["", "a b", "a,b", "ä", "a\r\nb", "\"a\""] {
        assert!(handshake().with_subprotocol(bad).is_err(), "{bad:?}");
    }
}

/// A client that offered `chat` and `superchat` judges a good answer so changed like this.
fn check_answer(name: &'static str, lines: &[&str], expected: Result<Option<&str>, AnswerFault>) {
    let offered = handshake()
        .with_subprotocol("chat")
        .and_then(|h| h.with_subprotocol("superchat"));
    let mut answer = answer_fields(KEY, None);
    answer.remove(name);
    for line in lines {
        answer.append(name, HeaderValue::from_str(line).expect("a value"));
    }
    let checked =
        offered
            .expect("tokens")
            .check(StatusCode::SWITCHING_PROTOCOLS, Version::HTTP_11, &answer);
    assert_eq!(checked, expected, "{name}: {lines:?}");
}

#[test]
fn rfc6455_4_1_an_answer_is_checked_in_all_six_points() {
    check_answer("x-other", &["1"], Ok(None));
    check_answer("upgrade", &["WebSocket"], Ok(None));
    check_answer("upgrade", &[], Err(AnswerFault::NoUpgrade));
    check_answer("upgrade", &["h2c"], Err(AnswerFault::NoUpgrade));
    check_answer(
        "upgrade",
        &["websocket", "websocket"],
        Err(AnswerFault::NoUpgrade),
    );
    check_answer("connection", &["keep-alive, upgrade"], Ok(None));
    check_answer(
        "connection",
        &["close"],
        Err(AnswerFault::NoConnectionUpgrade),
    );
    let accept = "sec-websocket-accept";
    check_answer(accept, &[], Err(AnswerFault::WrongAccept));
    check_answer(
        accept,
        &["BACScCJPNqyz+UBoqMH89VmURoA="],
        Err(AnswerFault::WrongAccept),
    );
    check_answer(
        accept,
        &["S3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
        Err(AnswerFault::WrongAccept),
    );
    let extensions = "sec-websocket-extensions";
    check_answer(
        extensions,
        &["permessage-deflate"],
        Err(AnswerFault::UnaskedExtension),
    );
    let protocol = "sec-websocket-protocol";
    check_answer(protocol, &["superchat"], Ok(Some("superchat")));
    for bad in [
        &["other"][..],
        &["CHAT"],
        &["chat, superchat"],
        &["chat", "chat"],
        &[""],
    ] {
        check_answer(protocol, bad, Err(AnswerFault::UnaskedSubprotocol));
    }
}

#[test]
fn rfc6455_4_1_a_client_that_offered_nothing_takes_no_subprotocol() {
    for chosen in ["chat", ""] {
        let answer = answer_fields(KEY, Some(HeaderValue::from_static(chosen)));
        let checked = handshake().check(StatusCode::SWITCHING_PROTOCOLS, Version::HTTP_11, &answer);
        assert_eq!(checked, Err(AnswerFault::UnaskedSubprotocol));
    }
}

#[test]
fn rfc6455_4_1_anything_but_101_is_plain_http() {
    let answer = answer_fields(KEY, None);
    for status in [StatusCode::OK, StatusCode::FOUND, StatusCode::UNAUTHORIZED] {
        let checked = handshake().check(status, Version::HTTP_11, &answer);
        assert_eq!(checked, Err(AnswerFault::NotSwitching(status)));
    }
    let checked = handshake().check(StatusCode::SWITCHING_PROTOCOLS, Version::HTTP_10, &answer);
    assert_eq!(checked, Err(AnswerFault::NotHttp11));
}
