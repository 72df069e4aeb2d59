//! HTTP as the floor speaks it: find `\r\n\r\n`, append a fixed answer, go on.
//!
//! The route is told by one byte of the target; the answers carry a Server and a Date of the usual
//! size, so that bytes on the wire compare with those of real servers. Nothing is validated.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use crate::server::{Outbox, Protocol};

static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

macro_rules! answer {
    ($content_type:literal, $length:literal, $content:literal) => {
        concat!(
            "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            "Content-Type: ",
            $content_type,
            "\r\nContent-Length: ",
            $length,
            "\r\n\r\n",
            $content
        )
        .as_bytes()
    };
}

const PLAIN: &[u8] = answer!("text/plain", "13", "Hello, World!");
const JSON: &[u8] = answer!("application/json", "27", r#"{"message":"Hello, World!"}"#);
const USER: &[u8] = answer!("text/plain", "2", "42");
const ECHO_HEAD: &str = concat!(
    "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
    "Content-Type: application/octet-stream\r\nContent-Length: "
);

/// One connection's HTTP state: none, since every request is answered whole.
#[derive(Default)]
pub struct Http;

impl Protocol for Http {
    fn receive(&mut self, input: &[u8], out: &mut Outbox) -> usize {
        let mut at = 0;
        while let Some(end) = HEAD_END.find(&input[at..]) {
            let head = &input[at..at + end + 4];
            let content = &input[at + head.len()..];
            match head {
                [b'P', ..] => {
                    let length = content_length(head);
                    let Some(content) = content.get(..length) else {
                        break;
                    };
                    echo(content, &mut out.reply);
                    at += length;
                }
                [_, _, _, _, _, b'j', ..] => out.reply.extend_from_slice(JSON),
                [_, _, _, _, _, b'u', ..] => out.reply.extend_from_slice(USER),
                _ => out.reply.extend_from_slice(PLAIN),
            }
            at += head.len();
            // The generator sends this field last, so one comparison finds it.
            if head.ends_with(b"Connection: close\r\n\r\n") {
                out.close = true;
                break;
            }
        }
        at
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"Content-Length: ";
    let Some(start) = memmem::find(head, NAME) else {
        return 0;
    };
    head[start + NAME.len()..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}

fn echo(content: &[u8], reply: &mut Vec<u8>) {
    reply.extend_from_slice(ECHO_HEAD.as_bytes());
    reply.extend_from_slice(content.len().to_string().as_bytes());
    reply.extend_from_slice(b"\r\n\r\n");
    reply.extend_from_slice(content);
}
