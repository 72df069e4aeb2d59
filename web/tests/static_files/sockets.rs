//! A file through a real socket, where the system sends it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use squall_httpserver::HttpServer;
use squall_ioloop::IoLoop;
use squall_web::{Application, StaticFiles};

use crate::site::Folder;

/// More than a socket takes at once.
const LENGTH: usize = 5_000_000;

#[test]
fn a_large_file_arrives_whole_and_in_parts_on_one_connection() {
    let folder = Folder::new();
    let content: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
    folder.write("large.bin", &content);
    let files = StaticFiles::new(folder.path()).hash_bytes_max(0);
    let application = Application::new().static_files("/", files);
    let ioloop = IoLoop::new().unwrap();
    let server = HttpServer::new(&ioloop, application.into_service());
    let address = server.listen("127.0.0.1:0").unwrap();
    let stop = ioloop.remote();
    let client = thread::spawn(move || {
        let requests = [
            ("GET", "", 0..LENGTH),
            ("HEAD", "", 0..0),
            ("GET", "Range: bytes=-3\r\n", LENGTH - 3..LENGTH),
            (
                "GET",
                "Range: bytes=1000000-3999999\r\n",
                1_000_000..4_000_000,
            ),
            ("GET", "Connection: close\r\n", 0..LENGTH),
        ];
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        for (method, fields, range) in requests {
            let request = format!("{method} /large.bin HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let head = read_head(&mut stream);
            let length = if method == "HEAD" {
                LENGTH
            } else {
                range.len()
            };
            assert!(
                head.contains(&format!("\r\ncontent-length: {length}\r\n")),
                "{head}"
            );
            let mut received = vec![0; range.len()];
            stream.read_exact(&mut received).unwrap();
            assert!(received == content[range], "{method} {fields}");
        }
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        // The loop outlives this thread, so the post arrives.
        stop.add_callback(|ioloop| ioloop.stop()).unwrap();
    });
    ioloop.run().unwrap();
    client.join().unwrap();
    ioloop
        .run_until(server.stop(Duration::from_secs(1)))
        .unwrap();
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
