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
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use squall::ioloop::{Interest, IoLoop};
use squall::iostream::{IoStream, StreamError};

const LINE_BYTES_MAX: usize = 64 * 1024;
/// A peer that says nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ioloop = IoLoop::new()?;
    match arguments[..] {
        ["serve", path] => Ok(serve(&ioloop, path.as_ref())?),
        ["say", path, text] => {
            let answer = ioloop.run_until(say(&ioloop, path.as_ref(), text))??;
            println!("{answer}");
            Ok(())
        }
        _ => Err("usage: unix_socket serve PATH | unix_socket say PATH TEXT".into()),
    }
}

fn serve(ioloop: &IoLoop, path: &Path) -> io::Result<()> {
    let listener = Rc::new(UnixListener::bind(path)?);
    listener.set_nonblocking(true)?;
    println!("listening on {}", path.display());
    let acceptor = listener.clone();
    // Called in every turn in which somebody waits to be accepted.
    ioloop.add_handler(&*listener, Interest::Read, move |ioloop, _| {
        let accepted = acceptor.accept();
        match accepted.and_then(|(socket, _)| IoStream::from_unix(ioloop, socket)) {
            Ok(stream) => ioloop.spawn_detached(async move {
                // Closed, idle, or a line that is too long: the end of this one.
                let _: Result<(), StreamError> = echo(stream).await;
            }),
            Err(error) => eprintln!("cannot accept: {error}"),
        }
    })?;
    ioloop.run()
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
