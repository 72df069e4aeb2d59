//! A client by name: says how it connects, sends what comes on stdin, prints what comes back.
//!
//! ```console
//! $ cargo run --release --example tcp_client -- localhost 8888
//! $ cargo run --release --example tcp_client -- unix:/run/app.socket
//! ```
//!
//! The first lines, on stderr, show happy eyeballs at work, each with the time since the start:
//!
//! ```text
//!    0.1 ms  2 addresses: [::1]:8888 127.0.0.1:8888
//!    0.2 ms  trying [::1]:8888
//!    0.4 ms  [::1]:8888: Connection refused (os error 111)
//!    0.4 ms  trying 127.0.0.1:8888
//!    0.5 ms  connected to 127.0.0.1:8888
//! ```
//!
//! Stdin and stdout block, and so are read and written on the executor's threads.

use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Instant;

use squall::ioloop::{Handle, IoLoop};
use squall::iostream::{ConnectEvent, IoStream, StreamError, StreamHandle, Target, TcpClient};

/// What is read at once, from stdin and from the peer.
const PIECE_BYTES: usize = 64 * 1024;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tcp_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let target: Target = match arguments.as_slice() {
        [host, port] => (host.as_str(), port.parse()?).into(),
        [target] => target.parse()?,
        _ => return Err("usage: tcp_client HOST PORT | HOST:PORT | unix:PATH".into()),
    };
    let ioloop = IoLoop::new()?;
    let started_at = Instant::now();
    let client = TcpClient::new(&ioloop).on_event(move |event| report(started_at, &event));
    ioloop.run_until(async {
        let stream = client.connect(target).await?;
        let ioloop = ioloop.handle();
        ioloop.spawn_detached(send_stdin(ioloop.clone(), stream.handle()));
        print_to_the_end(ioloop, stream).await
    })?
}

fn report(started_at: Instant, event: &ConnectEvent<'_>) {
    let millis = started_at.elapsed().as_secs_f64() * 1000.0;
    let text = match event {
        ConnectEvent::Resolved { addresses } => {
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("{} addresses: {}", list.len(), list.join(" "))
        }
        ConnectEvent::Trying { address } => format!("trying {address}"),
        ConnectEvent::Failed { address, error } => format!("{address}: {error}"),
        ConnectEvent::Connected { address } => format!("connected to {address}"),
        _ => return,
    };
    eprintln!("{millis:6.1} ms  {text}");
}

/// Ends with stdin: then the peer is told that no more will come.
async fn send_stdin(ioloop: Handle, stream: StreamHandle) {
    if let Err(error) = copy_stdin(&ioloop, &stream).await {
        eprintln!("not sent: {error}");
        stream.close();
    }
}

async fn copy_stdin(ioloop: &Handle, stream: &StreamHandle) -> io::Result<()> {
    loop {
        let piece = ioloop.run_in_executor(read_stdin).await??;
        if piece.is_empty() {
            return Ok(stream.shutdown_write().await?);
        }
        stream.write(&piece).map_err(io::Error::from)?;
        // No more is read than the peer takes.
        stream.drained(0).await?;
    }
}

fn read_stdin() -> io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE_BYTES];
    let count = io::stdin().read(&mut piece)?;
    piece.truncate(count);
    Ok(piece)
}

/// Ends when the peer sends no more.
async fn print_to_the_end(ioloop: &Handle, mut stream: IoStream) -> Result<(), Box<dyn Error>> {
    loop {
        match stream.read_some(PIECE_BYTES).await {
            Ok(piece) => ioloop.run_in_executor(move || print(&piece)).await??,
            Err(StreamError::Closed(closed)) if closed.cause().is_none() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn print(piece: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(piece)?;
    stdout.flush()
}
