//! The open loop: requests at a fixed rate, one connection after the other, whether or not those
//! before are answered; and how long each answer took.
//!
//! The rate is low beside what the server can do, so the answers' times tell about whom else it
//! serves. A time begins when the request has been handed to the system: a generator that comes
//! late does not count as the server's delay.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Count;
use crate::answer::Answer;
use crate::arguments::Arguments;
use crate::latency::Latencies;
use crate::open::open;
use crate::plan::Plan;
use crate::stage::Failure;
use crate::stream::Stream;
use crate::ticker::Ticker;
use crate::tls_client::TlsClient;

const SILENCE_MAX: Duration = Duration::from_secs(5);
const BUFFER_BYTES: usize = 64 * 1024;
const TICKER: Token = Token(usize::MAX);

struct Connection {
    stream: Stream<TcpStream>,
    into: usize,
    /// When its request was sent, if the answer is not there yet.
    sent: Option<Instant>,
}

/// All connections of a run, and whose turn it is.
pub(crate) struct OpenLoop {
    poll: Poll,
    ticker: Ticker,
    interval: Duration,
    connections: Vec<Connection>,
    next: usize,
    request: Vec<u8>,
    answer: Answer,
    buffer: Vec<u8>,
    outstanding: usize,
}

impl OpenLoop {
    /// Opens every connection and checks the first answer of each.
    pub(crate) fn new(
        arguments: &Arguments,
        rate: u32,
        plan: &Plan,
        tls: Option<&TlsClient>,
    ) -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let ticker = Ticker::register(poll.registry(), TICKER)?;
        let mut connections = Vec::with_capacity(arguments.connections);
        let (_, answer) = open(arguments.port, plan, tls)?;
        for slot in 0..arguments.connections.max(1) {
            let (stream, _) = open(arguments.port, plan, tls)?;
            let mut stream = stream.into_nonblocking()?;
            poll.registry()
                .register(&mut stream.socket, Token(slot), Interest::READABLE)?;
            connections.push(Connection {
                stream,
                into: 0,
                sent: None,
            });
        }
        Ok(Self {
            poll,
            ticker,
            interval: Duration::from_secs(1) / rate,
            connections,
            next: 0,
            request: plan.request.clone(),
            answer,
            buffer: vec![0; BUFFER_BYTES],
            outstanding: 0,
        })
    }

    /// Sends for `window`, then waits for what is outstanding.
    pub(crate) fn run(&mut self, window: Duration) -> Result<Count, Failure> {
        let start = Instant::now();
        let deadline = start + window;
        let mut latencies = Latencies::default();
        let mut count = Count::default();
        if window.is_zero() {
            return Ok(count);
        }
        self.ticker.start(self.interval)?;
        let mut events = Events::with_capacity(1024);
        let mut sending = true;
        while sending || self.outstanding > 0 {
            match self.poll.poll(&mut events, Some(SILENCE_MAX)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            let now = Instant::now();
            if now > deadline + SILENCE_MAX {
                let silent = format!("{} connections got no answer", self.outstanding);
                return Err(Failure::Server(silent));
            }
            if sending && now >= deadline {
                sending = false;
                self.ticker.stop()?;
            }
            for event in &events {
                match event.token() {
                    TICKER if sending => self.send(self.ticker.ticks()?)?,
                    TICKER => {}
                    Token(slot) => count.answers += self.receive(slot, &mut latencies)?,
                }
            }
        }
        count.elapsed = start.elapsed();
        count.quantiles = Some(latencies.quantiles());
        Ok(count)
    }

    /// One request on each of the next `requests` connections.
    fn send(&mut self, requests: u64) -> Result<(), Failure> {
        for _ in 0..requests {
            let slot = self.next;
            self.next = (slot + 1) % self.connections.len();
            let connection = &mut self.connections[slot];
            if connection.sent.is_some() {
                return Err(Failure::Server(
                    "a connection's turn came round before its answer".into(),
                ));
            }
            connection.sent = Some(Instant::now());
            let written = connection.stream.write(&self.request)?;
            if written < self.request.len() {
                return Err(Failure::Server("no room for one request".into()));
            }
            self.outstanding += 1;
        }
        Ok(())
    }

    /// One readiness of one connection; returns the answers it brought.
    fn receive(&mut self, slot: usize, latencies: &mut Latencies) -> Result<u64, Failure> {
        let connection = &mut self.connections[slot];
        let mut answers = 0;
        loop {
            let length = match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Err(Failure::Server("closed by the server".into())),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answers),
                Err(error) => return Err(error.into()),
            };
            let received = &self.buffer[..length];
            for _ in 0..self.answer.advance(&mut connection.into, received)? {
                let sent = connection.sent.take();
                let sent = sent.ok_or(Failure::Server("more answers than requests".into()))?;
                latencies.add(sent.elapsed());
                self.outstanding -= 1;
                answers += 1;
            }
            if !connection.stream.may_have_more() {
                return Ok(answers);
            }
        }
    }
}
