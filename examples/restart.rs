//! A server that is replaced by the next one without a request being lost: start it again with the
//! same arguments, and the new process takes the listening socket over from the old one, which
//! serves those it has to the end and exits.
//!
//! ```console
//! $ cargo run --release --example restart -- 8888 /tmp/restart.socket &
//! $ curl localhost:8888
//! Hello from process 4711
//! $ cargo run --release --example restart -- 8888 /tmp/restart.socket &
//! process 4711: 0 requests were cut, 1 connections were idle
//! $ curl localhost:8888
//! Hello from process 4715
//! ```
//!
//! The path is where the two meet; only processes of the same user can. A third argument is the
//! number of workers, all of which share the one socket. `SIGTERM` ends the server gracefully, and
//! the socket with it.

use std::error::Error;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use squall::httpserver::{DrainDeadlines, HttpServer, Workers};
use squall::ioloop::{Handle, IoLoop};
use squall::iostream::Listener;
use squall::iostream::handover::{self, HandoverError};
use squall::web::Application;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(port), Some(path)) = (arguments.first(), arguments.get(1)) else {
        return Err("usage: restart PORT PATH [WORKERS]".into());
    };
    let workers = arguments.get(2).map_or(Ok(1), |count| count.parse())?;
    let ioloop = IoLoop::new()?;
    let socket = ioloop.run_until(take_or_bind(&ioloop, path.as_ref(), port.parse()?))??;

    let workers = Workers::new(workers);
    let handle = workers.handle();
    let id = std::process::id();
    let report = workers.run(|ioloop, worker| {
        let application = Application::new().get("/", async move |http| {
            http.write(format!("Hello from process {id}\n"))
        });
        let server = HttpServer::new(ioloop, application.into_service());
        server.add_listener(Listener::from_fd(socket.try_clone()?)?)?;
        // One of them is enough, for all have the same socket.
        if worker == 0 {
            let offer = handover::Offer::bind(ioloop, path)?;
            server.offer_to(&offer).map_err(as_io)?;
            let handle = handle.clone();
            ioloop.spawn_detached(async move {
                offer.taken().await;
                handle.stop(DrainDeadlines::default());
            });
        }
        Ok(server)
    })?;
    println!(
        "process {id}: {} requests were cut, {} connections were idle",
        report.cut, report.idle
    );
    Ok(())
}

/// The socket of the process before us, if there is one; from then on that one accepts nobody, and
/// who connects waits for us.
async fn take_or_bind(ioloop: &Handle, path: &Path, port: u16) -> Result<OwnedFd, Box<dyn Error>> {
    let Some(taken) = handover::take(ioloop, path, Duration::from_secs(10)).await? else {
        return Ok(TcpListener::bind(("127.0.0.1", port))?.into());
    };
    let named = taken.listeners.into_iter().next();
    let listener = named.ok_or("it offers no socket")?.listener;
    let socket = listener.as_fd().try_clone_to_owned()?;
    taken.confirmation.confirm().await?;
    Ok(socket)
}

/// Its own type stays on its loop's thread.
fn as_io(error: HandoverError) -> std::io::Error {
    std::io::Error::other(error.to_string())
}
