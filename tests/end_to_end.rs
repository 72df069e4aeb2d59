//! The whole stack from outside: an application on a port, and clients that know only bytes.
//!
//! Each test is one visit: what it sends is written out, and what it gets is compared as it came.
//! The layers have their own tests for every corner; here they meet. What real clients make of it
//! is in `tests/clients`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic;
use std::thread;
use std::time::Duration;

use squall::httpserver::HttpServer;
use squall::ioloop::{IoLoop, Remote};
use squall::web::{
    Application, Exchange, HandlerResult, Message, RequestHandler, Result, WebSocket,
    WebSocketHandler,
};

/// Nothing here takes long; who waits for this waits for what does not come.
const PATIENCE: Duration = Duration::from_secs(10);

struct Hello;

impl RequestHandler for Hello {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.write("Hello, World!")
    }
}

struct Echo;

impl RequestHandler for Echo {
    async fn post(&mut self, http: &Exchange) -> Result {
        http.write(http.content().await?)
    }
}

impl WebSocketHandler for Echo {
    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        Ok(ws.write_message(message)?)
    }
}

fn application() -> Application {
    Application::new()
        .route("/", || Hello)
        .route("/echo", || Echo)
        .get("/hello/{name}", async |http| {
            http.write("Hello, ")?;
            http.write(http.path_argument("name")?)
        })
        .get("/panic", async |_| panic!("a handler with a bug"))
        .websocket("/ws", || Echo)
}

