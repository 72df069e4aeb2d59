//! The lines of an access log: Tornado's, NCSA's combined ones, and JSON. They are put together
//! from slices, without the machinery of `fmt`, and allocate nothing once the buffer has grown.

use std::time::Duration;

use http::{Method, StatusCode};
use squall_http1::{RequestHead, Version};
use tracing::Level;

use super::log_text::{FIELD_MAX, TARGET_MAX, plain_len_of_few, push_escaped, push_json};
use super::record::RequestRecord;

/// `[I 261124 18:08:16] 200 GET /path (127.0.0.1) 1.23ms`
pub(super) fn push_tornado(out: &mut Vec<u8>, record: &RequestRecord<'_>) {
    out.extend_from_slice(match record.level() {
        Level::INFO => b"[I ",
        Level::WARN => b"[W ",
        _ => b"[E ",
    });
    record.with_second(|second| out.extend_from_slice(&second.tornado));
    out.extend_from_slice(b"] ");
    push_tornado_message(out, record);
    out.push(b'\n');
}

/// `200 GET /path (127.0.0.1) 1.23ms`, as `Application.log_request` says it.
pub(super) fn push_tornado_message(out: &mut Vec<u8>, record: &RequestRecord<'_>) {
    out.extend_from_slice(&digits_of(record.status()));
    out.push(b' ');
    match record.head() {
        Some(head) => push_request_line::<VERSION_LEN>(out, head),
        None => out.extend_from_slice(b"- -"),
    }
    out.extend_from_slice(b" (");
    record.peer.append_to(out);
    out.extend_from_slice(b") ");
    push_millis(out, record.latency());
    out.extend_from_slice(b"ms");
}

/// `127.0.0.1 - - [24/Nov/2026:18:08:16 +0000] "GET / HTTP/1.1" 200 13 "-" "curl/8.5.0"`
pub(super) fn push_combined(out: &mut Vec<u8>, record: &RequestRecord<'_>) {
    record.peer.append_to(out);
    record.with_second(|second| out.extend_from_slice(&second.ncsa));
    match record.head() {
        Some(head) => push_request_line::<0>(out, head),
        None => out.push(b'-'),
    }
    let [hundreds, tens, ones] = digits_of(record.status());
    out.extend_from_slice(&[b'"', b' ', hundreds, tens, ones, b' ']);
    match record.content_bytes_sent() {
        // `%b` of Apache, and of the first server that wrote such lines.
        0 => out.push(b'-'),
        bytes => push_number(out, bytes),
    }
    match (record.field("referer"), record.field("user-agent")) {
        (None, None) => out.extend_from_slice(b" \"-\" \"-\"\n"),
        (referer, user_agent) => {
            out.extend_from_slice(b" \"");
            push_field(out, referer);
            out.extend_from_slice(b"\" \"");
            push_field(out, user_agent);
            out.extend_from_slice(b"\"\n");
        }
    }
}

/// ` HTTP/1.1`
const VERSION_LEN: usize = 9;

/// The first line of the head as it was sent, without so many octets at its end. Where that is
/// can be seen from its first octet that cannot stand for itself; a line that is longer, or has a
/// quote in it, is put together of its parts.
#[inline]
fn push_request_line<const LEFT_OUT: usize>(out: &mut Vec<u8>, head: &RequestHead) {
    let bytes = head.as_bytes();
    let bytes = &bytes[..bytes.len().min(TARGET_MAX)];
    let end = plain_len_of_few(bytes);
    if bytes.get(end) != Some(&b'\r') || end < LEFT_OUT {
        push_parts_of_line(out, head, LEFT_OUT == 0);
        return;
    }
    let len = end - LEFT_OUT;
    // Most are short: a copy of fixed size needs no call, and what is too much of it goes again.
    match bytes.first_chunk::<32>() {
        Some(short) if len <= short.len() => {
            let start = out.len();
            out.extend_from_slice(short);
            out.truncate(start + len);
        }
        _ => out.extend_from_slice(&bytes[..len]),
    }
}

#[cold]
fn push_parts_of_line(out: &mut Vec<u8>, head: &RequestHead, with_version: bool) {
    push_method(out, head.method());
    out.push(b' ');
    push_escaped(out, head.target().as_bytes(), TARGET_MAX);
    if with_version {
        out.extend_from_slice(match head.version() {
            Version::Http11 => b" HTTP/1.1",
            Version::Http10 => b" HTTP/1.0",
        });
    }
}

