//! A server to be ill-treated: `tests/clients` tries on it what a server has to survive.
//!
//! Run `cargo run --release --example trials -- PORT [SETTING VALUE]...`. What it answers is in
//! `routes.rs`, its settings are in `settings.rs`. It listens on the port, or on the sockets that
//! it was born with (see `inherited_listeners`), and with `unix PATH` on a Unix socket too.
//!
//! SIGTERM stops it gracefully, within `grace` milliseconds; a second one at once. It ends with
//! status 0 when nobody had to be cut, else with 3.

mod routes;
mod settings;

use std::error::Error;
use std::io;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use signal_hook::consts::SIGTERM;
use signal_hook::low_level::pipe;
use squall::httpserver::HttpServer;
use squall::ioloop::IoLoop;
use squall::iostream::{IoStream, ListenerOptions, bind_unix_socket, inherited_listeners};

use routes::Routes;
use settings::Settings;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let settings = Settings::parse(std::env::args().skip(1)).unwrap_or_else(|message| {
        eprintln!("{message}\nusage: trials PORT [SETTING VALUE]...");
        std::process::exit(2);
    });
    tracing_subscriber::fmt()
        .with_max_level(settings.log)
        .with_ansi(false)
        .with_writer(io::stderr)
        // About a log that cannot be written it would print, and panic if it cannot.
        .log_internal_errors(false)
        .init();
    let ioloop = IoLoop::new()?;
    let mut terminations = terminations(&ioloop)?;
    let server = HttpServer::with_config(&ioloop, settings.config(), Routes::default());
    listen(&server, &settings)?;
    println!("listening");
    let report = ioloop.run_until(async {
        wait_for(&mut terminations).await;
        let hurried = server.clone();
        ioloop.spawn_detached(async move {
            wait_for(&mut terminations).await;
            hurried.stop(Duration::ZERO).await;
        });
        server.stop(settings.grace).await
    })?;
    println!("stopped: {report:?}");
    Ok(if report.cut == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

/// A stream of a byte for each SIGTERM.
fn terminations(ioloop: &IoLoop) -> Result<IoStream, Box<dyn Error>> {
    let (ours, theirs) = UnixStream::pair()?;
    pipe::register(SIGTERM, theirs)?;
    Ok(IoStream::from_unix(ioloop, ours)?)
}

async fn wait_for(terminations: &mut IoStream) {
    // The other end is open as long as the process is.
    let _ = terminations.read_some(1).await;
}

fn listen(server: &HttpServer, settings: &Settings) -> Result<(), Box<dyn Error>> {
    let inherited = inherited_listeners()?;
    if inherited.is_empty() {
        server.listen(("127.0.0.1", settings.port))?;
    }
    for named in inherited {
        server.add_listener(named.listener)?;
    }
    if let Some(path) = &settings.unix {
        server.add_listener(bind_unix_socket(path, &ListenerOptions::default())?)?;
    }
    Ok(())
}
