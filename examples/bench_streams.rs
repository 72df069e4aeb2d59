//! The streams that `benches/peers` measures, as an application would use them: bytes that come
//! back, files, and HTTP through TLS.
//!
//! Run `cargo run --release --features tls --example bench_streams -- PORT MODE`, where `MODE` is
//!
//! | mode | what is served |
//! |---|---|
//! | `echo` | bytes come back |
//! | `echo PORT CERTIFICATE KEY` | the same, and on the other port what `https` serves |
//! | `https CERTIFICATE KEY` | `/`, `/echo` and `/letters/N` (N bytes, up to 1 MiB) through TLS |
//! | `files FOLDER` | the files of a folder and those below, by `GET` and nothing else |
//!
//! The files are served by the least of a server that HTTP allows, to show what the streams cost;
//! do not run it on a network.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use squall::httpserver::HttpServer;
use squall::ioloop::{Handle, IoLoop};
use squall::iostream::tls::{Pem, ServerConfig};
use squall::iostream::{IoStream, Listener, ListenerOptions, Listening, Step, StreamError};
use squall::web::{
    Application, Exchange, HeaderValue, HttpError, RequestHandler, Result, StatusCode,
    header::CONTENT_TYPE,
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench_streams: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> std::result::Result<(), Box<dyn Error>> {
    let ioloop = IoLoop::new()?;
    let _listening = match *words {
        [port, "echo"] => vec![serve(&ioloop, port, echo)?],
        [port, "echo", port_tls, certificate, key] => vec![
            serve(&ioloop, port, echo)?,
            serve_https(&ioloop, port_tls, certificate, key)?,
        ],
        [port, "https", certificate, key] => vec![serve_https(&ioloop, port, certificate, key)?],
        [port, "files", folder] => {
            let files = Rc::new(open_all(Path::new(folder))?);
            vec![serve(&ioloop, port, move |stream| {
                send_files(stream, files.clone())
            })?]
        }
        _ => return Err("PORT echo|https|files, and what belongs to it".into()),
    };
    ioloop.run()?;
    Ok(())
}

/// Accepts on the loopback address, a task for each connection.
fn serve<F>(
    ioloop: &Handle,
    port: &str,
    task: impl Fn(IoStream) -> F + 'static,
) -> std::result::Result<Listening, Box<dyn Error>>
where
    F: Future<Output = std::result::Result<(), StreamError>> + 'static,
{
    let handle = ioloop.clone();
    let listener = Listener::bind(("127.0.0.1", port.parse()?), &ListenerOptions::default())?;
    let listening = listener.accept_with(ioloop, move |stream, _| {
        let task = task(stream);
        // A connection that breaks is of no interest here.
        handle.spawn_detached(async move { drop(task.await) });
    })?;
    Ok(listening)
}

// ---- bytes that come back

/// Whoever does not read what comes back is not read from.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

async fn echo(mut stream: IoStream) -> std::result::Result<(), StreamError> {
    let writer = stream.handle();
    loop {
        // The bytes are lent from the loop's receive buffer; what waits to be sent is sent before
        // the stream waits for more.
        stream
            .decode(|unread| {
                writer.write_with(|unsent| unsent.extend_from_slice(unread))?;
                Ok::<_, StreamError>(Step::Done(unread.len(), ()))
            })
            .await?;
        stream.drained(UNSENT_BYTES_MAX).await?;
    }
}

// ---- HTTP through TLS

const LETTERS_MAX: usize = 1 << 20;

fn serve_https(
    ioloop: &Handle,
    port: &str,
    certificate: &str,
    key: &str,
) -> std::result::Result<Listening, Box<dyn Error>> {
    let acceptor = ServerConfig::new()
        .certificate(Pem::file(certificate), Pem::file(key))
        .alpn(["http/1.1"])
        .build()?;
    let letter = |at: usize| b'a' + ((at + at / 26 + at / 997) % 26) as u8;
    let letters: Bytes = (0..LETTERS_MAX).map(letter).collect();
    let application = Application::new()
        .route("/", || Greeting)
        .route("/echo", || Upload)
        .route("/letters/{count}", move || Letters(letters.clone()));
    let server = Rc::new(HttpServer::new(ioloop, application.into_service()));
    serve(ioloop, port, move |stream| {
        let (acceptor, server) = (acceptor.clone(), server.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                server.serve_stream(stream);
            }
            Ok(())
        }
    })
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

struct Greeting;

impl RequestHandler for Greeting {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.set_header(CONTENT_TYPE, TEXT)?;
        http.write("Hello, World!")
    }
}

struct Upload;

impl RequestHandler for Upload {
    async fn post(&mut self, http: &Exchange) -> Result {
        http.set_header(CONTENT_TYPE, TEXT)?;
        http.write(http.content().await?)
    }
}

struct Letters(Bytes);

impl RequestHandler for Letters {
    async fn get(&mut self, http: &Exchange) -> Result {
        let count: usize = http.path_argument("count")?.parse().unwrap_or(usize::MAX);
        if count > self.0.len() {
            return Err(HttpError::new(StatusCode::NOT_FOUND).into());
        }
        http.set_header(CONTENT_TYPE, TEXT)?;
        http.write(self.0.slice(..count))
    }
}

// ---- files

const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How long a peer may be silent, or not take what it is sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// By target, with their lengths: open once and for all.
type Files = HashMap<String, (Arc<File>, u64)>;

fn open_all(root: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(root) {
                let file = File::open(&path)?;
                let length = file.metadata()?.len();
                files.insert(format!("/{}", name.display()), (Arc::new(file), length));
            }
        }
    }
    Ok(files)
}

async fn send_files(
    mut stream: IoStream,
    files: Rc<Files>,
) -> std::result::Result<(), StreamError> {
    loop {
        stream.set_deadline(Some(PATIENCE));
        let head = stream.read_until(b"\r\n\r\n", HEAD_BYTES_MAX).await?;
        let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let Some((file, length)) = std::str::from_utf8(target)
            .ok()
            .and_then(|target| files.get(target))
        else {
            stream.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write(head.as_bytes())?;
        stream.send_file(file.clone(), 0, *length)?;
        stream.drained(0).await?;
    }
}
