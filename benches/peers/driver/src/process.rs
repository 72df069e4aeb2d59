//! Children: pinned, given time limits, and killed when their owner is dropped.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::servers::Program;
use crate::sys;

const START_MAX: Duration = Duration::from_secs(5);
/// Opening 10,000 connections, one after the other, takes seconds; more with TLS.
const OPEN_MAX: Duration = Duration::from_secs(60);
/// Beyond the window, for the last answers.
const FINISH_MAX: Duration = Duration::from_secs(15);

/// A server that listens.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    /// Where some speak TLS as well.
    pub(crate) port_tls: u16,
}

impl Server {
    /// Starts a program on a free port and waits until it accepts.
    pub(crate) fn start(program: &Program, core: usize) -> io::Result<Self> {
        let [port, port_tls] = free_ports()?;
        let mut command = program.command(port, port_tls)?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        sys::prepare_child(&mut command, core);
        let child = command.spawn()?;
        let mut server = Self {
            child,
            port,
            port_tls,
        };
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
        // A server of WebSocket or TLS may refuse by closing; either is a greeting.
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

/// Two ports nobody listens on. Another process could take them first, but nothing here does.
fn free_ports() -> io::Result<[u16; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [bind()?, bind()?];
    let [first, second] = [listeners[0].local_addr()?, listeners[1].local_addr()?];
    Ok([first.port(), second.port()])
}

/// Where a generator runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) core: usize,
    /// Only when nobody else wants the core.
    pub(crate) yields: bool,
}

/// A generator under control: it speaks in lines, and so do we.
pub(crate) struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Load {
    /// Starts one, and waits until it is warm and quiet. `load` is words separated by spaces.
    pub(crate) fn ready(
        place: Place,
        port: u16,
        load: &str,
        warmup: Duration,
        window: Duration,
    ) -> io::Result<Self> {
        let mut words = vec![port.to_string()];
        words.extend(load.split_whitespace().map(str::to_owned));
        for (name, time) in [("--warmup", warmup), ("--seconds", window)] {
            words.extend([name.to_owned(), time.as_secs_f64().to_string()]);
        }
        let mut load = Self::start(place, &words)?;
        load.line(OPEN_MAX + warmup)?;
        Ok(load)
    }

    fn start(place: Place, words: &[String]) -> io::Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("load");
        let mut command = Command::new(binary);
        command.args(words).arg("--controlled");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        sys::prepare_child(&mut command, place.core);
        if place.yields {
            sys::yield_to_others(&mut command);
        }
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

    /// Waits for the figures of a window of this length.
    pub(crate) fn report(&mut self, window: Duration) -> io::Result<Report> {
        let line = self.line(window + FINISH_MAX)?;
        Ok(Report { line })
    }

    /// Waits for the generator's next line; when there is none, its complaint is the error.
    fn line(&mut self, wait: Duration) -> io::Result<String> {
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

/// `name=figure`, separated by spaces.
pub(crate) struct Report {
    line: String,
}

impl Report {
    pub(crate) fn value(&self, name: &str) -> io::Result<f64> {
        let mut words = self.line.split_whitespace();
        words
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no {name} in {:?}", self.line)))
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
