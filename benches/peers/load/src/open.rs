//! Opening: connections are made one at a time, blocking, and the first answer of each is read
//! byte by byte and held against what was asked for. From there on they are only counted.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::answer::Answer;
use crate::plan::{Expected, HANDSHAKE_ACCEPT, Plan};
use crate::stage::Failure;
use crate::stream::Stream;
use crate::tls_client::TlsClient;

/// A server that takes longer for one answer has failed.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// No server of ours sends a longer head.
const HEAD_BYTES_MAX: usize = 8 * 1024;

type Opened = (Stream<TcpStream>, Answer);

/// Makes one connection, and learns the answer's shape from its first exchange.
pub(crate) fn open(port: u16, plan: &Plan, tls: Option<&TlsClient>) -> Result<Opened, Failure> {
    let session = tls.map(TlsClient::session).transpose()?;
    let mut stream = BufReader::new(Stream::new(connect(port)?, session));
    let answer = exchange(&mut stream, plan)?;
    match stream.buffer() {
        [] => Ok((stream.into_inner(), answer)),
        more => Err(Failure::mismatch("more than an answer", more)),
    }
}

type Reader = BufReader<Stream<TcpStream>>;

fn exchange(stream: &mut Reader, plan: &Plan) -> Result<Answer, Failure> {
    if let Some(handshake) = &plan.handshake {
        stream.get_mut().write_all(handshake)?;
        check_handshake(&read_head(stream)?)?;
    }
    // A broadcast would reach the connections made before; its frame is known without asking.
    if plan.broadcast {
        let Expected::Bytes(frame) = &plan.expected else {
            return Err(Failure::Server("a broadcast is made of frames".into()));
        };
        return Ok(Answer::new(&plan.expected, frame.len()));
    }
    stream.get_mut().write_all(&plan.request)?;
    let length = match &plan.expected {
        Expected::Bytes(bytes) => {
            check_bytes(stream, bytes)?;
            bytes.len()
        }
        Expected::Response {
            media_type,
            content,
        } => {
            let head = read_head(stream)?;
            check_response(&head, media_type, content.len())?;
            check_bytes(stream, content)?;
            head.len() + content.len()
        }
    };
    Ok(Answer::new(&plan.expected, length))
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    Ok(stream)
}

/// Reads up to and with the empty line.
fn read_head(stream: &mut Reader) -> Result<String, Failure> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let room = HEAD_BYTES_MAX.saturating_sub(head.len()) as u64;
        let line = stream.by_ref().take(room).read_until(b'\n', &mut head)?;
        match (line, room) {
            (_, 0) => return Err(Failure::mismatch("a head without end", &head)),
            (0, _) => return Err(Failure::mismatch("closed within a head", &head)),
            _ => {}
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

fn check_bytes(stream: &mut Reader, expected: &[u8]) -> Result<(), Failure> {
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
