//! Which methods a route answers, and how it says so.
//!
//! A 405 without `Allow` is no HTTP (RFC 9110 §15.5.6), so every route works its methods out
//! once, when it is added, together with the field value. HEAD comes with GET and OPTIONS with
//! everything, unless the route answers them itself. Used by the targets in `target.rs`.

use http::{HeaderValue, Method};

/// The methods of one route.
#[derive(Clone, Debug)]
pub(crate) struct Allow {
    methods: Vec<Method>,
    value: HeaderValue,
}

impl Allow {
    /// What follows from answering `methods`.
    pub(crate) fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        let mut allowed: Vec<Method> = Vec::new();
        for method in methods {
            let is_get = method == Method::GET;
            for method in [method].into_iter().chain(is_get.then_some(Method::HEAD)) {
                if !allowed.contains(&method) {
                    allowed.push(method);
                }
            }
        }
        if !allowed.contains(&Method::OPTIONS) {
            allowed.push(Method::OPTIONS);
        }
        let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        // Methods are tokens, and tokens are field values.
        let value = HeaderValue::try_from(names.join(", "));
        let value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
        Self {
            methods: allowed,
            value,
        }
    }

    pub(crate) fn contains(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// The value of the `Allow` field.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(methods: &[Method], expected: &str) {
        assert_eq!(Allow::new(methods.iter().cloned()).value(), expected);
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
