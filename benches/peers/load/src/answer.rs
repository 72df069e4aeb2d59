//! The shape of an answer: learned from the first one, then only compared and counted.
//!
//! All answers of one server to one request have one length, so the end of each is known without
//! parsing. Every answer's beginning (the status line, or the whole frame) and its end (the
//! content) are compared still, which a `memcmp` does for next to nothing.

use crate::plan::Expected;
use crate::stage::Failure;

/// More of a long answer is not compared after the first one.
const COMPARED_BYTES: usize = 1024;

/// What every answer looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    start: Vec<u8>,
    end: Vec<u8>,
    length: usize,
}

impl Answer {
    /// The shape of one whole answer of `length` bytes.
    pub(crate) fn new(expected: &Expected, length: usize) -> Self {
        let (start, end): (&[u8], &[u8]) = match expected {
            Expected::Response { content, .. } => (b"HTTP/1.1 200", content),
            Expected::Bytes(bytes) => (bytes, bytes),
        };
        Self {
            start: start[..start.len().min(COMPARED_BYTES)].to_vec(),
            end: end[end.len() - end.len().min(COMPARED_BYTES)..].to_vec(),
            length,
        }
    }

    /// Takes the next bytes of a connection that is `into` bytes into an answer, and tells how
    /// many answers they complete.
    pub(crate) fn advance(&self, into: &mut usize, mut bytes: &[u8]) -> Result<usize, Failure> {
        let mut completed = 0;
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(self.length - *into));
            if *into == 0 && !same_start(part, &self.start) {
                return Err(Failure::mismatch("an answer starts unlike the first", part));
            }
            *into += part.len();
            if *into == self.length {
                if !same_end(part, &self.end) {
                    return Err(Failure::mismatch("an answer ends unlike the first", part));
                }
                *into = 0;
                completed += 1;
            }
            bytes = rest;
        }
        Ok(completed)
    }
}

/// Whether both begin alike, as far as both go.
fn same_start(left: &[u8], right: &[u8]) -> bool {
    let length = left.len().min(right.len());
    left[..length] == right[..length]
}

/// Whether both end alike, as far as both go.
fn same_end(left: &[u8], right: &[u8]) -> bool {
    let length = left.len().min(right.len());
    left[left.len() - length..] == right[right.len() - length..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let expected = Expected::Response {
            media_type: "text/plain",
            content: b"yes".to_vec(),
        };
        Answer::new(&expected, 20)
    }

    const TWO: &[u8] = b"HTTP/1.1 200 .....yesHTTP/1.1 200 ....yes";

    #[test]
    fn answers_are_counted_wherever_they_are_cut() {
        let bytes = [&TWO[..13], b"....yes", &TWO[21..]].concat();
        for cut in 0..=bytes.len() {
            let mut into = 0;
            let first = answer().advance(&mut into, &bytes[..cut]);
            let second = answer().advance(&mut into, &bytes[cut..]);
            assert_eq!(first.expect("first") + second.expect("second"), 2, "{cut}");
        }
    }

    #[test]
    fn an_answer_of_another_length_is_an_error() {
        assert!(answer().advance(&mut 0, TWO).is_err());
    }
}
