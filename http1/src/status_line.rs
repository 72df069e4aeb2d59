//! The status-lines of common responses, ready to be copied.
//!
//! Those a server sends all day; the others are put together in `encode.rs`. A test there holds
//! the two against each other.

use http::StatusCode;

/// `$code $reason` pairs to a match over whole lines.
macro_rules! status_lines {
    ($status:expr, $($code:literal $reason:literal)*) => {
        match $status.as_u16() {
            $($code => Some(concat!("HTTP/1.1 ", $code, " ", $reason, "\r\n").as_bytes()),)*
            _ => None,
        }
    };
}

/// The whole line, or `None` for a status that is not common.
#[inline]
pub(crate) fn status_line(status: StatusCode) -> Option<&'static [u8]> {
    // Compared first, because most responses are this one.
    if status == StatusCode::OK {
        return Some(b"HTTP/1.1 200 OK\r\n");
    }
    status_lines!(status,
        100 "Continue"
        101 "Switching Protocols"
        201 "Created"
        202 "Accepted"
        204 "No Content"
        206 "Partial Content"
        301 "Moved Permanently"
        302 "Found"
        303 "See Other"
        304 "Not Modified"
        307 "Temporary Redirect"
        308 "Permanent Redirect"
        400 "Bad Request"
        401 "Unauthorized"
        403 "Forbidden"
        404 "Not Found"
        405 "Method Not Allowed"
        500 "Internal Server Error"
        503 "Service Unavailable"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_lines_say_what_composed_ones_would() {
        for status in (100..1000).filter_map(|code| StatusCode::from_u16(code).ok()) {
            let reason = status.canonical_reason().unwrap_or("");
            let composed = format!("HTTP/1.1 {} {reason}\r\n", status.as_str());
            assert_eq!(
                *status_line(status).unwrap_or(composed.as_bytes()),
                *composed.as_bytes()
            );
        }
    }
}
