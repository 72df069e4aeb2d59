//! The first line of a message: request-line or status-line.
//!
//! ```text
//! request-line = method SP request-target SP HTTP-version CRLF              ; RFC 9112 §3
//! status-line  = HTTP-version SP status-code SP [ reason-phrase ] CRLF      ; RFC 9112 §4
//! HTTP-version = "HTTP" "/" DIGIT "." DIGIT                                 ; RFC 9112 §2.3
//! ```
//! One space where the grammar has one: the whitespace that RFC 9112 §3 lets a lenient recipient
//! accept here is how two readers come to disagree. What a target means is in `target.rs`.

use http::StatusCode;

use crate::error::{Error, LimitFault, PeerFault};
use crate::field_line::read_crlf;
use crate::fields::Span;
use crate::grammar::{after_path, after_text, after_token, after_visible};
use crate::version::Version;

/// The longest registered method has 17 octets; RFC 9112 §3 has longer ones than a server knows
/// answered with 501.
const METHOD_BYTES_MAX: usize = 64;

/// `SP HTTP/1.1 CRLF`.
const REQUEST_LINE_END_BYTES: usize = 1 + 8 + 2;

/// What a request-line longer than its parts may be has too much of.
///
/// An incomplete line is not read over and over as it grows, so its length is what tells.
pub(crate) fn request_line_bytes_max(target_bytes_max: usize) -> usize {
    target_bytes_max.saturating_add(METHOD_BYTES_MAX + 1 + REQUEST_LINE_END_BYTES)
}

/// Where the parts of a request-line are.
pub(crate) struct RequestLine {
    pub(crate) method: Span,
    pub(crate) target_start: usize,
    /// Where the first `?` of the target is.
    pub(crate) query_mark: Option<usize>,
    pub(crate) target_end: usize,
    pub(crate) version: Version,
    /// Where the next line begins.
    pub(crate) next: usize,
}

/// Reads the request-line `input` begins with, or `None` if the input ends first.
#[inline(always)]
pub(crate) fn read_request_line(
    input: &[u8],
    target_bytes_max: usize,
) -> Result<Option<RequestLine>, Error> {
    // The method that nearly all requests have is not worth a search.
    let method_end = if input.starts_with(b"GET ") {
        3
    } else {
        match read_method(input)? {
            Some(end) => end,
            None => return Ok(None),
        }
    };
    let target_start = method_end + 1;
    let target = &input[target_start..];
    let mut rest = after_path(target);
    let mut query_mark = None;
    if rest.starts_with(b"?") {
        query_mark = Some(input.len() - rest.len());
        rest = after_visible(rest);
    }
    let target_bytes = target.len() - rest.len();
    if target_bytes > target_bytes_max {
        return Err(LimitFault::TargetBytes.into());
    }
    // So do nearly all request-lines end.
    let (version, line_end) = if target_bytes > 0 && rest.starts_with(b" HTTP/1.1\r\n") {
        (Version::Http11, REQUEST_LINE_END_BYTES)
    } else {
        match read_request_line_end(rest, target_bytes > 0)? {
            Some(end) => end,
            None => return Ok(None),
        }
    };
    let target_end = target_start + target_bytes;
    Ok(Some(RequestLine {
        method: Span::new(0, method_end),
        target_start,
        query_mark,
        target_end,
        version,
        next: target_end + line_end,
    }))
}

/// Reads a method: where the space is that ends it, or `None` if the input ends first.
fn read_method(input: &[u8]) -> Result<Option<usize>, Error> {
    let method_end = input.len() - after_token(input).len();
    if method_end > METHOD_BYTES_MAX {
        return Err(LimitFault::MethodBytes.into());
    }
    match input.get(method_end) {
        Some(b' ') if method_end > 0 => Ok(Some(method_end)),
        None => Ok(None),
        Some(b'\n') => Err(PeerFault::BareLf.into()),
        // The decoder has passed over one empty line already; here is another.
        Some(_) if method_end == 0 => match read_crlf(input, 0, PeerFault::MethodInvalid)? {
            Some(_) => Err(PeerFault::EmptyLines.into()),
            None => Ok(None),
        },
        Some(_) => Err(PeerFault::MethodInvalid.into()),
    }
}

/// Reads what follows the target: the version, and how many octets there are to the next line.
fn read_request_line_end(
    rest: &[u8],
    has_target: bool,
) -> Result<Option<(Version, usize)>, PeerFault> {
    match rest.first() {
        Some(b' ') if has_target => {}
        None => return Ok(None),
        Some(b'\n') => return Err(PeerFault::BareLf),
        // The request-line of HTTP/0.9.
        Some(b'\r') => return Err(PeerFault::VersionInvalid),
        Some(_) => return Err(PeerFault::TargetInvalid),
    }
    let Some((version, version_end)) = read_version(rest, 1)? else {
        return Ok(None);
    };
    let next = read_crlf(rest, version_end, PeerFault::VersionInvalid)?;
    Ok(next.map(|next| (version, next)))
}

/// The parts of a status-line.
pub(crate) struct StatusLine {
    pub(crate) version: Version,
    pub(crate) status: StatusCode,
    pub(crate) reason: Span,
    pub(crate) next: usize,
}

/// Reads the status-line `input` begins with, or `None` if the input ends first.
pub(crate) fn read_status_line(input: &[u8]) -> Result<Option<StatusLine>, Error> {
    let Some((version, version_end)) = read_version(input, 0)? else {
        return Ok(None);
    };
    let Some(code) = input[version_end..].first_chunk::<4>() else {
        return Ok(None);
    };
    let status = match code {
        // Three DIGITs, the first of which is a class of RFC 9110 §15; that there are only five
        // of them is for the reader to judge ("a client MUST understand the class").
        [b' ', digits @ ..] => StatusCode::from_bytes(digits).ok(),
        _ => None,
    };
    let status = status.ok_or(PeerFault::StatusLineInvalid)?;
    let code_end = version_end + code.len();
    // §4: "a server MUST send the space [...] even when the reason-phrase is absent"; many do
    // not, and nothing depends on it.
    let reason_start = match input.get(code_end) {
        Some(b' ') => code_end + 1,
        _ => code_end,
    };
    let reason_end = match input.get(reason_start) {
        Some(_) if reason_start > code_end => {
            input.len() - after_text(&input[reason_start..]).len()
        }
        _ => reason_start,
    };
    let next = read_crlf(input, reason_end, PeerFault::StatusLineInvalid)?;
    Ok(next.map(|next| StatusLine {
        version,
        status,
        reason: Span::new(reason_start, reason_end),
        next,
    }))
}

/// Reads the version at `at`, and tells where it ends.
#[inline]
fn read_version(input: &[u8], at: usize) -> Result<Option<(Version, usize)>, PeerFault> {
    let Some(name) = input[at..].first_chunk::<8>() else {
        return Ok(None);
    };
    let version = match name {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => match name[5] {
            // RFC 9110 §2.5: a message of a higher minor version is to be processed "as if it
            // was in the highest minor version within that major version to which the recipient
            // is conformant".
            b'1' => Version::Http11,
            _ => return Err(PeerFault::VersionUnsupported),
        },
        _ => return Err(PeerFault::VersionInvalid),
    };
    Ok(Some((version, at + name.len())))
}
