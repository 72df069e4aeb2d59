//! Children: pinned, given time limits, and killed when their owner is dropped.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys;

const START_MAX: Duration = Duration::from_secs(5);

/// A server that listens.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a binary on a free port and waits until it accepts.
    pub(crate) fn start(binary: &Path, core: usize) -> io::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(binary);
        // The second word is Squall's number of workers; the others do not look at it.
        command.args([port.to_string().as_str(), "1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        sys::prepare_child(&mut command, core);
        let child = command.spawn()?;
        let mut server = Self { child, port };
        server.wait_for_port()?;
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// One request by hand, so that what a server makes at its first use is there.
    pub(crate) fn greet(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(START_MAX))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
        // A WebSocket server may refuse by closing; either is a greeting.
        let _ = stream.read(&mut [0; 1024]);
        Ok(())
    }

    fn wait_for_port(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("ended at once, {status}")));
            }
            match TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A port nobody listens on. Another process could take it first, but nothing here does.
fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// A generator under control: it speaks in lines, and so do we.
pub(crate) struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Load {
    pub(crate) fn start(binary: &Path, core: usize, words: &[String]) -> io::Result<Self> {
        let mut command = Command::new(binary);
        command.args(words).arg("--controlled");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        sys::prepare_child(&mut command, core);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let (sender, lines) = mpsc::channel();
        // A thread, since a pipe cannot be read with a time limit. It ends with the pipe.
        thread::spawn(move || {
            for line in stdout
                .into_iter()
                .flat_map(|pipe| BufReader::new(pipe).lines())
            {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            lines,
        })
    }

    /// Waits for the generator's next line; when there is none, its complaint is the error.
    pub(crate) fn line(&mut self, wait: Duration) -> io::Result<String> {
        self.lines.recv_timeout(wait).map_err(|_| {
            end(&mut self.child);
            let mut complaint = String::new();
            if let Some(stderr) = &mut self.child.stderr {
                let _ = stderr.read_to_string(&mut complaint);
            }
            let complaint = match complaint.trim() {
                "" => "the generator fell silent",
                complaint => complaint,
            };
            io::Error::new(ErrorKind::TimedOut, complaint)
        })
    }

    /// Lets the generator go on.
    pub(crate) fn go(&mut self) -> io::Result<()> {
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(b"go\n"),
            None => Ok(()),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Kills and waits; a child that has ended already is only waited for.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
