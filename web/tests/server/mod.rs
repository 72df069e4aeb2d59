//! An application on a port of its own, asked over a plain socket: what a test sees is what a
//! client would see, byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use squall_httpserver::HttpServer;
use squall_ioloop::IoLoop;
use squall_web::Application;

/// Sends a request of this line and gives back all that comes.
pub(crate) fn ask(application: fn() -> Application, request_line: &str) -> String {
    raw(
        application,
        &format!("{request_line}\r\nHost: test\r\nConnection: close\r\n\r\n"),
    )
}

pub(crate) fn get(application: fn() -> Application, target: &str) -> String {
    ask(application, &format!("GET {target} HTTP/1.1"))
}

pub(crate) fn post(
    application: fn() -> Application,
    target: &str,
    content_type: &str,
    content: &str,
) -> String {
    let length = content.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    raw(application, &(head + content))
}

/// Sends these bytes and gives back all that comes.
pub(crate) fn raw(application: fn() -> Application, request: &str) -> String {
    let mut client = connect(application);
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // An answer that was broken off may end in a reset; what came before it counts.
    let _ = client.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// A connection to the application, which runs on a thread and a loop of its own until the test
/// process ends.
pub(crate) fn connect(application: fn() -> Application) -> TcpStream {
    let (sender, receiver) = mpsc::channel::<SocketAddr>();
    thread::spawn(move || {
        let ioloop = IoLoop::new().unwrap();
        let server = HttpServer::new(&ioloop, application().into_service());
        sender.send(server.listen("127.0.0.1:0").unwrap()).unwrap();
        ioloop.run().unwrap();
    });
    let client = TcpStream::connect(receiver.recv().unwrap()).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    client
}
