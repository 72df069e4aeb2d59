//! `requests.txt`, read: also for `fuzz`, whose seeds these are.

#![allow(dead_code, unreachable_pub, reason = "each user has its part")]

/// A request, and what becomes of it.
pub struct Request {
    /// `accept`, or the name of a fault.
    pub expected: &'static str,
    /// As it is written down.
    pub text: &'static str,
    /// As it is sent.
    pub wire: Vec<u8>,
}

/// All of them.
pub fn requests() -> Vec<Request> {
    let mut requests = Vec::new();
    for line in include_str!("requests.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (expected, text) = line.split_once('\t').expect("a tab in each line");
        requests.push(Request {
            expected,
            text,
            wire: unescape(text),
        });
    }
    requests
}

/// The octets that a line stands for.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(first) = rest.next() {
        octets.push(match first {
            b'\\' => match rest.next().expect("no lonely backslash") {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'x' => {
                    let mut digit = || char::from(rest.next().expect("two digits")).to_digit(16);
                    let (high, low) = (digit(), digit());
                    (high.expect("a digit") * 16 + low.expect("a digit")) as u8
                }
                other => other,
            },
            plain => plain,
        });
    }
    octets
}
