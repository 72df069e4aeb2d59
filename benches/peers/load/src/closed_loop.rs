//! The closed loop: a batch per connection in flight, the next one when all of it is answered.
//!
//! One `recv` and one `send` per batch and a share of an `epoll_wait`; nothing is allocated once
//! the connections are open. A run begins and ends quiet, with no answer outstanding, so that the
//! server's work between two readings of its clocks belongs to the answers counted.

use std::io::{ErrorKind, Read, Write};
use std::net;
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

/// How long the last answers may take once the window is over.
const SILENCE_MAX: Duration = Duration::from_secs(5);
const BUFFER_BYTES: usize = 256 * 1024;
/// A system call that copies megabytes keeps others from the core for a millisecond.
const WRITE_BYTES_MAX: usize = 128 * 1024;
/// Few enough that among 1,000 connections both sides work at once, instead of in turns.
const EVENTS_MAX: usize = 128;

struct Connection {
    stream: Stream<TcpStream>,
    /// How much of the batch the socket has taken.
    sent: usize,
    /// How far into the current answer.
    into: usize,
    /// Answers to the current batch.
    answered: usize,
}

/// All connections of a run.
pub(crate) struct ClosedLoop {
    poll: Poll,
    connections: Vec<Connection>,
    /// Held open, and never used again.
    _idle: Vec<Stream<net::TcpStream>>,
    batch: Vec<u8>,
    depth: usize,
    broadcast: bool,
    answer: Option<Answer>,
    buffer: Vec<u8>,
    /// Connections whose batch is not answered yet.
    outstanding: usize,
}

impl ClosedLoop {
    /// Opens every connection and checks the first answer of each.
    pub(crate) fn new(
        arguments: &Arguments,
        plan: &Plan,
        tls: Option<&TlsClient>,
    ) -> Result<Self, Failure> {
        let mut new = Self {
            poll: Poll::new()?,
            connections: Vec::with_capacity(arguments.connections),
            _idle: Vec::with_capacity(arguments.idle),
            batch: plan.batch(),
            depth: plan.depth,
            broadcast: plan.broadcast,
            answer: None,
            buffer: vec![0; BUFFER_BYTES],
            outstanding: 0,
        };
        for _ in 0..arguments.idle {
            let (stream, _) = open(arguments.port, plan, tls)?;
            new._idle.push(stream);
        }
        for _ in 0..arguments.connections {
            let (stream, answer) = open(arguments.port, plan, tls)?;
            if *new.answer.get_or_insert_with(|| answer.clone()) != answer {
                return Err(Failure::Server("first answers differ in length".into()));
            }
            new.adopt(stream)?;
        }
        Ok(new)
    }

    fn adopt(&mut self, stream: Stream<net::TcpStream>) -> Result<(), Failure> {
        let mut stream = stream.into_nonblocking()?;
        let token = Token(self.connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream.socket, token, interest)?;
        self.connections.push(Connection {
            stream,
            sent: self.batch.len(),
            into: 0,
            answered: 0,
        });
        Ok(())
    }

    /// Sends for `window`, then waits for what is outstanding.
    pub(crate) fn run(&mut self, window: Duration) -> Result<Count, Failure> {
        let start = Instant::now();
        let deadline = start + window;
        let mut count = Count::default();
        if window.is_zero() || self.connections.is_empty() {
            return Ok(count);
        }
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.launch()?;
        while self.outstanding > 0 {
            match self.poll.poll(&mut events, Some(SILENCE_MAX)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            let now = Instant::now();
            if events.is_empty() || now > deadline + SILENCE_MAX {
                let silent = format!("{} connections got no answer", self.outstanding);
                return Err(Failure::Server(silent));
            }
            let sending = now < deadline;
            for event in &events {
                count.answers += self.serve(event.token().0, sending)?;
            }
            if self.broadcast && sending && self.outstanding == 0 {
                self.launch()?;
            }
        }
        count.elapsed = start.elapsed();
        Ok(count)
    }

    /// Starts a batch everywhere; of a broadcast only the first connection sends.
    fn launch(&mut self) -> Result<(), Failure> {
        self.outstanding = self.connections.len();
        let senders = if self.broadcast { 1 } else { self.outstanding };
        for connection in &mut self.connections {
            connection.answered = 0;
        }
        for connection in &mut self.connections[..senders] {
            connection.sent = 0;
            connection.send(&self.batch)?;
        }
        Ok(())
    }

    /// One readiness of one connection; returns the answers it brought.
    fn serve(&mut self, slot: usize, sending: bool) -> Result<u64, Failure> {
        let Some(answer) = &self.answer else {
            return Ok(0);
        };
        let connection = &mut self.connections[slot];
        connection.send(&self.batch)?;
        let mut answers = 0;
        loop {
            let length = match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Err(Failure::Server("closed by the server".into())),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let completed = answer.advance(&mut connection.into, &self.buffer[..length])?;
            answers += completed as u64;
            connection.answered += completed;
            if connection.answered > self.depth {
                return Err(Failure::Server("more answers than requests".into()));
            }
            if completed > 0 && connection.answered == self.depth {
                self.outstanding -= 1;
                if sending && !self.broadcast {
                    self.outstanding += 1;
                    connection.answered = 0;
                    connection.sent = 0;
                    connection.send(&self.batch)?;
                }
            }
            if !connection.stream.may_have_more() {
                break;
            }
        }
        Ok(answers)
    }
}

impl Connection {
    /// Sends what is left of the batch, as far as the socket takes it.
    fn send(&mut self, batch: &[u8]) -> Result<(), Failure> {
        while self.sent < batch.len() {
            let end = batch.len().min(self.sent + WRITE_BYTES_MAX);
            match self.stream.write(&batch[self.sent..end]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        match self.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error.into()),
            _ => Ok(()),
        }
    }
}
