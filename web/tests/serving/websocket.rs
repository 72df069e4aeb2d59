//! WebSockets on a route: who is let in, and what happens when the server stops.

#[cfg(feature = "deflate")]
use std::io::Read;
use std::io::Write;
use std::time::Duration;

use squall_iostream::memory;
use squall_web::{
    Application, HandlerResult, HttpError, Message, Route, StatusCode, WebSocket, WebSocketConfig,
    WebSocketHandler, WebSocketStream,
};
use squall_websocket::handshake::is_trusted_origin;

use crate::server::{connect, get, raw, read_until};

struct Echo {
    greeting: String,
}

impl WebSocketHandler for Echo {
    fn select_subprotocol<'a>(&mut self, offered: &[&'a str]) -> Option<&'a str> {
        offered.iter().copied().find(|name| *name == "chat")
    }

    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        Ok(ws.write_message(&*self.greeting)?)
    }

    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        Ok(ws.write_message(message)?)
    }
}

fn application() -> Application {
    Application::new()
        .websocket("/echo", || Echo {
            greeting: "hi".to_owned(),
        })
        .add_route(Route::websocket("/room/{name}", |http| {
            if http.query_argument("key")? != "secret" {
                return Err(HttpError::new(StatusCode::FORBIDDEN))?;
            }
            Ok(Echo {
                greeting: http.path_argument("name")?.into_owned(),
            })
        }))
}

fn handshake(target: &str, fields: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

/// A masked text frame with a key of zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[test]
fn a_request_becomes_a_connection() {
    let mut client = connect(application);
    let fields = format!("{VERSION}Sec-WebSocket-Protocol: superchat, chat\r\n");
    client
        .write_all(handshake("/echo", &fields).as_bytes())
        .unwrap();
    let head = String::from_utf8(read_until(&mut client, b"\r\n\r\n"))
        .unwrap()
        .to_lowercase();
    assert!(
        head.starts_with("http/1.1 101 switching protocols\r\n"),
        "{head}"
    );
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
        "{head}"
    );
    assert!(head.contains("sec-websocket-protocol: chat\r\n"), "{head}");
    assert!(!head.contains("content-type"), "{head}");
    assert_eq!(read_until(&mut client, b"hi"), b"\x81\x02hi");
    client.write_all(&text_frame("hello")).unwrap();
    assert_eq!(read_until(&mut client, b"hello"), b"\x81\x05hello");
}

#[test]
fn frames_that_come_with_the_handshake_are_not_lost() {
    let mut client = connect(application);
    let mut request = handshake("/echo", VERSION).into_bytes();
    request.extend(text_frame("early"));
    client.write_all(&request).unwrap();
    read_until(&mut client, b"\r\n\r\n");
    assert_eq!(
        read_until(&mut client, b"early"),
        b"\x81\x02hi\x81\x05early"
    );
}

