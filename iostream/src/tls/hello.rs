//! What a client says first: TLS, or HTTP by mistake, which deserves a readable answer.

use std::time::Duration;

use squall_ioloop::with_timeout;

use crate::tls::{TlsError, TlsPhase, records};
use crate::{IoStream, Step, StreamError};

/// How a client begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// With a whole record of TLS, or with something of which TLS will say that it is none.
    Tls,
    /// With a method of HTTP.
    Http,
}

/// RFC 9110, section 9.3; RFC 5789; and the preface of HTTP/2 (RFC 9113, section 3.4).
const METHODS: &[&[u8]] = &[
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
];

/// Waits for as much as it takes to know. All of it stays unread.
pub(super) async fn opening(stream: &mut IoStream) -> Result<Opening, TlsError> {
    let found = stream
        .decode(|unread| {
            Ok::<_, StreamError>(match classify(unread) {
                Some(opening) => Step::Done(0, opening),
                None => Step::More(0),
            })
        })
        .await;
    found.map_err(|error| {
        let phase = if stream.unread_len() == 0 {
            TlsPhase::Start
        } else {
            TlsPhase::Handshake
        };
        TlsError::from_stream(phase, &error)
    })
}

/// `None` when more is needed.
fn classify(unread: &[u8]) -> Option<Opening> {
    if METHODS.iter().any(|method| unread.starts_with(method)) {
        return Some(Opening::Http);
    }
    if METHODS.iter().any(|method| method.starts_with(unread)) {
        return None;
    }
    (records::end_of_whole(unread, 0) > 0).then_some(Opening::Tls)
}

const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 43\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks TLS: ask with https://...\n";

/// How long such a client may take to read its answer, and how much of its request is thrown away
/// meanwhile, since a reset could destroy the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 64 * 1024;

pub(super) async fn answer_plain_http(stream: IoStream) {
    // Whoever has gone has gone.
    let _ = stream.write(BAD_REQUEST);
    let _ = with_timeout(LINGER, stream.linger(LINGER_BYTES_MAX)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells_tls_from_http_as_soon_as_it_can() {
        let check = |bytes: &[u8], expected: Option<Opening>| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(classify(bytes), expected, "{text}");
        };
        for method in METHODS {
            for cut in 0..method.len() {
                check(&method[..cut], None);
            }
            check(method, Some(Opening::Http));
        }
        check(b"POST / HTTP/1.1\r\n", Some(Opening::Http));
        let hello = [&[22, 3, 1, 0, 4][..], b"abcd"].concat();
        for cut in 0..hello.len() {
            check(&hello[..cut], None);
        }
        check(&hello, Some(Opening::Tls));
        // No TLS either, which TLS will say.
        check(b"SSH-2.0-x\r\n", Some(Opening::Tls));
        check(b"GETTY", Some(Opening::Tls));
        check(&[0; 5], Some(Opening::Tls));
    }

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let answer = std::str::from_utf8(BAD_REQUEST).unwrap();
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", content.len())));
    }
}
