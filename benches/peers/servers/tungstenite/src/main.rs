//! `peer-tungstenite PORT`: tokio-tungstenite on tokio's single-threaded runtime.
//!
//! Echo on every target but `/broadcast`, where each message goes to all through tokio's own
//! broadcast channel.

use std::error::Error;
use std::net::Ipv4Addr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, Sender};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(serve(port))
}

async fn serve(port: u16) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let (everyone, _) = broadcast::channel(1024);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let everyone = everyone.clone();
        tokio::spawn(async move {
            // A connection that breaks is of no interest here.
            let _ = accept(stream, everyone).await;
        });
    }
}

async fn accept(stream: TcpStream, everyone: Sender<Message>) -> tungstenite::Result<()> {
    let mut is_broadcast = false;
    #[expect(
        clippy::result_large_err,
        reason = "the callback's type is tungstenite's"
    )]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        is_broadcast = request.uri().path() == "/broadcast";
        Ok(response)
    };
    let socket = accept_hdr_async(stream, look).await?;
    match is_broadcast {
        true => broadcast(socket, everyone).await,
        false => echo(socket).await,
    }
}

async fn echo(mut socket: WebSocketStream<TcpStream>) -> tungstenite::Result<()> {
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn broadcast(
    mut socket: WebSocketStream<TcpStream>,
    everyone: Sender<Message>,
) -> tungstenite::Result<()> {
    let mut messages = everyone.subscribe();
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(message) => {
                    let message = message?;
                    if message.is_text() || message.is_binary() {
                        // There is always one receiver: this one.
                        let _ = everyone.send(message);
                    }
                }
                None => return Ok(()),
            },
            sent = messages.recv() => match sent {
                Ok(message) => socket.send(message).await?,
                Err(_) => return Ok(()),
            },
        }
    }
}
