//! Which `Content-Type` a file has, by its name (Tornado's `get_content_type`).

use std::collections::HashMap;

use http::HeaderValue;

/// The table is `mime_guess`'s, unless the application has its own opinion. Text is UTF-8: browsers
/// would otherwise guess, from what may be somebody else's text.
pub(super) fn content_type(name: &str, own: &HashMap<String, HeaderValue>) -> HeaderValue {
    let extension = match name.rsplit_once('.') {
        Some((_, extension)) => extension.to_ascii_lowercase(),
        None => String::new(),
    };
    if let Some(value) = own.get(&extension) {
        return value.clone();
    }
    // As Tornado: what is compressed is not what it would be. The guess of `.tar.gz` is by its end.
    let guessed = mime_guess::from_ext(&extension).first_raw();
    let Some(essence) = guessed else {
        return HeaderValue::from_static("application/octet-stream");
    };
    if !is_text(essence) {
        return HeaderValue::from_static(essence);
    }
    let value = format!("{essence}; charset=utf-8");
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(essence))
}

/// Of other types the charset is said within, or there is none.
fn is_text(essence: &str) -> bool {
    essence.starts_with("text/") || essence == "application/javascript"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(content_type(name, &HashMap::new()), expected, "{name}");
    }

    #[test]
    fn a_type_goes_by_the_end_of_the_name() {
        check("index.html", "text/html; charset=utf-8");
        check("robots.txt", "text/plain; charset=utf-8");
        check("css/site.CSS", "text/css; charset=utf-8");
        check("app.js", "text/javascript; charset=utf-8");
        check("data.json", "application/json");
        check("a.b/logo.svg", "image/svg+xml");
        check("font.woff2", "font/woff2");
        check("app.wasm", "application/wasm");
        check("site.tar.gz", "application/gzip");
    }

    #[test]
    fn what_is_not_known_is_octets() {
        for name in ["", "LICENSE", "a.unheard-of", ".", "x."] {
            check(name, "application/octet-stream");
        }
    }

    #[test]
    fn the_applications_opinion_counts_first() {
        let own = HashMap::from([("txt".to_owned(), HeaderValue::from_static("a/b"))]);
        assert_eq!(content_type("x.TXT", &own), "a/b");
    }
}
