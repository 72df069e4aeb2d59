//! `Connection: close`: a connection for each request, and the next one when the server has
//! closed it.
//!
//! On the loopback address a connection is usually there as soon as `connect` returns, so the
//! request is tried at once; and the readiness that brings the answer usually tells of the
//! server's FIN as well, which saves the read that would only confirm it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Count;
use crate::answer::Answer;
use crate::arguments::Arguments;
use crate::open::open;
use crate::plan::Plan;
use crate::stage::Failure;
use crate::stream::Stream;
use crate::tls_client::TlsClient;

const SILENCE_MAX: Duration = Duration::from_secs(5);
const BUFFER_BYTES: usize = 256 * 1024;

struct Connection {
    stream: Stream<TcpStream>,
    sent: usize,
    into: usize,
    answered: usize,
}

/// A number of connections at a time, each good for one request.
pub(crate) struct OneShot {
    poll: Poll,
    address: SocketAddr,
    slots: usize,
    request: Vec<u8>,
    tls: Option<TlsClient>,
    answer: Answer,
    buffer: Vec<u8>,
}

impl OneShot {
    /// Checks the first answer in full.
    pub(crate) fn new(
        arguments: &Arguments,
        plan: &Plan,
        tls: Option<&TlsClient>,
    ) -> Result<Self, Failure> {
        let (_, answer) = open(arguments.port, plan, tls)?;
        if let Some(tls) = tls {
            for _ in 0..arguments.connections {
                if !tls.wants_tickets() {
                    break;
                }
                open(arguments.port, plan, Some(tls))?;
            }
            if tls.wants_tickets() {
                return Err(Failure::Server("no tickets to resume sessions with".into()));
            }
        }
        Ok(Self {
            tls: tls.cloned(),
            poll: Poll::new()?,
            address: (Ipv4Addr::LOCALHOST, arguments.port).into(),
            slots: arguments.connections,
            request: plan.request.clone(),
            answer,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Makes connections for `window`, then waits for those outstanding.
    pub(crate) fn run(&mut self, window: Duration) -> Result<Count, Failure> {
        let start = Instant::now();
        let deadline = start + window;
        let mut count = Count::default();
        let mut connections = Vec::with_capacity(self.slots);
        if window.is_zero() {
            return Ok(count);
        }
        for slot in 0..self.slots {
            connections.push(Some(self.connect(slot)?));
        }
        let mut outstanding = self.slots;
        let mut events = Events::with_capacity(1024);
        while outstanding > 0 {
            match self.poll.poll(&mut events, Some(SILENCE_MAX)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            let now = Instant::now();
            if events.is_empty() || now > deadline + SILENCE_MAX {
                let silent = format!("{outstanding} connections got no answer");
                return Err(Failure::Server(silent));
            }
            for event in &events {
                let slot = event.token().0;
                let Some(connection) = &mut connections[slot] else {
                    continue;
                };
                if !self.serve(connection, event.is_read_closed())? {
                    continue;
                }
                count.answers += 1;
                connections[slot] = None;
                if now < deadline {
                    connections[slot] = Some(self.connect(slot)?);
                } else {
                    outstanding -= 1;
                }
            }
        }
        count.elapsed = start.elapsed();
        Ok(count)
    }

    fn connect(&self, slot: usize) -> Result<Connection, Failure> {
        let session = self.tls.as_ref().map(TlsClient::session).transpose()?;
        let mut stream = Stream::new(TcpStream::connect(self.address)?, session);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream.socket, Token(slot), interest)?;
        let mut connection = Connection {
            stream,
            sent: 0,
            into: 0,
            answered: 0,
        };
        connection.send(&self.request)?;
        Ok(connection)
    }

    /// One readiness; returns whether the exchange is over, answer and close.
    fn serve(&mut self, connection: &mut Connection, closed: bool) -> Result<bool, Failure> {
        connection.send(&self.request)?;
        loop {
            let length = match connection.stream.read(&mut self.buffer) {
                Ok(length) => length,
                Err(error) if not_yet(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let received = &self.buffer[..length];
            connection.answered += self.answer.advance(&mut connection.into, received)?;
            let whole = connection.answered == 1 && connection.into == 0;
            match (whole, length) {
                (true, 0) => return Ok(true),
                (true, _) if closed => return Ok(true),
                (false, 0) => return Err(Failure::Server("closed within an answer".into())),
                _ if !connection.stream.may_have_more() && !closed => return Ok(false),
                _ => {}
            }
        }
    }
}

impl Connection {
    fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if not_yet(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        match self.stream.flush() {
            Err(error) if !not_yet(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Not connected, or nothing to read or no room to write.
fn not_yet(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::NotConnected
    )
}
