//! What carries a stream's bytes, as its core has it: a socket in place, anything else in a box.
//!
//! Nearly every stream of a server is a socket, so its calls are direct and its handles one word
//! wide; `transport.rs` is the seam for all others.

use std::any::Any;
use std::io;
use std::ops::Deref;

use crate::{SocketTransport, Transport};

pub(crate) enum Carrier {
    Socket(SocketTransport),
    Other(Box<dyn Transport>),
}

impl Carrier {
    pub(crate) fn new<T: Transport>(transport: T) -> Self {
        // Taken out of its type without a box, if it is the one that has a place here.
        let mut transport = Some(transport);
        let known: &mut dyn Any = &mut transport;
        if let Some(socket) = known.downcast_mut().and_then(Option::take) {
            return Self::Socket(socket);
        }
        if let Some(boxed) = known.downcast_mut().and_then(Option::take) {
            return Self::Other(boxed);
        }
        let transport = transport.expect("nobody has taken it");
        Self::Other(Box::new(transport))
    }

    // ---- on the way of every request

    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(buffer),
            Self::Other(transport) => transport.read(buffer),
        }
    }

    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::Other(transport) => transport.has_more(),
        }
    }

    #[inline]
    pub(crate) fn unsent_len(&self) -> usize {
        match self {
            Self::Socket(_) => 0,
            Self::Other(transport) => transport.unsent_len(),
        }
    }
}

/// All else, by the trait's table.
impl Deref for Carrier {
    type Target = dyn Transport;

    fn deref(&self) -> &(dyn Transport + 'static) {
        match self {
            Self::Socket(socket) => socket,
            Self::Other(transport) => &**transport,
        }
    }
}
