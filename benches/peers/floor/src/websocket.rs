//! WebSocket as the floor speaks it: the handshake's answer, then frames turned round.
//!
//! A frame's opcode is kept and its payload unmasked; nothing else is looked at, so fragments are
//! echoed as they came and text is not checked. Only ping and close get the answer they must have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use sha1::{Digest, Sha1};

use crate::server::{Outbox, Protocol};

/// Where one connection is.
#[derive(Default)]
pub enum WebSocket {
    /// The request to upgrade is not complete yet.
    #[default]
    Handshake,
    /// Each frame goes back to its sender.
    Echo,
    /// Each frame goes to everybody who asked for `/broadcast`.
    Broadcast,
}

impl Protocol for WebSocket {
    fn receive(&mut self, input: &[u8], out: &mut Outbox) -> usize {
        let mut at = 0;
        if matches!(self, Self::Handshake) {
            let Some(end) = memmem::find(input, b"\r\n\r\n") else {
                return 0;
            };
            at = end + 4;
            *self = accept(&input[..at], out);
        }
        let broadcast = matches!(self, Self::Broadcast);
        while let Some(frame) = Frame::parse(&input[at..]) {
            at += frame.length;
            match frame.opcode {
                0x8 => {
                    frame.append(0x88, &mut out.reply);
                    out.close = true;
                    break;
                }
                0x9 => frame.append(0x8a, &mut out.reply),
                _ if broadcast => frame.append(frame.first, &mut out.everyone),
                _ => frame.append(frame.first, &mut out.reply),
            }
        }
        at
    }
}

fn accept(head: &[u8], out: &mut Outbox) -> WebSocket {
    const NAME: &[u8] = b"Sec-WebSocket-Key: ";
    // Section 1.3 of RFC 6455.
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let start = memmem::find(head, NAME).map_or(0, |at| at + NAME.len());
    let key = &head[start..(start + 24).min(head.len())];
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(digest)
    );
    out.reply.extend_from_slice(reply.as_bytes());
    out.join = head.starts_with(b"GET /broadcast");
    if out.join {
        WebSocket::Broadcast
    } else {
        WebSocket::Echo
    }
}

/// A client's frame, still masked.
struct Frame<'a> {
    first: u8,
    opcode: u8,
    mask: [u8; 4],
    payload: &'a [u8],
    /// Bytes of the frame, header included.
    length: usize,
}

impl<'a> Frame<'a> {
    fn parse(input: &'a [u8]) -> Option<Self> {
        let (first, second) = (*input.first()?, *input.get(1)?);
        let (payload_length, mask_at) = match second & 0x7f {
            126 => {
                let bytes = input.get(2..4)?.try_into().ok()?;
                (usize::from(u16::from_be_bytes(bytes)), 4)
            }
            127 => {
                let bytes = input.get(2..10)?.try_into().ok()?;
                (usize::try_from(u64::from_be_bytes(bytes)).ok()?, 10)
            }
            length => (usize::from(length), 2),
        };
        let mask = input.get(mask_at..mask_at + 4)?.try_into().ok()?;
        let length = (mask_at + 4).checked_add(payload_length)?;
        let payload = input.get(mask_at + 4..length)?;
        Some(Self {
            first,
            opcode: first & 0x0f,
            mask,
            payload,
            length,
        })
    }

    /// Appends this frame as a server sends it: unmasked.
    fn append(&self, first: u8, out: &mut Vec<u8>) {
        match self.payload.len() {
            length @ ..126 => out.extend_from_slice(&[first, length as u8]),
            length @ 126..65_536 => {
                out.extend_from_slice(&[first, 126]);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.extend_from_slice(&[first, 127]);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let start = out.len();
        out.extend_from_slice(self.payload);
        unmask(&mut out[start..], self.mask);
    }
}

fn unmask(payload: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]).to_ne_bytes();
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(wide) {
        *byte ^= key;
    }
}