#[test]
fn get_is_answered_with_a_head_and_the_content() {
    visit(|client| {
        client.send("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        let answer = client.receive();
        assert_eq!(answer.status_line, "HTTP/1.1 200 OK");
        assert_eq!(answer.field("Content-Length"), Some("13"));
        assert_eq!(
            answer.field("Content-Type"),
            Some("text/html; charset=UTF-8")
        );
        assert!(
            answer
                .field("Date")
                .is_some_and(|date| date.ends_with(" GMT"))
        );
        assert_eq!(answer.content, b"Hello, World!");
    });
}

#[test]
fn head_is_answered_as_get_without_the_content() {
    visit(|client| {
        client.send("HEAD / HTTP/1.1\r\nHost: here\r\n\r\n");
        let answer = client.receive_head();
        assert_eq!(answer.status_line, "HTTP/1.1 200 OK");
        assert_eq!(answer.field("Content-Length"), Some("13"));
        // What comes next is the next answer: no content was between them.
        client.send("GET /hello/you HTTP/1.1\r\nHost: here\r\n\r\n");
        assert_eq!(client.receive().content, b"Hello, you");
    });
}

#[test]
fn a_path_without_a_route_is_answered_404() {
    visit(|client| {
        client.send("GET /nowhere HTTP/1.1\r\nHost: here\r\n\r\n");
        let answer = client.receive();
        assert_eq!(answer.status_line, "HTTP/1.1 404 Not Found");
        assert!(answer.text().contains("404"));
        assert!(!answer.text().contains("nowhere"), "a path is not echoed");
    });
}

#[test]
fn a_method_without_a_handler_is_answered_405_with_those_there_are() {
    visit(|client| {
        client.send("DELETE / HTTP/1.1\r\nHost: here\r\n\r\n");
        let answer = client.receive();
        assert_eq!(answer.status_line, "HTTP/1.1 405 Method Not Allowed");
        assert_eq!(answer.field("Allow"), Some("GET, HEAD, OPTIONS"));
    });
}

#[test]
fn content_comes_back_whether_its_length_was_said_or_not() {
    visit(|client| {
        client.send("POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.receive().content, b"hello");
        client.send("POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send("3\r\nin \r\n6;why=not\r\nchunks\r\n0\r\nChecksum: none\r\n\r\n");
        assert_eq!(client.receive().content, b"in chunks");
    });
}

#[test]
fn content_is_asked_for_when_a_client_waits_with_it() {
    visit(|client| {
        client.send("POST /echo HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n");
        client.send("Content-Length: 5\r\n\r\n");
        assert_eq!(client.receive_head().status_line, "HTTP/1.1 100 Continue");
        client.send("hello");
        assert_eq!(client.receive().content, b"hello");
    });
}

#[test]
fn requests_in_one_write_are_answered_in_their_order() {
    visit(|client| {
        client.send(
            "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\none\
             GET /hello/two HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(client.receive().content, b"one");
        let second = client.receive();
        assert_eq!(second.content, b"Hello, two");
        assert_eq!(second.field("Connection"), Some("close"));
        assert_eq!(client.rest(), b"");
    });
}

#[test]
fn a_panic_costs_its_request_and_no_other() {
    visit(|client| {
        client.send("GET /panic HTTP/1.1\r\nHost: here\r\n\r\n");
        let answer = client.receive();
        assert_eq!(answer.status_line, "HTTP/1.1 500 Internal Server Error");
        assert!(
            !answer.text().contains("bug"),
            "what went wrong is not for clients"
        );

        let mut other = client.another();
        other.send("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        assert_eq!(other.receive().content, b"Hello, World!");
    });
}

#[test]
fn a_request_of_two_meanings_is_refused_and_the_connection_closed() {
    visit(|client| {
        // RFC 9112, section 6.3: the beginning of a smuggled request.
        client.send("POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n");
        client.send("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        let answer = client.receive();
        assert_eq!(answer.status_line, "HTTP/1.1 400 Bad Request");
        assert_eq!(answer.field("Connection"), Some("close"));
        assert_eq!(client.rest(), b"");
    });
}

#[test]
fn a_websocket_opens_echoes_and_closes() {
    visit(|client| {
        // The key, its answer and the masked "Hello" of RFC 6455, sections 1.3 and 5.7.
        client.send(
            "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        let answer = client.receive_head();
        assert_eq!(answer.status_line, "HTTP/1.1 101 Switching Protocols");
        let accept = answer.field("Sec-WebSocket-Accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));

        let hello = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        client.send(hello);
        assert_eq!(client.take(7), b"\x81\x05Hello");

        // A ping of two bytes, masked with zeros; then the closing handshake, code 1000.
        client.send([0x89, 0x82, 0, 0, 0, 0, b'h', b'i']);
        assert_eq!(client.take(4), b"\x8a\x02hi");
        client.send([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
        assert_eq!(client.take(4), b"\x88\x02\x03\xe8");
        assert_eq!(client.rest(), b"");
    });
}

#[test]
fn a_server_that_stops_says_1001_to_its_websockets() {
    let after = serve(|address| {
        let mut client = Client::new(address);
        client.send(
            "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        client.receive_head();
        // Now the server stops, while this thread listens on.
        thread::spawn(move || {
            let going_away = client.take(4);
            client.send([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]);
            (going_away, client.rest())
        })
    });
    let (going_away, rest) = after.join().expect("a client that got what it waited for");
    assert_eq!(going_away, b"\x88\x02\x03\xe9");
    assert_eq!(rest, b"");
}

/// A server for one client, which then closes.
fn visit(client: impl FnOnce(&mut Client) + Send + 'static) {
    serve(|address| client(&mut Client::new(address)));
}

/// Serves the application on this thread until `client` returns on another one; then drains.
fn serve<T: Send + 'static>(client: impl FnOnce(SocketAddr) -> T + Send + 'static) -> T {
    let ioloop = IoLoop::new().expect("a loop");
    let server = HttpServer::new(&ioloop, application().into_service());
    let address = server.listen("127.0.0.1:0").expect("a free port");
    let stop = StopAtEnd(ioloop.remote());
    let client = thread::spawn(move || {
        let _stop = stop;
        client(address)
    });
    ioloop.run().expect("a loop that runs");
    ioloop
        .run_until(server.stop(PATIENCE))
        .expect("a loop that drains");
    match client.join() {
        Ok(result) => result,
        Err(panic) => panic::resume_unwind(panic),
    }
}

/// Stops the loop when the client is done, also if it has failed.
struct StopAtEnd(Remote);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        // The loop outlives this thread, so the post arrives.
        let _ = self.0.add_callback(|ioloop| ioloop.stop());
    }
}

/// A connection, and what is read from it.
struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

struct Answer {
    status_line: String,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a server");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        let stream = BufReader::new(stream);
        Self { stream, address }
    }

    fn another(&self) -> Self {
        Self::new(self.address)
    }

    fn send(&self, bytes: impl AsRef<[u8]>) {
        let mut stream = self.stream.get_ref();
        stream.write_all(bytes.as_ref()).expect("a peer that reads");
    }

    /// An answer with the content that its head announces.
    fn receive(&mut self) -> Answer {
        let mut answer = self.receive_head();
        let length = answer.field("Content-Length").map(str::parse);
        let length = length.expect("a length").expect("a number");
        answer.content = self.take(length);
        answer
    }

    /// An answer that ends with its head.
    fn receive_head(&mut self) -> Answer {
        let status_line = self.line();
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a field");
            fields.push((name.to_owned(), value.to_owned()));
        }
        Answer {
            status_line,
            fields,
            content: Vec::new(),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.strip_suffix("\r\n").expect("a whole line").to_owned()
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("as many bytes");
        bytes
    }

    /// All that comes until the server closes.
    fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).expect("an orderly end");
        bytes
    }
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let (_, value) = fields.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}
