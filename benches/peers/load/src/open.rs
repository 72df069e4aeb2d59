//! Opening: connections are made one at a time, blocking, and the first answer of each is read
//! byte by byte and held against what was asked for. From there on they are only counted.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::answer::Answer;
use crate::plan::{Expected, HANDSHAKE_ACCEPT, Plan};
use crate::stage::Failure;

/// A server that takes longer for one answer has failed.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// No server of ours sends a longer head.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Makes one connection, and learns the answer's shape from its first exchange.
pub(crate) fn open(port: u16, plan: &Plan) -> Result<(TcpStream, Answer), Failure> {
    let mut stream = connect(port)?;
    if let Some(handshake) = &plan.handshake {
        stream.write_all(handshake)?;
        check_handshake(&read_head(&mut stream)?)?;
    }
    // A broadcast would reach the connections made before; its frame is known without asking.
    if plan.broadcast {
        let Expected::Frame(frame) = &plan.expected else {
            return Err(Failure::Server("a broadcast is made of frames".into()));
        };
        return Ok((stream, Answer::new(&plan.expected, frame.len())));
    }
    stream.write_all(&plan.request)?;
    let length = match &plan.expected {
        Expected::Frame(frame) => {
            check_bytes(&mut stream, frame)?;
            frame.len()
        }
        Expected::Response {
            media_type,
            content,
        } => {
            let head = read_head(&mut stream)?;
            check_response(&head, media_type, content.len())?;
            check_bytes(&mut stream, content)?;
            head.len() + content.len()
        }
    };
    Ok((stream, Answer::new(&plan.expected, length)))
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    Ok(stream)
}

/// Reads up to and with the empty line, and not a byte more.
fn read_head(stream: &mut TcpStream) -> Result<String, Failure> {
    let mut head = Vec::new();
    let mut window = [0; HEAD_BYTES_MAX];
    while !head.ends_with(b"\r\n\r\n") {
        let available = match stream.peek(&mut window)? {
            0 => return Err(Failure::mismatch("closed within a head", &head)),
            length => &window[..length],
        };
        let before = head.len();
        for &byte in available {
            head.push(byte);
            if head.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let taken = head.len() - before;
        stream.read_exact(&mut window[..taken])?;
        if head.len() > HEAD_BYTES_MAX {
            return Err(Failure::mismatch("a head without end", &head));
        }
    }
    String::from_utf8(head).map_err(|error| Failure::mismatch("not text", error.as_bytes()))
}

fn check_handshake(head: &str) -> Result<(), Failure> {
    let accepted = head.starts_with("HTTP/1.1 101 ")
        && field(head, "sec-websocket-accept") == Some(HANDSHAKE_ACCEPT);
    match accepted {
        true => Ok(()),
        false => Err(Failure::mismatch("no WebSocket", head.as_bytes())),
    }
}

fn check_response(head: &str, media_type: &str, length: usize) -> Result<(), Failure> {
    let complaint = if !head.starts_with("HTTP/1.1 200 ") {
        "the status is not 200"
    } else if field(head, "content-length") != Some(length.to_string().as_str()) {
        "the Content-Length is not the content's"
    } else if !field(head, "content-type")
        .unwrap_or("")
        .starts_with(media_type)
    {
        "the Content-Type is another"
    } else {
        return Ok(());
    };
    Err(Failure::mismatch(complaint, head.as_bytes()))
}

fn check_bytes(stream: &mut TcpStream, expected: &[u8]) -> Result<(), Failure> {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).map_err(|error| match error {
        error if error.kind() == ErrorKind::UnexpectedEof => {
            Failure::Server("closed within an answer".into())
        }
        error => error.into(),
    })?;
    match bytes == expected {
        true => Ok(()),
        false => Err(Failure::mismatch("the content is another", &bytes)),
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
