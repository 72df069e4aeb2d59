//! `peer-axum PORT`: axum as its documentation shows it, on tokio's single-threaded runtime.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(port))
}

async fn serve(port: u16) -> Result<(), Box<dyn Error>> {
    let router = Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/json", get(json))
        .route("/user/{id}", get(|Path(id): Path<String>| async { id }))
        .route("/echo", post(|content: Bytes| async { content }))
        .route("/ws", any(upgrade));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn json() -> Json<Greeting> {
    Json(Greeting {
        message: "Hello, World!",
    })
}

async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let echoed = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            _ => Ok(()),
        };
        if echoed.is_err() {
            return;
        }
    }
}
