//! The command line: what kind of load, how much of it, for how long.

use std::time::Duration;

/// Shown when the command line is not understood.
pub(crate) const USAGE: &str = "\
usage: load PORT [OPTIONS]
  --mode keep-alive|close|ws-echo|ws-broadcast|echo   (keep-alive)
  --request plain|browser|json|user|echo|letters      (plain)
  --tls             TLS 1.3, a new session for each connection
  --resume          with --tls: all but the first resume a session
  --rate N          requests per second, whether or not those before are answered; their latency
  --connections N   connections that carry load  (64; at most 19000)
  --idle N          more connections that stay silent after one request (0)
  --depth N         requests or frames in flight on each connection (1)
  --bytes N         content of an echo or of letters, payload of a frame, a message (64)
  --warmup S        seconds before the window    (0.2)
  --seconds S       the window                   (1; at most 600)
  --controlled      print `ready`, wait for a line; print results, wait for a line";

/// A process may hold 20,000 descriptors on many machines; some are needed for other things.
const CONNECTIONS_MAX: usize = 19_000;
const SECONDS_MAX: f64 = 600.0;
const DEPTH_MAX: usize = 1024;
const BYTES_MAX: usize = 1 << 20;
const RATE_MAX: u32 = 100_000;

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Requests on connections that stay open.
    KeepAlive,
    /// A connection for each request, closed by the server.
    Close,
    /// WebSocket frames, each answered to its sender.
    WsEcho,
    /// The first WebSocket sends, every one receives.
    WsBroadcast,
    /// Bytes that come back, without any protocol.
    Echo,
}

/// Which HTTP request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `GET /` with a Host.
    Plain,
    /// `GET /` with the ten fields of a browser, about 700 bytes.
    Browser,
    /// `GET /json`.
    Json,
    /// `GET /user/42`.
    User,
    /// `POST /echo`.
    Echo,
    /// `GET /letters/N`: an answer of that many bytes.
    Letters,
}

/// A command line, understood.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) port: u16,
    pub(crate) mode: Mode,
    pub(crate) request: Request,
    pub(crate) connections: usize,
    pub(crate) idle: usize,
    pub(crate) depth: usize,
    pub(crate) bytes: usize,
    pub(crate) warmup: Duration,
    pub(crate) window: Duration,
    pub(crate) controlled: bool,
    pub(crate) tls: bool,
    pub(crate) resume: bool,
    /// Of an open loop, per second.
    pub(crate) rate: Option<u32>,
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let port = words.next().ok_or("no port given")?;
        let mut arguments = Self {
            port: number("port", &port, 65_535)?,
            mode: Mode::KeepAlive,
            request: Request::Plain,
            connections: 64,
            idle: 0,
            depth: 1,
            bytes: 64,
            warmup: Duration::from_millis(200),
            window: Duration::from_secs(1),
            controlled: false,
            tls: false,
            resume: false,
            rate: None,
        };
        while let Some(name) = words.next() {
            match name.as_str() {
                "--controlled" => arguments.controlled = true,
                "--tls" => arguments.tls = true,
                "--resume" => arguments.resume = true,
                _ => {
                    let value = words.next().ok_or(format!("{name} needs a value"))?;
                    arguments.set(&name, &value)?;
                }
            }
        }
        if arguments.connections + arguments.idle > CONNECTIONS_MAX {
            return Err(format!("more than {CONNECTIONS_MAX} connections"));
        }
        Ok(arguments)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--mode" => self.mode = mode(value)?,
            "--request" => self.request = request(value)?,
            "--connections" => self.connections = number(name, value, CONNECTIONS_MAX)?,
            "--idle" => self.idle = number(name, value, CONNECTIONS_MAX)?,
            "--depth" => self.depth = number(name, value, DEPTH_MAX)?.max(1),
            "--bytes" => self.bytes = number(name, value, BYTES_MAX)?,
            "--rate" => self.rate = Some(number(name, value, RATE_MAX)?.max(1)),
            "--warmup" => self.warmup = seconds(name, value)?,
            "--seconds" => self.window = seconds(name, value)?,
            _ => return Err(format!("unknown option {name}")),
        }
        Ok(())
    }
}

fn mode(value: &str) -> Result<Mode, String> {
    Ok(match value {
        "keep-alive" => Mode::KeepAlive,
        "close" => Mode::Close,
        "ws-echo" => Mode::WsEcho,
        "ws-broadcast" => Mode::WsBroadcast,
        "echo" => Mode::Echo,
        _ => return Err(format!("unknown mode {value}")),
    })
}

fn request(value: &str) -> Result<Request, String> {
    Ok(match value {
        "plain" => Request::Plain,
        "browser" => Request::Browser,
        "json" => Request::Json,
        "user" => Request::User,
        "echo" => Request::Echo,
        "letters" => Request::Letters,
        _ => return Err(format!("unknown request {value}")),
    })
}

fn number<N>(name: &str, value: &str, most: N) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    match value.parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("{name}: {value} is not a number up to {most}")),
    }
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    let seconds: f64 = number(name, value, SECONDS_MAX)?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{name}: {error}"))
}
