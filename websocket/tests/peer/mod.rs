//! The other end, for tests: writes frames by hand, also wrong ones, and notes what a `Protocol`
//! makes of them.
//!
//! It shares no code with the encoder under test. Used by every suite that feeds a `Protocol`.
#![allow(dead_code, reason = "each suite uses its part")]

use squall_websocket::{Event, Limits, Protocol, Role};

/// An event that owns what it says, or the code a failure is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(u16),
}

impl Said {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close(Some((code, reason.to_owned())))
    }
}

impl From<Event<'_>> for Said {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::text(text),
            Event::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(frame) => {
                Self::Close(frame.map(|f| (f.code().get(), f.reason().to_owned())))
            }
        }
    }
}

pub(crate) const FIN: u8 = 0x80;
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame, its length in the shortest form.
pub(crate) fn masked(byte_0: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(byte_0, 0x80, payload.len() as u64);
    frame.extend_from_slice(&KEY);
    frame.extend(
        payload
            .iter()
            .enumerate()
            .map(|(i, byte)| byte ^ KEY[i % 4]),
    );
    frame
}

/// An unmasked frame, its length in the shortest form.
pub(crate) fn unmasked(byte_0: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(byte_0, 0, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}

/// The first bytes of a frame, up to the masking key.
pub(crate) fn header(byte_0: u8, mask_bit: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![byte_0];
    match length {
        0..=125 => bytes.push(mask_bit | length as u8),
        126..=0xFFFF => {
            bytes.push(mask_bit | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask_bit | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes
}

/// The payload of a Close frame.
pub(crate) fn close_payload(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason].concat()
}

pub(crate) fn server() -> Protocol {
    Protocol::new(Role::Server, Limits::default())
}

pub(crate) fn client() -> Protocol {
    Protocol::new(Role::Client, Limits::default())
}

/// Feeds the pieces one after the other, as a connection would: what a call leaves is kept in front
/// of the next piece. Notes all events and, at the end, the failure.
pub(crate) fn listen<'p>(
    protocol: &mut Protocol,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Vec<Said> {
    let mut said = Vec::new();
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut start = 0;
        loop {
            match protocol.receive(&mut buffer[start..]) {
                Ok((0, None)) => break,
                Ok((used, event)) => {
                    start += used;
                    said.extend(event.map(Said::from));
                }
                Err(error) => {
                    said.push(Said::Failed(error.close_code().get()));
                    return said;
                }
            }
        }
        buffer.drain(..start);
        assert!(
            buffer.len() <= 130,
            "{} bytes were left to the caller",
            buffer.len()
        );
    }
    said
}