/// A method is a token, so that nothing in it has to be escaped.
fn push_method(out: &mut Vec<u8>, method: &Method) {
    let name = method.as_str().as_bytes();
    out.extend_from_slice(&name[..name.len().min(FIELD_MAX)]);
}

fn push_field(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) if !value.is_empty() => push_escaped(out, value, FIELD_MAX),
        _ => out.push(b'-'),
    }
}

/// One object a line, the same members in each, but for those that are not known:
/// `{"time":"2026-11-24T18:08:16.123Z","level":"info","remote":"127.0.0.1","method":"GET",…}`
pub(super) fn push_json_line(out: &mut Vec<u8>, record: &RequestRecord<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    record.with_second(|second| out.extend_from_slice(&second.rfc3339));
    out.push(b'.');
    push_padded(out, record.arrived_since_epoch().subsec_millis(), 3);
    out.extend_from_slice(b"Z\",\"level\":\"");
    out.extend_from_slice(match record.level() {
        Level::INFO => b"info",
        Level::WARN => b"warning",
        _ => b"error",
    });
    // Neither an address nor a token nor an id has anything to be escaped.
    out.extend_from_slice(b"\",\"remote\":\"");
    record.peer.append_to(out);
    if let Some(head) = record.head() {
        out.extend_from_slice(b"\",\"method\":\"");
        push_method(out, head.method());
        out.extend_from_slice(b"\",\"target\":\"");
        push_json(out, head.target().as_bytes(), TARGET_MAX);
        out.extend_from_slice(match head.version() {
            Version::Http11 => b"\",\"version\":\"1.1",
            Version::Http10 => b"\",\"version\":\"1.0",
        });
        for (member, field) in [("referer", "referer"), ("user_agent", "user-agent")] {
            if let Some(value) = head.field(field) {
                push_text_member(out, member, value);
            }
        }
    }
    out.extend_from_slice(b"\",\"id\":\"");
    out.extend_from_slice(record.request_id().as_bytes());
    out.push(b'"');
    push_numbers(out, record);
    if let Some(error) = record.refusal() {
        out.extend_from_slice(b",\"refusal\":\"");
        push_json(out, error.to_string().as_bytes(), FIELD_MAX);
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

/// Closes the member before, whose value is text too, and leaves its own open.
fn push_text_member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(b"\",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    push_json(out, value, FIELD_MAX);
}

fn push_numbers(out: &mut Vec<u8>, record: &RequestRecord<'_>) {
    let micros = u64::try_from(record.latency().as_micros()).unwrap_or(u64::MAX);
    for (name, number) in [
        (&b",\"status\":"[..], u64::from(record.status().as_u16())),
        (b",\"received\":", record.bytes_received()),
        (b",\"sent\":", record.bytes_sent()),
        (b",\"latency_us\":", micros),
    ] {
        out.extend_from_slice(name);
        push_number(out, number);
    }
    if !record.is_complete() {
        out.extend_from_slice(b",\"complete\":false");
    }
    if let Some(worker) = record.worker() {
        out.extend_from_slice(b",\"worker\":");
        push_number(out, u64::from(worker));
    }
}

/// A status has three digits.
#[inline]
fn digits_of(status: StatusCode) -> [u8; 3] {
    let code = status.as_u16();
    [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8)
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A number below `10^digits`, with leading zeros.
fn push_padded(out: &mut Vec<u8>, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        out.push(b'0' + (number / 10_u32.pow(place) % 10) as u8);
    }
}

/// Milliseconds with two decimals, rounded.
fn push_millis(out: &mut Vec<u8>, latency: Duration) {
    let hundredths = latency.as_secs().saturating_mul(100_000);
    let hundredths =
        hundredths.saturating_add(u64::from((latency.subsec_nanos() + 5_000) / 10_000));
    push_number(out, hundredths / 100);
    out.push(b'.');
    push_padded(out, (hundredths % 100) as u32, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_two_decimals_and_are_rounded() {
        let check = |nanos, expected: &str| {
            let mut out = Vec::new();
            push_millis(&mut out, Duration::from_nanos(nanos));
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(0, "0.00");
        check(4_999, "0.00");
        check(5_000, "0.01");
        check(1_234_567, "1.23");
        check(1_235_000, "1.24");
        check(10_000_000, "10.00");
        check(75_000_000_000, "75000.00");
    }

    #[test]
    fn numbers_are_padded() {
        let check = |number, expected: &str| {
            let mut out = Vec::new();
            push_padded(&mut out, number, 3);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(0, "000");
        check(7, "007");
        check(999, "999");
    }
}
