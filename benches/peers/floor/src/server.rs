//! The loop all floors share: edge-triggered mio, one buffer for every read, one write per batch.
//!
//! A read that does not fill the buffer has drained the socket, so a request costs a `recv`, a
//! `send` and its share of an `epoll_wait`. A connection at rest owns a descriptor and one slot.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

/// Larger than the largest request of the scenarios, so that one read takes a whole batch.
const BUFFER_BYTES: usize = 256 * 1024;
const LISTENER: Token = Token(usize::MAX);

/// What a floor does with the bytes of one connection.
pub trait Protocol: Default {
    /// Handles every complete request of `input`, and says how many bytes those were.
    fn receive(&mut self, input: &[u8], out: &mut Outbox) -> usize;
}

/// What a protocol wants written after one read.
#[derive(Default)]
pub struct Outbox {
    /// For the sender.
    pub reply: Vec<u8>,
    /// The input itself is the reply.
    pub echo: bool,
    /// For each connection that joined.
    pub everyone: Vec<u8>,
    /// Close the connection once the reply is written.
    pub close: bool,
    /// From now on this connection gets what is written to everyone.
    pub join: bool,
}

struct Connection<P> {
    stream: TcpStream,
    protocol: P,
    member: bool,
    /// Only there while a request or a reply is half done, so that an idle connection is small.
    pending: Option<Box<Pending>>,
}

#[derive(Default)]
struct Pending {
    input: Vec<u8>,
    output: Vec<u8>,
}

struct Server<P> {
    poll: Poll,
    listener: TcpListener,
    connections: Vec<Option<Connection<P>>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    out: Outbox,
}

/// The one argument of each floor.
pub fn port_argument() -> io::Result<u16> {
    std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "usage: PORT"))
}

/// Serves on the loopback address until killed.
pub fn run<P: Protocol>(port: u16) -> io::Result<()> {
    let mut server = Server::<P>::bind(port)?;
    let mut events = Events::with_capacity(1024);
    loop {
        match server.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            match event.token() {
                LISTENER => server.accept()?,
                Token(slot) => server.serve(slot),
            }
        }
    }
}

impl<P: Protocol> Server<P> {
    fn bind(port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit it: no system call per connection.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        socket.listen(4096)?;
        socket.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(socket.into());
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            out: Outbox::default(),
        })
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(slot), interest)?;
            self.connections[slot] = Some(Connection {
                stream,
                protocol: P::default(),
                member: false,
                pending: None,
            });
        }
    }

    /// One readiness of one connection. Any error ends the connection: there is no one to tell.
    fn serve(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_mut() else {
            return;
        };
        let open = connection.serve(&mut self.buffer, &mut self.out);
        if !open.unwrap_or(false) {
            self.connections[slot] = None;
            self.free.push(slot);
        }
        if !self.out.everyone.is_empty() {
            let members = self.connections.iter_mut().flatten();
            for member in members.filter(|connection| connection.member) {
                // A dead member is found out by its own readiness.
                let _ = member.write(&self.out.everyone);
            }
            self.out.everyone.clear();
        }
    }
}

impl<P: Protocol> Connection<P> {
    /// Answers whether the connection stays open.
    fn serve(&mut self, buffer: &mut [u8], out: &mut Outbox) -> io::Result<bool> {
        self.flush()?;
        loop {
            // Whoever does not take the answers is not read from; room for them is an event.
            if self
                .pending
                .as_ref()
                .is_some_and(|pending| !pending.output.is_empty())
            {
                return Ok(true);
            }
            let length = match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            self.receive(&buffer[..length], out);
            self.member |= std::mem::take(&mut out.join);
            let written = match std::mem::take(&mut out.echo) {
                true => self.write(&buffer[..length]),
                false => self.write(&out.reply),
            };
            out.reply.clear();
            written?;
            if std::mem::take(&mut out.close) {
                return Ok(false);
            }
            if length < buffer.len() {
                return Ok(true);
            }
        }
    }

    fn receive(&mut self, bytes: &[u8], out: &mut Outbox) {
        match &mut self.pending {
            Some(pending) if !pending.input.is_empty() => {
                pending.input.extend_from_slice(bytes);
                let used = self.protocol.receive(&pending.input, out);
                pending.input.drain(..used);
            }
            pending => {
                let used = self.protocol.receive(bytes, out);
                if used < bytes.len() {
                    let input = &mut pending.get_or_insert_default().input;
                    input.extend_from_slice(&bytes[used..]);
                }
            }
        }
        self.forget_empty_pending();
    }

    /// Writes now what the socket takes; the rest waits for its next readiness.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let waiting = self.pending.as_ref();
        let mut written = 0;
        if waiting.is_none_or(|pending| pending.output.is_empty()) {
            written = match self.stream.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                result => result?,
            };
        }
        if written < bytes.len() {
            let output = &mut self.pending.get_or_insert_default().output;
            output.extend_from_slice(&bytes[written..]);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(pending) = &mut self.pending else {
            return Ok(());
        };
        while !pending.output.is_empty() {
            match self.stream.write(&pending.output) {
                Ok(written) => drop(pending.output.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.forget_empty_pending();
        Ok(())
    }

    fn forget_empty_pending(&mut self) {
        let empty = |pending: &Pending| pending.input.is_empty() && pending.output.is_empty();
        if self.pending.as_deref().is_some_and(empty) {
            self.pending = None;
        }
    }
}
