//! Random conversations come out as they went in, and random garbage does no harm.
//!
//! The numbers are the same on every run; a failure names its seed.

mod peer;

use peer::{Said, listen};
use squall_websocket::{
    Fragment, Limits, MaskingKey, Message, MessageKind, Protocol, Role, encode_fragment,
    encode_message, encode_ping, encode_pong,
};

/// Xorshift with 64 bits of state: enough chance for tests.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self, len: usize) -> String {
        (0..len)
            .map(|_| ['a', 'é', '漢', '🦀', '\n', '\u{7ff}'][self.below(6)])
            .collect()
    }

    /// Mostly short, sometimes long enough for the wider forms of length.
    fn len(&mut self) -> usize {
        match self.below(20) {
            0 => 0,
            1 => self.below(70_000),
            2..=5 => self.below(400),
            _ => self.below(40),
        }
    }

    fn key(&mut self, role: Role) -> Option<MaskingKey> {
        match role {
            Role::Server => Some((self.next() as u32).to_ne_bytes()),
            Role::Client => None,
        }
    }

    /// Cuts into pieces, now of few bytes, now of many.
    fn cut<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let most = [1, 8, 200, 100_000][self.below(4)].min(bytes.len());
            let (piece, rest) = bytes.split_at(1 + self.below(most));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

/// Writes a control frame, sometimes.
fn maybe_control(random: &mut Random, role: Role, wire: &mut Vec<u8>, said: &mut Vec<Said>) {
    let choice = random.below(6);
    if choice > 1 {
        return;
    }
    let len = random.below(126);
    let payload = random.bytes(len);
    let key = random.key(role);
    if choice == 0 {
        encode_ping(wire, &payload, key).expect("it is short");
        said.push(Said::Ping(payload));
    } else {
        encode_pong(wire, &payload, key).expect("it is short");
        said.push(Said::Pong(payload));
    }
}

/// Writes a message, in one frame or in several with control frames between.
fn message(random: &mut Random, role: Role, wire: &mut Vec<u8>, said: &mut Vec<Said>) {
    let len = random.len();
    let message = if random.below(2) == 0 {
        Said::Text(random.text(len))
    } else {
        Said::Binary(random.bytes(len))
    };
    let (kind, payload) = match &message {
        Said::Text(text) => (MessageKind::Text, text.as_bytes()),
        Said::Binary(bytes) => (MessageKind::Binary, &bytes[..]),
        _ => unreachable!("made just above"),
    };
    if random.below(2) == 0 {
        let whole = match &message {
            Said::Text(text) => Message::Text(text),
            _ => Message::Binary(payload),
        };
        encode_message(wire, whole, random.key(role));
    } else {
        encode_fragment(wire, Fragment::First(kind), b"", random.key(role));
        for piece in random.cut(payload) {
            maybe_control(random, role, wire, said);
            encode_fragment(wire, Fragment::Middle, piece, random.key(role));
        }
        maybe_control(random, role, wire, said);
        encode_fragment(wire, Fragment::Last, b"", random.key(role));
    }
    said.push(message);
}

#[test]
fn what_was_said_is_heard() {
    for seed in 1..=300 {
        let mut random = Random::new(seed);
        for role in [Role::Server, Role::Client] {
            let (mut wire, mut said) = (Vec::new(), Vec::new());
            for _ in 0..random.below(12) {
                maybe_control(&mut random, role, &mut wire, &mut said);
                message(&mut random, role, &mut wire, &mut said);
            }
            let mut protocol = Protocol::new(role, Limits::default());
            let heard = listen(&mut protocol, random.cut(&wire));
            assert!(heard == said, "seed {seed}");
        }
    }
}

/// What is heard does not depend on the cuts, and no message is larger than the limit allows.
fn check_garbage(random: &mut Random, role: Role, garbage: &[u8], seed: u64) {
    const BYTES_MAX: usize = 1000;
    let new = || Protocol::new(role, Limits::default().with_message_bytes_max(BYTES_MAX));
    let whole = listen(&mut new(), [garbage]);
    let pieces = listen(&mut new(), random.cut(garbage));
    assert_eq!(whole, pieces, "seed {seed}");
    for said in whole {
        match said {
            Said::Text(text) => assert!(text.len() <= BYTES_MAX),
            Said::Binary(bytes) => assert!(bytes.len() <= BYTES_MAX),
            _ => {}
        }
    }
}

#[test]
fn garbage_does_no_harm() {
    for seed in 1..=20_000 {
        let mut random = Random::new(seed);
        let len = random.below(60);
        let garbage = random.bytes(len);
        check_garbage(&mut random, Role::Server, &garbage, seed);
        check_garbage(&mut random, Role::Client, &garbage, seed);
    }
}

#[test]
fn damaged_conversations_do_no_harm() {
    for seed in 1..=300 {
        let mut random = Random::new(seed);
        for role in [Role::Server, Role::Client] {
            let (mut wire, mut said) = (Vec::new(), Vec::new());
            for _ in 0..4 {
                maybe_control(&mut random, role, &mut wire, &mut said);
                message(&mut random, role, &mut wire, &mut said);
            }
            for _ in 0..=random.below(4) {
                let place = random.below(wire.len());
                wire[place] ^= 1 << random.below(8);
            }
            check_garbage(&mut random, role, &wire, seed);
        }
    }
}
