//! Lines that come back, over TLS; and a client that says one. Make a certificate for it,
//!
//! ```console
//! $ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
//!     -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
//! ```
//!
//! run `cargo run --release --features tls --example tls_echo -- 8443 cert.pem key.pem`, and talk
//! to it with openssl or with itself:
//!
//! ```console
//! $ openssl s_client -connect localhost:8443 -CAfile cert.pem -alpn echo
//! $ cargo run --release --features tls --example tls_echo -- connect localhost 8443 cert.pem
//! ```
//!
//! A fourth argument of the server is a file of authorities: clients have to show a certificate of
//! one of them (the client's fourth and fifth are its certificate and key). When the files change,
//! the server reads them again, and nobody is disconnected.

use std::env;
use std::error::Error;
use std::fs;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use squall::ioloop::{Handle, IoLoop};
use squall::iostream::tls::{ClientConfig, Pem, ServerConfig, TlsAcceptor, TlsInfo};
use squall::iostream::{IoStream, ListenerOptions, StreamError, TcpListener};

const LINE_BYTES_MAX: usize = 64 * 1024;
/// How long a peer may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["connect", host, port, authority, ref own @ ..] => {
            connect(host, port.parse()?, authority, own)
        }
        [port, chain, key, ref authority @ ..] => serve(port.parse()?, chain, key, authority),
        _ => Err("PORT CERTIFICATE KEY [AUTHORITY], or connect HOST PORT AUTHORITY".into()),
    }
}

// ---- the server

fn serve(port: u16, chain: &str, key: &str, authority: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut config = ServerConfig::new()
        .certificate(Pem::file(chain), Pem::file(key))
        .alpn(["echo"]);
    if let [authority] = authority {
        config = config.require_client_certificate(Pem::file(*authority));
    }
    let acceptor = config.build()?;
    let ioloop = IoLoop::new()?;
    let files = [chain, key].into_iter().chain(authority.iter().copied());
    watch(
        ioloop.handle().clone(),
        acceptor.clone(),
        files.map(PathBuf::from).collect(),
    );

    let handle = ioloop.handle().clone();
    let listener = TcpListener::bind(("127.0.0.1", port), &ListenerOptions::default())?;
    let _listening = listener.accept_with(&ioloop, move |stream, peer| {
        let acceptor = acceptor.clone();
        handle.spawn_detached(async move {
            let stream = match acceptor.accept(stream).await {
                Ok(stream) => stream,
                Err(error) => return println!("{peer}: {error}"),
            };
            if let Some(info) = stream.tls() {
                println!("{peer}: {}", described(&info));
            }
            match echo(stream).await {
                Ok(()) => println!("{peer}: has said all"),
                Err(error) => println!("{peer}: {error}"),
            }
        });
    })?;
    ioloop.run()?;
    Ok(())
}

/// Lines, until the peer says that there are no more: then so do we.
async fn echo(mut stream: IoStream) -> Result<(), StreamError> {
    loop {
        stream.set_deadline(Some(PATIENCE));
        match stream.read_until(b"\n", LINE_BYTES_MAX).await {
            Ok(line) => stream.write(&line)?,
            Err(StreamError::Closed(closed)) if closed.cause().is_none() => break,
            Err(error) => return Err(error),
        }
        stream.drained(LINE_BYTES_MAX).await?;
    }
    stream.shutdown_write().await
}

/// Looks once a second whether a file has changed. A certificate and its key change one after the
/// other; until both have, the reload fails, and the old ones stay.
fn watch(ioloop: Handle, acceptor: TlsAcceptor, files: Vec<PathBuf>) {
    let files: Rc<[PathBuf]> = files.into();
    let known = times(&files);
    look(ioloop, acceptor, files, known);
}

fn look(ioloop: Handle, acceptor: TlsAcceptor, files: Rc<[PathBuf]>, known: Times) {
    let handle = ioloop.clone();
    ioloop.call_later(Duration::from_secs(1), move || {
        let now = times(&files);
        let is_changed = now != known;
        let known = match is_changed.then(|| acceptor.reload()) {
            Some(Ok(())) => {
                println!("the certificates were read again");
                now
            }
            Some(Err(error)) => {
                println!("the old certificates stay: {error}");
                known
            }
            None => known,
        };
        look(handle, acceptor, files, known);
    });
}

type Times = Vec<Option<SystemTime>>;

fn times(files: &[PathBuf]) -> Times {
    let changed = |path| fs::metadata(path).and_then(|metadata| metadata.modified());
    files.iter().map(|path| changed(path).ok()).collect()
}

// ---- the client

fn connect(host: &str, port: u16, authority: &str, own: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut config = ClientConfig::new()
        .root_certificates(Pem::file(authority))
        .alpn(["echo"]);
    if let [chain, key] = own {
        config = config.certificate(Pem::file(*chain), Pem::file(*key));
    }
    let connector = config.build()?;
    let ioloop = IoLoop::new()?;
    let mut addresses = (host, port).to_socket_addrs()?;
    let address = addresses.find(|address| address.is_ipv4());
    let address = address.ok_or("there is no such host")?;
    ioloop.run_until(async {
        let stream = IoStream::connect(&ioloop, address).await?;
        let mut stream = connector.connect(stream, host).await?;
        if let Some(info) = stream.tls() {
            println!("{}", described(&info));
        }
        stream.set_deadline(Some(PATIENCE));
        stream.write(b"hello\n")?;
        let line = stream.read_until(b"\n", LINE_BYTES_MAX).await?;
        print!("{}", String::from_utf8_lossy(&line));
        stream.shutdown_write().await?;
        Ok(())
    })?
}

fn described(info: &TlsInfo) -> String {
    let alpn = info.alpn.as_deref().unwrap_or(b"nothing");
    format!(
        "{} with {}, agreed upon {}, {}, {} certificates of the peer",
        info.version,
        info.cipher_suite,
        alpn.escape_ascii(),
        if info.is_resumed { "resumed" } else { "new" },
        info.peer_certificates.len(),
    )
}
