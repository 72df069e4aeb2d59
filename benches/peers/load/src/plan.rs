//! What is sent and what must come back, as bytes, made once before the first connection.

use crate::arguments::{Arguments, Mode, Request};

/// The masking key of every frame: fixed, so that a frame is made once and sent many times.
const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The key of section 1.3 of RFC 6455, whose answer is printed there.
const HANDSHAKE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// That answer.
pub(crate) const HANDSHAKE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One exchange, in bytes.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Sent once by each connection before anything else.
    pub(crate) handshake: Option<Vec<u8>>,
    /// One request, one masked frame or one message.
    pub(crate) request: Vec<u8>,
    /// What answers it.
    pub(crate) expected: Expected,
    /// Requests sent together; the next batch follows when all of it has been answered.
    pub(crate) depth: usize,
    /// Whether only the first connection sends.
    pub(crate) broadcast: bool,
}

/// What must come back.
#[derive(Debug)]
pub(crate) enum Expected {
    /// A response with status 200, this content and a Content-Type that starts so.
    Response {
        /// Of the Content-Type; nothing is asked of an echo.
        media_type: &'static str,
        content: Vec<u8>,
    },
    /// Exactly these bytes: what was sent, or the one minimal form of a server's frame.
    Bytes(Vec<u8>),
}

impl Plan {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let (handshake, request, expected) = match arguments.mode {
            Mode::KeepAlive => http(arguments, ""),
            Mode::Close => http(arguments, "Connection: close\r\n"),
            Mode::WsEcho => websocket(arguments, "/ws"),
            Mode::WsBroadcast => websocket(arguments, "/broadcast"),
            Mode::Echo => {
                let message = letters(arguments.bytes);
                (None, message.clone(), Expected::Bytes(message))
            }
        };
        Self {
            handshake,
            request,
            expected,
            depth: arguments.depth,
            broadcast: arguments.mode == Mode::WsBroadcast,
        }
    }

    /// All requests of one turn of one connection.
    pub(crate) fn batch(&self) -> Vec<u8> {
        self.request.repeat(self.depth)
    }
}

type Bytes = (Option<Vec<u8>>, Vec<u8>, Expected);

fn http(arguments: &Arguments, last_field: &str) -> Bytes {
    let get = |target: &str, fields: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}{last_field}\r\n").into_bytes()
    };
    let text = |content: &str| Expected::Response {
        media_type: "text/plain",
        content: content.into(),
    };
    let (request, expected) = match arguments.request {
        Request::Plain => (get("/", ""), text("Hello, World!")),
        Request::Browser => (get("/", BROWSER_FIELDS), text("Hello, World!")),
        Request::User => (get("/user/42", ""), text("42")),
        Request::Letters => {
            let expected = Expected::Response {
                media_type: "text/plain",
                content: letters(arguments.bytes),
            };
            (get(&format!("/letters/{}", arguments.bytes), ""), expected)
        }
        Request::Json => {
            let expected = Expected::Response {
                media_type: "application/json",
                content: br#"{"message":"Hello, World!"}"#.to_vec(),
            };
            (get("/json", ""), expected)
        }
        Request::Echo => {
            let content = letters(arguments.bytes);
            let mut request = format!(
                "POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                 Content-Type: application/octet-stream\r\nContent-Length: {}\r\n{last_field}\r\n",
                content.len()
            )
            .into_bytes();
            request.extend_from_slice(&content);
            let expected = Expected::Response {
                media_type: "",
                content,
            };
            (request, expected)
        }
    };
    (None, request, expected)
}

/// What a browser sends beside the Host: nine fields more.
const BROWSER_FIELDS: &str = concat!(
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ",
    "Chrome/142.0.0.0 Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,",
    "image/apng,*/*;q=0.8\r\n",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8,fr;q=0.7\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Cache-Control: max-age=0\r\n",
    "Cookie: session=2|1:0|10:1763600000|7:session|24:c29tZS1zaWduZWQtdmFsdWU=|",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08; theme=dark; ",
    "consent=1.0.2.3; returning=yes\r\n",
    "Referer: http://127.0.0.1/articles/2026/11/the-path-of-a-request\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "Sec-Fetch-Mode: navigate\r\n",
);

fn websocket(arguments: &Arguments, target: &str) -> Bytes {
    let handshake = format!(
        "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {HANDSHAKE_KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes();
    let payload = letters(arguments.bytes);
    let mut request = frame_header(payload.len(), 0x80);
    request.extend_from_slice(&MASKING_KEY);
    request.extend(
        payload
            .iter()
            .zip(MASKING_KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    let mut answer = frame_header(payload.len(), 0);
    answer.extend_from_slice(&payload);
    (Some(handshake), request, Expected::Bytes(answer))
}

/// The header of a whole text message (RFC 6455, section 5.2).
fn frame_header(length: usize, mask_bit: u8) -> Vec<u8> {
    const FIN_TEXT: u8 = 0x81;
    let mut header = vec![FIN_TEXT];
    match length {
        ..126 => header.push(mask_bit | length as u8),
        126..65_536 => {
            header.push(mask_bit | 126);
            header.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            header.push(mask_bit | 127);
            header.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    header
}

/// Text without a period that a buffer's size could hide. Servers of `/letters` and the driver,
/// which writes nginx's files, make the same.
fn letters(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| b'a' + ((at + at / 26 + at / 997) % 26) as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_head_has_ten_fields_and_about_700_bytes() {
        let words = ["8080", "--request", "browser"].map(String::from);
        let arguments = Arguments::parse(words.into_iter()).expect("arguments");
        let request = Plan::new(&arguments).request;
        let text = String::from_utf8(request).expect("text");
        assert_eq!(text.lines().filter(|line| line.contains(": ")).count(), 10);
        assert!((650..=750).contains(&text.len()), "{}", text.len());
    }

    #[test]
    fn a_frame_of_126_bytes_has_a_two_byte_length() {
        assert_eq!(frame_header(125, 0x80), [0x81, 0xfd]);
        assert_eq!(frame_header(126, 0), [0x81, 126, 0, 126]);
        assert_eq!(frame_header(65_536, 0).len(), 10);
    }
}
