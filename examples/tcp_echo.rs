//! Echo of lines over TCP. Run `cargo run --release --example tcp_echo`, then `nc localhost 8888`;
//! Enter in the first terminal ends it, when its peers are done or ten seconds have passed.

use std::error::Error;
use std::time::Duration;

use squall::ioloop::IoLoop;
use squall::iostream::{AdmissionLimits, IoStream, StreamError, TcpServer};

const LINE_BYTES_MAX: usize = 64 * 1024;
/// A peer that says nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args()
        .nth(1)
        .map_or(Ok(8888), |port| port.parse())?;
    let ioloop = IoLoop::new()?;
    let server = TcpServer::builder()
        .admission(AdmissionLimits::default().connections_max(10_000))
        .build(&ioloop, async |mut stream: IoStream, _peer| {
            echo(&mut stream).await
        });
    for address in server.listen(port, None)? {
        println!("listening on {address}");
    }

    let remote = ioloop.remote();
    std::thread::spawn(move || {
        // At the end of the input there is no terminal, and nobody who could press a key.
        if std::io::stdin().read_line(&mut String::new()).unwrap_or(0) > 0 {
            // Fails only if the loop has ended already.
            let _ = remote.add_callback(|ioloop| ioloop.stop());
        }
    });
    ioloop.run()?;
    let report = ioloop.run_until(server.drain(Duration::from_secs(10)))?;
    println!("ended, {} connections cut", report.cut);
    Ok(())
}

async fn echo(stream: &mut IoStream) -> Result<(), StreamError> {
    loop {
        stream.set_deadline(Some(IDLE));
        let line = stream.read_until(b"\n", LINE_BYTES_MAX).await?;
        stream.write(&line)?;
        stream.drained(0).await?;
    }
}
