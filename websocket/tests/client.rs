//! The client: its request, what it makes of answers, and the WebSocket behind it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod peer;

use std::time::Duration;

use http::header::{COOKIE, HOST, HeaderName, SEC_WEBSOCKET_KEY};
use http::{HeaderValue, StatusCode};
use peer::{FIN, Said, close_payload, listen, unmasked};
use squall_ioloop::{IoLoop, JoinHandle};
use squall_iostream::{IoStream, Listener, ListenerOptions, memory};
use squall_websocket::handshake::{AnswerFault, accept_key};
use squall_websocket::{
    Client, CloseCode, Config, HandlerResult, Message, OpenError, OwnedMessage, UrlFault,
    WebSocket, WebSocketHandler, WebSocketStream, connect,
};

type Opened = Result<WebSocketStream, OpenError>;

fn ioloop() -> IoLoop {
    IoLoop::builder().virtual_clock().build().unwrap()
}

/// A client that asks, and the server's stream with its request.
struct Asked {
    client: JoinHandle<Opened>,
    server: IoStream,
    request: String,
}

impl Asked {
    fn new(ioloop: &IoLoop, client: Client, url: &'static str) -> Self {
        let (ours, mut server) = memory::pair(ioloop, memory::Options::default());
        let client = ioloop.spawn(async move { client.connect_over(ours, url).await });
        let request = ioloop.run_until(server.read_until(b"\r\n\r\n", 10_000));
        let request = String::from_utf8(request.unwrap().unwrap()).unwrap();
        Self {
            client,
            server,
            request,
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.request.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// A 101 that fits the request, with fields besides and what is glued to it.
    fn accept(&self, fields: &str, glued: &[u8]) {
        let accept = accept_key(self.field("sec-websocket-key").unwrap());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
        );
        self.server
            .write(&[head.as_bytes(), glued].concat())
            .unwrap();
    }

    fn opened(self, ioloop: &IoLoop) -> (Opened, IoStream) {
        let opened = ioloop.run_until(self.client).unwrap();
        (opened.expect("no panic"), self.server)
    }
}

/// What becomes of an answer that is written by hand.
fn check_answer(answer: &[u8], expected: impl FnOnce(OpenError)) {
    let ioloop = ioloop();
    let mut asked = Asked::new(&ioloop, Client::new(&ioloop), "ws://a/");
    asked.server.write(answer).unwrap();
    // What breaks off in the middle has an end as well.
    let server = std::mem::replace(
        &mut asked.server,
        memory::pair(&ioloop, memory::Options::default()).0,
    );
    ioloop.spawn_detached(server.linger(1000));
    expected(asked.opened(&ioloop).0.expect_err("no WebSocket"));
}

#[test]
fn rfc6455_4_1_the_request_has_what_it_must_have() {
    let ioloop = ioloop();
    let client = Client::new(&ioloop)
        .subprotocol("chat")
        .unwrap()
        .subprotocol("superchat")
        .unwrap()
        .field(COOKIE, HeaderValue::from_static("a=b"))
        .field(
            HeaderName::from_static("x-more"),
            HeaderValue::from_static("1"),
        )
        .field(SEC_WEBSOCKET_KEY, HeaderValue::from_static("mine"));
    let asked = Asked::new(&ioloop, client, "ws://example.com:8080/path?query");
    assert!(asked.request.starts_with("GET /path?query HTTP/1.1\r\n"));
    for (name, value) in [
        ("Host", "example.com:8080"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Cookie", "a=b"),
        ("X-More", "1"),
    ] {
        assert_eq!(asked.field(name), Some(value), "{name}");
    }
    assert_eq!(asked.field("Sec-WebSocket-Key").map(str::len), Some(24));
    let keys = asked
        .request
        .to_lowercase()
        .matches("websocket-key")
        .count();
    assert_eq!(keys, 1);
}

#[test]
fn a_host_of_the_caller_s_is_sent_once() {
    let ioloop = ioloop();
    let client = Client::new(&ioloop).field(HOST, HeaderValue::from_static("virtual.example"));
    let asked = Asked::new(&ioloop, client, "ws://127.0.0.1/");
    assert_eq!(asked.field("Host"), Some("virtual.example"));
    assert_eq!(asked.request.to_lowercase().matches("host:").count(), 1);
}

#[test]
fn rfc6455_4_1_a_key_is_never_used_twice() {
    let ioloop = ioloop();
    let [one, two] = [(); 2].map(|()| {
        let asked = Asked::new(&ioloop, Client::new(&ioloop), "ws://a/");
        asked.field("Sec-WebSocket-Key").unwrap().to_owned()
    });
    assert_ne!(one, two);
}

#[test]
fn what_is_glued_to_the_answer_is_heard_and_each_frame_has_its_own_key() {
    let ioloop = ioloop();
    let client = Client::new(&ioloop).subprotocol("chat").unwrap();
    let asked = Asked::new(&ioloop, client, "ws://a/");
    asked.accept("Sec-WebSocket-Protocol: chat\r\n", b"\x81\x02hi\x89\x01p");
    let (opened, mut server) = asked.opened(&ioloop);
    let mut ws = opened.unwrap();
    assert_eq!(ws.subprotocol(), Some("chat"));
    let hi = ioloop.run_until(ws.next()).unwrap();
    assert_eq!(hi, Some(OwnedMessage::from("hi")));

    ws.write_message("one").unwrap();
    ws.write_message("one").unwrap();
    let heard = ioloop.spawn(async move { ws.next().await });
    let wire = ioloop
        .run_until(server.read_bytes(2 * 9 + 7))
        .unwrap()
        .unwrap();
    let mut protocol = peer::server();
    assert_eq!(
        listen(&mut protocol, [&wire[..]]),
        [
            Said::text("one"),
            Said::text("one"),
            Said::Pong(b"p".to_vec())
        ]
    );
    assert_ne!(wire[2..6], wire[11..15], "the keys");
    drop(server);
    assert_eq!(ioloop.run_until(heard).unwrap().unwrap(), None);
}

#[test]
fn rfc6455_4_1_a_redirect_is_an_error_that_knows_where_to() {
    check_answer(
        b"HTTP/1.1 302 Found\r\nLocation: ws://b/\r\nContent-Length: 4\r\n\r\nmove",
        |error| {
            let OpenError::Refused(answer) = error else {
                panic!("{error}")
            };
            assert_eq!(answer.status(), StatusCode::FOUND);
            assert_eq!(answer.location(), Some("ws://b/"));
            assert_eq!(answer.content(), b"move");
        },
    );
}

#[test]
fn a_refusal_has_the_whole_answer() {
    check_answer(
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\
          Transfer-Encoding: chunked\r\n\r\n5\r\nlog i\r\n1\r\nn\r\n0\r\n\r\n",
        |error| {
            let text = error.to_string();
            let OpenError::Refused(answer) = error else {
                panic!("{error}")
            };
            assert_eq!(answer.fields()["www-authenticate"], "Basic");
            assert_eq!(answer.content(), b"log in");
            assert_eq!(answer.location(), None);
            assert_eq!(text, "the server refused with 401 Unauthorized");
        },
    );
    // Cut off in its content, it is a refusal all the same.
    check_answer(
        b"HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\nhalf",
        |error| {
            let OpenError::Refused(answer) = error else {
                panic!("{error}")
            };
            assert_eq!(answer.content(), b"half");
        },
    );
}

#[test]
fn of_a_refusal_s_content_no_more_than_64_kib_are_kept() {
    let content = [b'x'; 70_000];
    let head = b"HTTP/1.1 404 No\r\nContent-Length: 70000\r\n\r\n";
    check_answer(&[&head[..], &content].concat(), |error| {
        let OpenError::Refused(answer) = error else {
            panic!("{error}")
        };
        assert_eq!(answer.content().len(), 64 * 1024);
    });
}

#[test]
fn rfc6455_4_1_a_101_that_does_not_fit_is_refused() {
    check_answer(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        |error| assert!(matches!(error, OpenError::Answer(AnswerFault::WrongAccept))),
    );
    let ioloop = ioloop();
    let asked = Asked::new(&ioloop, Client::new(&ioloop), "ws://a/");
    asked.accept("Sec-WebSocket-Extensions: permessage-deflate\r\n", b"");
    let (opened, _server) = asked.opened(&ioloop);
    let error = opened.expect_err("not asked for");
    assert!(matches!(
        error,
        OpenError::Answer(AnswerFault::UnaskedExtension)
    ));
}

#[test]
fn what_is_no_http_or_breaks_off_is_an_error() {
    check_answer(b"SSH-2.0-OpenSSH\r\n\r\n", |error| {
        assert!(matches!(error, OpenError::Http(_)), "{error}");
    });
    check_answer(b"HTTP/1.1 101 Switching", |error| {
        assert!(matches!(error, OpenError::Stream(_)), "{error}");
    });
}

#[test]
fn other_heads_may_come_before_the_answer() {
    let ioloop = ioloop();
    let asked = Asked::new(&ioloop, Client::new(&ioloop), "ws://a/");
    asked
        .server
        .write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        .unwrap();
    asked.accept("", b"");
    let (opened, _server) = asked.opened(&ioloop);
    assert!(opened.is_ok());
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let ioloop = ioloop();
    let client = Client::new(&ioloop).timeout_opening(Duration::from_secs(3));
    let start = ioloop.now();
    let asked = Asked::new(&ioloop, client, "ws://a/");
    let (opened, _server) = asked.opened(&ioloop);
    assert!(matches!(opened, Err(OpenError::TimedOut)));
    assert_eq!((ioloop.now() - start).as_secs(), 3);
}

#[test]
fn urls_and_names_that_cannot_be_are_refused_before_anything_is_sent() {
    let ioloop = ioloop();
    let opened = ioloop.run_until(connect(&ioloop, "ws://a/#b")).unwrap();
    assert!(matches!(opened, Err(OpenError::Url(UrlFault::Fragment))));
    if cfg!(not(feature = "tls")) {
        let opened = ioloop.run_until(connect(&ioloop, "wss://a/")).unwrap();
        assert!(matches!(opened, Err(OpenError::Url(UrlFault::NoTls))));
    }
    assert!(Client::new(&ioloop).subprotocol("two words").is_err());
}

#[test]
fn rfc6455_7_1_1_a_client_lets_the_server_close_tcp_first() {
    let ioloop = ioloop();
    let config = Config::default().with_timeout_close(Duration::from_secs(5));
    let client = Client::new(&ioloop).config(config);
    let asked = Asked::new(&ioloop, client, "ws://a/");
    let close = unmasked(FIN | 8, &close_payload(1001, b"bye"));
    asked.accept("", &close);
    let (opened, mut server) = asked.opened(&ioloop);
    let mut ws = opened.unwrap();
    let task = ioloop.spawn(async move {
        let end = ws.next().await;
        let code = ws
            .closed_by_peer()
            .map(|(code, reason)| (code, reason.to_owned()));
        (end, code)
    });
    let answer = ioloop.run_until(server.read_bytes(8)).unwrap().unwrap();
    assert_eq!(
        listen(&mut peer::server(), [&answer[..]]),
        [Said::close(1001, "")]
    );
    for _ in 0..5 {
        ioloop.run_once(Some(Duration::ZERO)).unwrap();
    }
    assert!(!task.is_finished(), "it waits for the server");
    drop(server);
    let (end, code) = ioloop.run_until(task).unwrap().unwrap();
    assert_eq!(end, None);
    assert_eq!(code, Some((CloseCode::GOING_AWAY, "bye".to_owned())));
}

#[test]
fn a_client_that_is_dropped_says_goodbye() {
    let ioloop = ioloop();
    let asked = Asked::new(&ioloop, Client::new(&ioloop), "ws://a/");
    asked.accept("", b"");
    let (opened, mut server) = asked.opened(&ioloop);
    drop(opened);
    let goodbye = ioloop.run_until(server.read_bytes(8)).unwrap().unwrap();
    assert_eq!(
        listen(&mut peer::server(), [&goodbye[..]]),
        [Said::close(1000, "")]
    );
    server.write(b"\x88\x02\x03\xe8").unwrap();
    // The server closes first, and then the client.
    ioloop.run_until(server.shutdown_write()).unwrap().unwrap();
    let rest = ioloop.run_until(server.read_until_close(100)).unwrap();
    assert_eq!(rest.unwrap(), b"");
}

#[test]
fn a_client_has_handlers_too_over_real_sockets() {
    struct Greeter;
    impl WebSocketHandler for Greeter {
        fn open(&mut self, ws: &WebSocket) -> HandlerResult {
            Ok(ws.write_message("hello")?)
        }
        fn on_message(&mut self, ws: &WebSocket, _: Message<'_>) -> HandlerResult {
            ws.close(CloseCode::NORMAL, "");
            Ok(())
        }
    }

    let ioloop = IoLoop::new().unwrap();
    let listener = Listener::bind("127.0.0.1:0", &ListenerOptions::default()).unwrap();
    let port = listener.local_addr().unwrap().inet().unwrap().port();
    let (sender, receiver) = std::sync::mpsc::channel();
    // Kept: dropped, it listens no more.
    let _listening = listener
        .accept_with(&ioloop, {
            let ioloop = squall_ioloop::Handle::clone(&ioloop);
            move |stream, _| {
                let sender = sender.clone();
                ioloop.spawn_detached(
                    async move { sender.send(answer_by_hand(stream).await).unwrap() },
                );
            }
        })
        .unwrap();
    let url = format!("ws://127.0.0.1:{port}/");
    let opened = Client::new(&ioloop);
    ioloop
        .run_until(opened.connect_handler(&url, Greeter))
        .unwrap()
        .unwrap();
    let said = loop {
        ioloop.run_once(Some(Duration::from_secs(10))).unwrap();
        if let Ok(said) = receiver.try_recv() {
            break said;
        }
    };
    assert_eq!(said, [Said::text("hello"), Said::close(1000, "")]);
}

/// A server without any code of ours but the key's digest.
async fn answer_by_hand(mut stream: IoStream) -> Vec<Said> {
    let request = stream.read_until(b"\r\n\r\n", 10_000).await.unwrap();
    let request = String::from_utf8(request).unwrap();
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "))
        .unwrap();
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n\x01\x02hi\u{0}\u{0}",
        accept_key(key)
    );
    // The second fragment is empty and the third ends the message: "hi".
    stream.write(head.as_bytes()).unwrap();
    stream.write(b"\x80\x00").unwrap();
    let mut wire = stream.read_bytes(2 + 4 + 5).await.unwrap();
    wire.extend(stream.read_bytes(2 + 4 + 2).await.unwrap());
    listen(&mut peer::server(), [&wire[..]])
}
