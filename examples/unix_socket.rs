//! An echo server and its client over a Unix socket.
//!
//! ```console
//! $ cargo run --release --example unix_socket -- serve /tmp/echo.socket
//! $ cargo run --release --example unix_socket -- say /tmp/echo.socket "Hello"   # elsewhere
//! ```
//!
//! `nc -U /tmp/echo.socket` is a client too.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use squall::ioloop::IoLoop;
use squall::iostream::{IoStream, ListenerOptions, StreamError, bind_unix_socket};

const LINE_BYTES_MAX: usize = 64 * 1024;
/// A peer that says nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ioloop = IoLoop::new()?;
    match arguments[..] {
        ["serve", path] => serve(&ioloop, path.as_ref()),
        ["say", path, text] => {
            let answer = ioloop.run_until(say(&ioloop, path.as_ref(), text))??;
            println!("{answer}");
            Ok(())
        }
        _ => Err("usage: unix_socket serve PATH | unix_socket say PATH TEXT".into()),
    }
}

fn serve(ioloop: &IoLoop, path: &Path) -> Result<(), Box<dyn Error>> {
    // Takes a file over that a dead server has left, and removes its own at the end.
    let listener = bind_unix_socket(path, &ListenerOptions::default())?;
    let handle = ioloop.handle().clone();
    let _listening = listener.accept_with(ioloop, move |stream, _| {
        handle.spawn_detached(async move {
            // Closed, idle, or a line that is too long: the end of this one.
            let _: Result<(), StreamError> = echo(stream).await;
        });
    })?;
    println!("listening on {}", path.display());
    ioloop.run()?;
    Ok(())
}

async fn echo(mut stream: IoStream) -> Result<(), StreamError> {
    loop {
        stream.set_deadline(Some(IDLE));
        let line = stream.read_until(b"\n", LINE_BYTES_MAX).await?;
        stream.write(&line)?;
        stream.drained(0).await?;
    }
}

async fn say(ioloop: &IoLoop, path: &Path, text: &str) -> io::Result<String> {
    let mut stream = IoStream::connect_unix(ioloop, path).await?;
    let question = format!("{text}\n");
    stream.write(question.as_bytes()).map_err(io::Error::from)?;
    stream.set_deadline(Some(IDLE));
    let answer = stream.read_until(b"\n", LINE_BYTES_MAX).await;
    let answer = answer.map_err(io::Error::from)?;
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}