#[test]
fn a_handler_may_be_made_from_the_request_or_refused() {
    let mut client = connect(application);
    client
        .write_all(handshake("/room/red?key=secret", VERSION).as_bytes())
        .unwrap();
    read_until(&mut client, b"\r\n\r\n");
    assert_eq!(read_until(&mut client, b"red"), b"\x81\x03red");

    let close = format!("{VERSION}Origin: http://test\r\n");
    let mut client = connect(application);
    client
        .write_all(handshake("/room/red?key=wrong", &close).as_bytes())
        .unwrap();
    let head = String::from_utf8(read_until(&mut client, b"\r\n\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

#[track_caller]
fn check_refused(answer: &str, status: &str, text: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{answer}"
    );
    assert!(answer.contains(text), "{answer}");
}

#[test]
fn what_is_no_handshake_is_refused() {
    let upgrade = "can &quot;Upgrade&quot; only to &quot;websocket&quot;";
    check_refused(&get(application, "/echo"), "400", upgrade);
    let close = "HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let post = raw(application, &format!("POST /echo {close}"));
    check_refused(&post, "405", "llow: GET, HEAD, OPTIONS");
}

fn refusal(application: fn() -> Application, fields: &str) -> String {
    let mut client = connect(application);
    client
        .write_all(handshake("/echo", fields).as_bytes())
        .unwrap();
    String::from_utf8(read_until(&mut client, b"\r\n\r\n")).unwrap()
}

#[test]
fn rfc6455_4_4_another_version_is_told_which_there_is() {
    let answer = refusal(application, "Sec-WebSocket-Version: 12\r\n");
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    let version = "sec-websocket-version: 13\r\n";
    assert!(answer.to_lowercase().contains(version), "{answer}");
}

#[test]
fn rfc9110_15_5_22_a_426_says_what_to_upgrade_to() {
    let answer = refusal(application, "Sec-WebSocket-Version: 12\r\n").to_lowercase();
    assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
}

#[test]
fn a_handshake_with_content_is_the_clients_fault() {
    let content = format!("{VERSION}Content-Length: 5\r\n");
    check_refused(&refusal(application, &content), "400", "");
    let empty = format!("{VERSION}Content-Length: 0\r\n");
    check_refused(&refusal(application, &empty), "101", "");
}

#[test]
fn pages_of_another_origin_are_refused() {
    let foreign = format!("{VERSION}Origin: http://evil.example\r\n");
    check_refused(&refusal(application, &foreign), "403", "");
    let own = format!("{VERSION}Origin: http://test\r\n");
    check_refused(&refusal(application, &own), "101", "");
}

#[test]
fn a_server_that_stops_sends_1001_and_waits_for_the_answer() {
    let ioloop = squall_ioloop::IoLoop::new().unwrap();
    let server = application().listen(&ioloop, "127.0.0.1:0").unwrap();
    let (mut ours, theirs) = memory::pair(&ioloop, memory::Options::default());
    server.serve_stream(theirs);
    let report = ioloop.run_until(async {
        ours.write(handshake("/echo", VERSION).as_bytes()).unwrap();
        let head = ours.read_until(b"\r\n\r\n", 1024).await.unwrap();
        assert!(head.starts_with(b"HTTP/1.1 101"));
        assert_eq!(ours.read_bytes(4).await.unwrap(), b"\x81\x02hi");
        let stopping = squall_ioloop::Handle::current()
            .spawn(async move { server.stop(Duration::from_secs(5)).await });
        assert_eq!(ours.read_bytes(4).await.unwrap(), b"\x88\x02\x03\xe9");
        assert!(!stopping.is_finished());
        ours.write(b"\x88\x82\0\0\0\0\x03\xe9").unwrap();
        assert_eq!(ours.read_until_close(1).await.unwrap(), b"");
        drop(ours);
        stopping.await.unwrap()
    });
    let report = report.unwrap();
    assert_eq!((report.idle, report.finished, report.cut), (0, 1, 0));
}

/// Lets a partner's pages in, and says goodbye before it goes.
struct Polite;

impl WebSocketHandler for Polite {
    fn check_origin(&mut self, fields: &http::HeaderMap) -> bool {
        is_trusted_origin(fields, &["https://partner.example"])
    }

    fn on_message(&mut self, _: &WebSocket, _: Message<'_>) -> HandlerResult {
        Ok(())
    }

    fn on_drain(&mut self, ws: &WebSocket) -> HandlerResult {
        ws.write_message("bye")?;
        ws.go_away();
        Ok(())
    }
}

fn polite() -> Application {
    Application::new().websocket("/echo", || Polite)
}

#[test]
fn a_handler_may_trust_other_origins() {
    let partner = format!("{VERSION}Origin: https://partner.example\r\n");
    check_refused(&refusal(polite, &partner), "101", "");
    let other = format!("{VERSION}Origin: https://other.example\r\n");
    check_refused(&refusal(polite, &other), "403", "");
}

#[test]
fn a_handler_is_told_that_the_server_stops() {
    let ioloop = squall_ioloop::IoLoop::new().unwrap();
    let server = polite().listen(&ioloop, "127.0.0.1:0").unwrap();
    let (mut ours, theirs) = memory::pair(&ioloop, memory::Options::default());
    server.serve_stream(theirs);
    let last = ioloop.run_until(async {
        ours.write(handshake("/echo", VERSION).as_bytes()).unwrap();
        ours.read_until(b"\r\n\r\n", 1024).await.unwrap();
        squall_ioloop::Handle::current().spawn_detached(async move {
            let _ = server.stop(Duration::from_secs(5)).await;
        });
        ours.read_bytes(9).await.unwrap()
    });
    assert_eq!(last.unwrap(), b"\x81\x03bye\x88\x02\x03\xe9");
}

fn asynchronous() -> Application {
    let route = Route::websocket_async("/room/{name}", WebSocketConfig::default(), |http| {
        let name = http.path_argument("name")?.into_owned();
        if name == "closed" {
            Err(HttpError::new(StatusCode::UNAUTHORIZED))?;
        }
        Ok(async move |ws: &mut WebSocketStream| {
            ws.write_message(&name)?;
            while let Some(message) = ws.next().await {
                if message == squall_web::OwnedMessage::Text("fail".into()) {
                    return Err("as ordered".into());
                }
                ws.send(&message).await?;
            }
            Ok(())
        })
    });
    Application::new().add_route(route)
}

#[test]
fn an_async_function_may_read_the_messages() {
    let mut client = connect(asynchronous);
    client
        .write_all(handshake("/room/red", VERSION).as_bytes())
        .unwrap();
    read_until(&mut client, b"\r\n\r\n");
    assert_eq!(read_until(&mut client, b"red"), b"\x81\x03red");
    client.write_all(&text_frame("hello")).unwrap();
    assert_eq!(read_until(&mut client, b"hello"), b"\x81\x05hello");
    client.write_all(&text_frame("fail")).unwrap();
    assert_eq!(read_until(&mut client, b"\x03\xf3"), b"\x88\x02\x03\xf3");
}

#[test]
fn an_async_function_may_be_refused_the_request() {
    let mut client = connect(asynchronous);
    client
        .write_all(handshake("/room/closed", VERSION).as_bytes())
        .unwrap();
    let head = String::from_utf8(read_until(&mut client, b"\r\n\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
}

#[test]
fn an_async_function_s_peer_is_told_that_the_server_stops() {
    let ioloop = squall_ioloop::IoLoop::new().unwrap();
    let server = asynchronous().listen(&ioloop, "127.0.0.1:0").unwrap();
    let (mut ours, theirs) = memory::pair(&ioloop, memory::Options::default());
    server.serve_stream(theirs);
    let report = ioloop.run_until(async {
        ours.write(handshake("/room/x", VERSION).as_bytes())
            .unwrap();
        ours.read_until(b"\r\n\r\n", 1024).await.unwrap();
        assert_eq!(ours.read_bytes(3).await.unwrap(), b"\x81\x01x");
        let stopping = squall_ioloop::Handle::current()
            .spawn(async move { server.stop(Duration::from_secs(5)).await });
        assert_eq!(ours.read_bytes(4).await.unwrap(), b"\x88\x02\x03\xe9");
        ours.write(b"\x88\x82\0\0\0\0\x03\xe9").unwrap();
        assert_eq!(ours.read_until_close(1).await.unwrap(), b"");
        drop(ours);
        stopping.await.unwrap()
    });
    let report = report.unwrap();
    assert_eq!((report.idle, report.finished, report.cut), (0, 1, 0));
}

#[cfg(feature = "deflate")]
mod deflate {
    use squall_web::Deflate;

    use super::*;

    fn compressing() -> Application {
        let config = WebSocketConfig::default().with_deflate(Some(Deflate::default()));
        Application::new().add_route(Route::websocket_with("/echo", config, |_| {
            Ok(Echo {
                greeting: "hi".repeat(1000),
            })
        }))
    }

    fn answer(offer: &str) -> Option<String> {
        let fields = format!("{VERSION}Sec-WebSocket-Extensions: {offer}\r\n");
        let head = refusal(compressing, &fields).to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        head.lines()
            .find_map(|line| line.strip_prefix("sec-websocket-extensions: "))
            .map(str::to_owned)
    }

    #[test]
    fn rfc7692_5_an_acceptable_offer_is_answered_and_others_are_declined() {
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let browser = "permessage-deflate; client_max_window_bits";
        assert_eq!(answer(browser).as_deref(), Some(both));
        for bad in [
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; unknown",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "x-webkit-deflate-frame",
        ] {
            assert_eq!(answer(bad), None, "{bad}");
        }
        assert_eq!(
            answer("permessage-deflate; unknown, permessage-deflate").as_deref(),
            Some(both)
        );
    }

    #[test]
    fn what_was_agreed_on_holds() {
        let mut client = connect(compressing);
        let fields = format!("{VERSION}Sec-WebSocket-Extensions: permessage-deflate\r\n");
        client
            .write_all(handshake("/echo", &fields).as_bytes())
            .unwrap();
        read_until(&mut client, b"\r\n\r\n");
        // 2,000 bytes in a few, and RSV1 says so.
        let mut header = [0; 2];
        client.read_exact(&mut header).unwrap();
        assert_eq!(header[0], 0xC1);
        let mut payload = vec![0; header[1].into()];
        assert!(payload.len() < 40);
        client.read_exact(&mut payload).unwrap();
        // "Hello" in RFC 7692, section 7.2.3.1, comes back as it is too short to be compressed.
        client
            .write_all(b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0")
            .unwrap();
        assert_eq!(read_until(&mut client, b"Hello"), b"\x81\x05Hello");
    }
}
