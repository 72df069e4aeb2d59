//! Which methods a route answers, as it says so in `Allow`.
//!
//! A 405 without `Allow` is not HTTP (RFC 9110 §15.5.6). HEAD comes with GET and OPTIONS with
//! everything, whether a route answers them itself or not. Each route works the value out once,
//! when it is added (`route.rs`).

use http::{HeaderValue, Method};

/// The value of `Allow` for a route that answers `methods`.
pub(crate) fn allow_value(methods: impl IntoIterator<Item = Method>) -> HeaderValue {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    for method in methods {
        add(method.as_str());
        if method == Method::GET {
            add("HEAD");
        }
    }
    add("OPTIONS");
    // Methods are tokens, and tokens may stand in a field value: the conversion cannot fail.
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(methods: &[Method], expected: &str) {
        assert_eq!(allow_value(methods.iter().cloned()), expected);
    }

    #[test]
    fn head_comes_with_get_and_options_with_everything() {
        check(&[Method::GET], "GET, HEAD, OPTIONS");
        check(&[Method::POST, Method::GET], "POST, GET, HEAD, OPTIONS");
        check(
            &[Method::HEAD, Method::GET, Method::OPTIONS],
            "HEAD, GET, OPTIONS",
        );
        check(&[Method::GET, Method::GET], "GET, HEAD, OPTIONS");
        check(&[Method::PUT], "PUT, OPTIONS");
        check(&[], "OPTIONS");
    }
}
