//! `peer-hyper PORT`: hyper 1 by hand, on tokio's single-threaded runtime.
//!
//! Answers to pipelined requests are flushed together (`pipeline_flush`), which hyper does not do
//! by itself.

use std::convert::Infallible;
use std::error::Error;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpListener;

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(serve(port))
}

async fn serve(port: u16) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A connection that breaks is of no interest here.
            let _ = http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
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
