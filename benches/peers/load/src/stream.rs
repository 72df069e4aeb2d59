//! A connection's bytes, plain or through TLS, over a socket that blocks or does not.

use std::io::{self, Read, Write};
use std::net;

use mio::net::TcpStream;

use crate::tls::Tls;

/// A socket and, if it speaks TLS, its session.
pub(crate) struct Stream<S> {
    pub(crate) socket: S,
    tls: Option<Box<Tls>>,
    may_have_more: bool,
}

impl<S> Stream<S> {
    pub(crate) fn new(socket: S, tls: Option<Tls>) -> Self {
        Self {
            socket,
            tls: tls.map(Box::new),
            may_have_more: false,
        }
    }

    /// Whether the last read may have left something with the system, of which no event will tell.
    pub(crate) fn may_have_more(&self) -> bool {
        self.may_have_more
    }
}

impl Stream<net::TcpStream> {
    /// Its socket does not block from now on.
    pub(crate) fn into_nonblocking(self) -> io::Result<Stream<TcpStream>> {
        self.socket.set_nonblocking(true)?;
        Ok(Stream {
            socket: TcpStream::from_std(self.socket),
            tls: self.tls,
            may_have_more: false,
        })
    }
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.tls {
            None => {
                let length = self.socket.read(buffer)?;
                self.may_have_more = length == buffer.len();
                length
            }
            Some(tls) => {
                let length = tls.read(&mut self.socket, buffer)?;
                self.may_have_more = tls.may_have_more || length == buffer.len();
                length
            }
        };
        Ok(length)
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => tls.write(&mut self.socket, bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => Ok(()),
            Some(tls) => tls.flush(&mut self.socket),
        }
    }
}
