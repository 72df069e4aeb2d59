//! The page a client sees when something went wrong, unless the application has its own.
//!
//! Tornado's page, byte for byte. `exchange/response.rs` sends it;
//! `RequestHandler::write_error` and `Application::write_error` are the two places to replace it.

use http::StatusCode;

use crate::escape::xhtml_escape;

/// The default error page, with `message` beside the status (Tornado's `write_error`).
///
/// ```
/// use http::StatusCode;
///
/// assert_eq!(
///     squall_web::error_page(StatusCode::NOT_FOUND, "Not Found"),
///     "<html><title>404: Not Found</title><body>404: Not Found</body></html>"
/// );
/// ```
#[must_use]
pub fn error_page(status: StatusCode, message: &str) -> String {
    let (code, message) = (status.as_u16(), xhtml_escape(message));
    format!("<html><title>{code}: {message}</title><body>{code}: {message}</body></html>")
}

/// The reason phrase of a status, `Unknown` where RFC 9110 and its registry know none.
pub(crate) fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_cannot_become_markup() {
        let page = error_page(StatusCode::BAD_REQUEST, "Missing argument <script>");
        assert!(
            page.contains("400: Missing argument &lt;script&gt;"),
            "{page}"
        );
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn the_pages_are_as_long_as_tornados() {
        for (status, length) in [(404, 69), (405, 87), (500, 93), (400, 73)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(error_page(status, reason(status)).len(), length, "{status}");
        }
    }
}
