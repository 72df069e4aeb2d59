//! The opening handshake on a stream: one request, one answer, and what was glued to it.

use std::time::Duration;

use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use squall_http1::{
    ContentDecoder, ContentEvent, HeadDecoder, Limits, ResponseHead, encode_request_head,
};
use squall_ioloop::with_timeout;
use squall_iostream::{IoStream, Step, StreamError};

use super::url::Url;
use super::{Answer, Client, OpenError, UrlFault};
use crate::handshake::ClientHandshake;
use crate::{Opening, Role, keys};

/// What is kept of the content of an answer that refuses: enough for an error page.
const CONTENT_BYTES_MAX: usize = 64 * 1024;
/// How long is waited for it.
const CONTENT_TIME_MAX: Duration = Duration::from_secs(5);

/// A stream that is a WebSocket now.
pub(super) struct Opened {
    pub(super) stream: IoStream,
    pub(super) opening: Opening,
    pub(super) subprotocol: Option<String>,
}

pub(super) async fn open(
    client: &Client,
    mut stream: IoStream,
    url: &Url,
) -> Result<Opened, OpenError> {
    let handshake = handshake(client);
    let fields = fields(client, url, &handshake)?;
    stream.write_with(|out| encode_request_head(out, &Method::GET, &url.target, &fields))??;

    let head = read_head(&mut stream).await?;
    if head.status() != StatusCode::SWITCHING_PROTOCOLS {
        let mut content = Vec::new();
        let reading = read_content(&mut stream, &head, &mut content);
        let _ = with_timeout(CONTENT_TIME_MAX, reading).await;
        return Err(OpenError::Refused(Box::new(Answer {
            status: head.status(),
            fields: head.headers().clone(),
            content,
        })));
    }
    let version = match head.version() {
        squall_http1::Version::Http10 => http::Version::HTTP_10,
        squall_http1::Version::Http11 => http::Version::HTTP_11,
    };
    let subprotocol = handshake.check(head.status(), version, head.headers())?;
    let opening = Opening::new(Role::Client);
    #[cfg(feature = "deflate")]
    let opening = match &client.config.deflate {
        Some(deflate) => opening.with_deflate(deflate.check(head.headers())?),
        None => opening,
    };
    Ok(Opened {
        opening,
        subprotocol: subprotocol.map(str::to_owned),
        // Frames that came glued to the head are unread in it.
        stream,
    })
}

fn handshake(client: &Client) -> ClientHandshake {
    let mut nonce = [0; 16];
    keys::fill(&mut nonce);
    let mut handshake = ClientHandshake::new(nonce);
    for name in &client.subprotocols {
        // They were looked at when they were given.
        if let Ok(with) = handshake.clone().with_subprotocol(name) {
            handshake = with;
        }
    }
    #[cfg(feature = "deflate")]
    if let Some(deflate) = client.config.deflate {
        handshake = handshake.with_deflate(deflate);
    }
    handshake
}

/// The fields of the request: the caller's, and over them those of the handshake.
fn fields(client: &Client, url: &Url, handshake: &ClientHandshake) -> Result<HeaderMap, OpenError> {
    let mut fields = HeaderMap::new();
    // First, as RFC 9110 §7.2 would have it.
    let host = HeaderValue::from_str(&url.authority).map_err(|_| UrlFault::Syntax)?;
    fields.insert(HOST, host);
    for (name, value) in &client.fields {
        if name == HOST {
            fields.insert(HOST, value.clone());
        } else {
            fields.append(name, value.clone());
        }
    }
    for (name, value) in &handshake.fields() {
        fields.insert(name, value.clone());
    }
    Ok(fields)
}

/// Reads heads until one is an answer: servers may send others before (RFC 9110 §15.2).
async fn read_head(stream: &mut IoStream) -> Result<ResponseHead, OpenError> {
    /// As few as a server has reasons for.
    const INTERIM_MAX: usize = 8;
    let limits = Limits::default();
    let mut head = ResponseHead::new();
    for _ in 0..=INTERIM_MAX {
        let mut decoder = HeadDecoder::new();
        stream
            .decode(|input| -> Result<_, OpenError> {
                let used = decoder.decode_response(input, &mut head, &limits)?;
                Ok(used.map_or(Step::More(0), |used| Step::Done(used, ())))
            })
            .await?;
        if !head.status().is_informational() || head.status() == StatusCode::SWITCHING_PROTOCOLS {
            break;
        }
    }
    Ok(head)
}

/// What there is of the content; that it breaks off changes nothing about the refusal.
async fn read_content(stream: &mut IoStream, head: &ResponseHead, content: &mut Vec<u8>) {
    let Ok(framing) = head.framing(&Method::GET) else {
        return;
    };
    let limits = Limits::default();
    let mut decoder = ContentDecoder::new(framing);
    let reading = stream.decode(|input| -> Result<Step<()>, StreamError> {
        let mut used = 0;
        loop {
            match decoder.decode(&input[used..], &limits) {
                Ok((count, ContentEvent::Data(data))) => {
                    let room = CONTENT_BYTES_MAX - content.len();
                    content.extend_from_slice(&data[..data.len().min(room)]);
                    used += count;
                    if content.len() == CONTENT_BYTES_MAX {
                        return Ok(Step::Done(used, ()));
                    }
                }
                Ok((count, ContentEvent::Partial)) => return Ok(Step::More(used + count)),
                Ok((count, _)) => return Ok(Step::Done(used + count, ())),
                Err(_) => return Ok(Step::Done(used, ())),
            }
        }
    });
    let _ = reading.await;
}
