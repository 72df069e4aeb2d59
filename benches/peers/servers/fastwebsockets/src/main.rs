//! `peer-fastwebsockets PORT`: fastwebsockets behind hyper's upgrade, after its own examples.
//!
//! Echo on every target but `/broadcast`, where each message goes to all through tokio's own
//! broadcast channel, a task for each direction.

use std::error::Error;
use std::net::Ipv4Addr;

use bytes::Bytes;
use fastwebsockets::upgrade::{self, UpgradeFut};
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError,
};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, Sender};
use tokio::task;

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
            let service = service_fn(|request| accept(request, everyone.clone()));
            // A connection that breaks is of no interest here.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

async fn accept(
    mut request: Request<Incoming>,
    everyone: Sender<Bytes>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    match request.uri().path() {
        "/broadcast" => drop(tokio::spawn(broadcast(upgraded, everyone))),
        _ => drop(tokio::spawn(task::unconstrained(echo(upgraded)))),
    }
    Ok(response)
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn broadcast(upgraded: UpgradeFut, everyone: Sender<Bytes>) -> Result<(), WebSocketError> {
    let (reader, mut writer) = upgraded.await?.split(tokio::io::split);
    let mut reader = FragmentCollectorRead::new(reader);
    let mut messages = everyone.subscribe();
    tokio::spawn(async move {
        while let Ok(message) = messages.recv().await {
            let frame = Frame::text(Payload::Borrowed(&message));
            if writer.write_frame(frame).await.is_err() {
                return;
            }
        }
    });
    loop {
        // The generator sends no pings, so nothing is owed while reading.
        let frame = reader
            .read_frame::<_, WebSocketError>(&mut async |_| Ok(()))
            .await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            // There is always one receiver: this connection's writer.
            OpCode::Text => drop(everyone.send(Bytes::copy_from_slice(&frame.payload))),
            _ => {}
        }
    }
}
