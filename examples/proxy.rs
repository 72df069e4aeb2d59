//! A TCP proxy: what comes to a port goes to a target, and back.
//!
//! Run `cargo run --release --example proxy -- 8889 127.0.0.1:8888` in front of something that
//! listens on 8888, or with the path of a Unix socket as the target. Bulk is moved by the system
//! (`splice`) and never seen by this process; see `relay` for what else it promises.

use std::error::Error;
use std::time::Duration;

use squall::ioloop::IoLoop;
use squall::iostream::{
    IoStream, Listener, ListenerOptions, RelayOptions, Target, TcpClient, relay,
};

/// How long the target may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: proxy LISTEN_PORT TARGET (host:port, or a path)".into());
    };
    let target: Target = target.parse()?;

    let ioloop = IoLoop::new()?;
    let address = ("127.0.0.1", port.parse::<u16>()?);
    let listener = Listener::bind(address, &ListenerOptions::default())?;
    println!("{} -> {target}", listener.local_addr()?);
    let client = TcpClient::new(&ioloop).timeout_connect(PATIENCE);
    let handle = ioloop.handle().clone();
    let _listening = listener.accept_with(&ioloop, move |stream, peer| {
        let (client, target) = (client.clone(), target.clone());
        handle.spawn_detached(async move {
            // One peer's trouble is one line, and the next peer is served.
            println!("{peer}: {}", serve(stream, &client, target).await);
        });
    })?;
    ioloop.run()?;
    Ok(())
}

/// Connects to the target and relays; says how it ended.
async fn serve(stream: IoStream, client: &TcpClient, target: Target) -> String {
    let server = match client.connect(target).await {
        Ok(server) => server,
        Err(error) => return error.to_string(),
    };
    match relay(stream, server, &RelayOptions::default()).await {
        Ok(relayed) => format!("{} bytes there, {} back", relayed.a_to_b, relayed.b_to_a),
        Err(error) => error.to_string(),
    }
}
