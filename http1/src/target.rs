//! The request-target: which of its four forms it has, and where its parts are.
//!
//! ```text
//! request-target = origin-form / absolute-form / authority-form / asterisk-form   ; RFC 9112 §3.2
//! origin-form    = absolute-path [ "?" query ]
//! absolute-form  = absolute-URI
//! authority-form = uri-host ":" port
//! asterisk-form  = "*"
//! ```
//! The octets are known to be visible ASCII when they come here (`start_line.rs`). Nothing is
//! decoded, and no dot segment is removed: that is routing. A `#` is left where it is, in path or
//! query: no URI that is sent should have one, yet clients send it, and it frames nothing.

use crate::error::PeerFault;
use crate::fields::Span;
use crate::host::{is_authority, is_authority_with_port, is_userinfo};

/// Where the parts of a target are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target {
    pub(crate) whole: Span,
    /// Empty in authority-form, and in absolute-form if the URI has none.
    pub(crate) path: Span,
    /// What follows the first `?`.
    pub(crate) query: Option<Span>,
    /// The host and port in the target, which are to be taken instead of Host's.
    pub(crate) authority: Option<Span>,
}

/// Takes the target at `start..end` of `input` apart, whose first `?` is at `query_mark`.
#[inline(always)]
pub(crate) fn read(
    method: &[u8],
    input: &[u8],
    start: usize,
    query_mark: Option<usize>,
    end: usize,
) -> Result<Target, PeerFault> {
    // RFC 9112 §3.2.3: authority-form is for CONNECT, and nothing else is for CONNECT.
    if input.get(start) == Some(&b'/') && method != b"CONNECT" {
        return Ok(with_path(start, start, query_mark, end));
    }
    read_other_form(method, input, start, query_mark, end).ok_or(PeerFault::TargetInvalid)
}

/// A target of which `path..end` is a path and perhaps a query.
#[inline]
fn with_path(start: usize, path: usize, query_mark: Option<usize>, end: usize) -> Target {
    Target {
        whole: Span::new(start, end),
        path: Span::new(path, query_mark.unwrap_or(end)),
        query: query_mark.map(|mark| Span::new(mark + 1, end)),
        authority: None,
    }
}

/// The forms that few requests have.
fn read_other_form(
    method: &[u8],
    input: &[u8],
    start: usize,
    query_mark: Option<usize>,
    end: usize,
) -> Option<Target> {
    if method == b"CONNECT" {
        return authority_form(input, start, end);
    }
    // §3.2.4: asterisk-form is for OPTIONS.
    if method == b"OPTIONS" && &input[start..end] == b"*" {
        return Some(with_path(start, start, None, end));
    }
    absolute_form(input, start, query_mark, end)
}

/// RFC 9112 §3.2.2: `http://` or `https://`, in any case, then the authority, which ends where
/// path or query begin.
///
/// Userinfo is tolerated where RFC 9110 §4.2.4 would rather have an error, as all servers do, but
/// it never becomes part of the host, and only octets of its grammar are: behind a backslash some
/// readers would see a path.
fn absolute_form(
    input: &[u8],
    start: usize,
    query_mark: Option<usize>,
    end: usize,
) -> Option<Target> {
    let target = &input[start..end];
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        let prefix = target.get(..scheme.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(scheme.as_bytes()))
    })?;
    let authority = start + scheme.len();
    let path = memchr::memchr2(b'/', b'?', &input[authority..end]);
    let path = path.map_or(end, |at| authority + at);
    let host = match memchr::memchr(b'@', &input[authority..path]) {
        Some(len) if is_userinfo(&input[authority..authority + len]) => authority + len + 1,
        Some(_) => return None,
        None => authority,
    };
    is_authority(&input[host..path]).then(|| Target {
        authority: Some(Span::new(host, path)),
        ..with_path(start, path, query_mark, end)
    })
}

fn authority_form(input: &[u8], start: usize, end: usize) -> Option<Target> {
    let whole = Span::new(start, end);
    is_authority_with_port(whole.of(input)).then(|| Target {
        whole,
        authority: Some(whole),
        ..Target::default()
    })
}
