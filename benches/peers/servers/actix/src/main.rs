//! `peer-actix PORT [1 CERTIFICATE KEY]`: actix-web and actix-ws with one worker; with files of PEM
//! through actix's own rustls.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

use actix_web::web::{self, Bytes, Json, Path, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt};
use actix_ws::Message;
use futures_util::StreamExt as _;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let port: u16 = words
        .first()
        .ok_or("usage: PORT [1 CERTIFICATE KEY]")?
        .parse()?;
    let app = || {
        App::new()
            .route("/", web::get().to(async || "Hello, World!"))
            .route("/json", web::get().to(json))
            .route("/user/{id}", web::get().to(user))
            .route("/letters/{count}", web::get().to(letters))
            .route("/echo", web::post().to(async |content: Bytes| content))
            .route("/ws", web::get().to(upgrade))
    };
    let server = HttpServer::new(app).workers(1).tcp_nodelay(true);
    let address = (Ipv4Addr::LOCALHOST, port);
    let server = match words.get(2..4) {
        Some([certificate, key]) => server.bind_rustls_0_23(address, tls(certificate, key)?)?,
        _ => server.bind(address)?,
    };
    server.run().await?;
    Ok(())
}

/// With tickets, which rustls does not send unasked.
fn tls(certificate: &str, key: &str) -> Result<ServerConfig, Box<dyn Error>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate)?.collect();
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain?, key)?;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

/// What `/letters/N` begins with: the generator has the same.
static LETTERS: LazyLock<Bytes> = LazyLock::new(|| {
    let letter = |at: usize| b'a' + ((at + at / 26 + at / 997) % 26) as u8;
    (0..1 << 20).map(letter).collect()
});

async fn letters(count: Path<usize>) -> HttpResponse {
    match count.into_inner() {
        count if count <= LETTERS.len() => HttpResponse::Ok()
            .content_type("text/plain")
            .body(LETTERS.slice(..count)),
        _ => HttpResponse::NotFound().finish(),
    }
}

async fn json() -> Json<Greeting> {
    Json(Greeting {
        message: "Hello, World!",
    })
}

async fn user(id: Path<String>) -> String {
    id.into_inner()
}

async fn upgrade(request: HttpRequest, content: Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, content)?;
    rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let echoed = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Ping(bytes) => session.pong(&bytes).await,
                Message::Close(_) => break,
                _ => Ok(()),
            };
            if echoed.is_err() {
                return;
            }
        }
        let _ = session.close(None).await;
    });
    Ok(response)
}
