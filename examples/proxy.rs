//! A TCP proxy: what comes to a port goes to a target, and back.
//!
//! Run `cargo run --release --example proxy -- 8889 127.0.0.1:8888` in front of something that
//! listens on 8888, or with the path of a Unix socket as the target. Bulk is moved by the system
//! (`splice`) and never seen by this process; see `relay` for what else it promises.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use squall::ioloop::{Handle, IoLoop, with_timeout};
use squall::iostream::{IoStream, ListenerOptions, RelayOptions, TcpListener, relay};

/// How long the target may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where connections go.
#[derive(Clone, Debug)]
enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: proxy LISTEN_PORT TARGET (host:port, or a path)".into());
    };
    let target = Target::parse(&target)?;

    let ioloop = IoLoop::new()?;
    let address = ("127.0.0.1", port.parse::<u16>()?);
    let listener = TcpListener::bind(address, &ListenerOptions::default())?;
    println!("{} -> {target:?}", listener.local_addr()?);
    let handle = ioloop.handle().clone();
    let _listening = listener.accept_with(&ioloop, move |client, peer| {
        let (ioloop, target) = (handle.clone(), target.clone());
        handle.spawn_detached(async move {
            // One peer's trouble is one line, and the next peer is served.
            match serve(&ioloop, client, &target).await {
                Ok(end) => println!("{peer}: {end}"),
                Err(error) => println!("{peer}: the target cannot be reached: {error}"),
            }
        });
    })?;
    ioloop.run()?;
    Ok(())
}

/// Connects to the target and relays; says how it ended.
async fn serve(ioloop: &Handle, client: IoStream, target: &Target) -> io::Result<String> {
    let server = with_timeout(PATIENCE, target.connect(ioloop)).await??;
    let relayed = relay(client, server, &RelayOptions::default()).await;
    Ok(relayed.map_or_else(
        |error| error.to_string(),
        |relayed| format!("{} bytes there, {} back", relayed.a_to_b, relayed.b_to_a),
    ))
}

impl Target {
    fn parse(text: &str) -> io::Result<Self> {
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        let mut addresses = text.to_socket_addrs()?;
        let address = addresses.next().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self::Tcp(address))
    }

    async fn connect(&self, ioloop: &Handle) -> io::Result<IoStream> {
        match self {
            Self::Tcp(address) => IoStream::connect(ioloop, *address).await,
            Self::Unix(path) => IoStream::connect_unix(ioloop, &**path).await,
        }
    }
}
