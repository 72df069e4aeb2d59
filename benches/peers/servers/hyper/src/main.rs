//! `peer-hyper PORT [1 CERTIFICATE KEY]`: hyper 1 by hand, on tokio's single-threaded runtime; with
//! files of PEM through tokio-rustls.
//!
//! Answers to pipelined requests are flushed together (`pipeline_flush`), which hyper does not do
//! by itself.

use std::convert::Infallible;
use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let port: u16 = words
        .first()
        .ok_or("usage: PORT [1 CERTIFICATE KEY]")?
        .parse()?;
    let tls = match words.get(2..4) {
        Some([certificate, key]) => Some(acceptor(certificate, key)?),
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(serve(port, tls))
}

/// With tickets, which rustls does not send unasked.
fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate)?.collect();
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain?, key)?;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config).into())
}

async fn serve(port: u16, tls: Option<TlsAcceptor>) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let tls = tls.clone();
        // A connection that breaks is of no interest here.
        tokio::spawn(async move {
            match tls {
                None => connection(stream).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let _ = http1::Builder::new()
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
}

/// What `/letters/N` begins with: the generator has the same.
static LETTERS: LazyLock<Bytes> = LazyLock::new(|| {
    let letter = |at: usize| b'a' + ((at + at / 26 + at / 997) % 26) as u8;
    (0..1 << 20).map(letter).collect()
});

fn letters(count: &str) -> Option<Bytes> {
    let count = count.parse::<usize>().ok()?;
    (count <= LETTERS.len()).then(|| LETTERS.slice(..count))
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.uri().path();
    let (content_type, content) = match (request.method(), target) {
        (&Method::GET, "/") => ("text/plain", Bytes::from_static(b"Hello, World!")),
        (&Method::GET, "/json") => {
            let message = Message {
                message: "Hello, World!",
            };
            let content = serde_json::to_vec(&message).unwrap_or_default();
            ("application/json", content.into())
        }
        (&Method::GET, _) if target.starts_with("/user/") => {
            let id = &target["/user/".len()..];
            ("text/plain", Bytes::copy_from_slice(id.as_bytes()))
        }
        (&Method::GET, _) if target.starts_with("/letters/") => {
            match letters(&target["/letters/".len()..]) {
                Some(letters) => ("text/plain", letters),
                None => return Ok(refuse(StatusCode::NOT_FOUND)),
            }
        }
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(content) => ("application/octet-stream", content.to_bytes()),
            Err(_) => return Ok(refuse(StatusCode::BAD_REQUEST)),
        },
        _ => return Ok(refuse(StatusCode::NOT_FOUND)),
    };
    let mut response = Response::new(Full::new(content));
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

fn refuse(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
