//! Shortcuts: a path, a method, an async function.
//!
//! Nothing happens here that `application.rs` and `route.rs` do not do; it only reads better.

use http::Method;

use super::Application;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::pattern::{Pattern, PatternError};
use crate::route::Route;

/// Shortcuts for async functions of one method. HEAD comes with GET; several of them may share one
/// pattern.
///
/// ```
/// use squall_web::Application;
///
/// let application = Application::new()
///     .get("/item/{id}", async |http| http.write("here it is"))
///     .delete("/item/{id}", async |http| http.write("gone"));
/// # let _ = application;
/// ```
impl Application {
    /// Leads GET and HEAD of `pattern` to an async function.
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn get(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        function: impl AsyncFn(&Exchange) -> Result + 'static,
    ) -> Self {
        self.add_route(Route::async_fn(pattern, function).methods([Method::GET]))
    }

    /// Leads POST of `pattern` to an async function.
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn post(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        function: impl AsyncFn(&Exchange) -> Result + 'static,
    ) -> Self {
        self.add_route(Route::async_fn(pattern, function).methods([Method::POST]))
    }

    /// Leads PUT of `pattern` to an async function.
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn put(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        function: impl AsyncFn(&Exchange) -> Result + 'static,
    ) -> Self {
        self.add_route(Route::async_fn(pattern, function).methods([Method::PUT]))
    }

    /// Leads PATCH of `pattern` to an async function.
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn patch(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        function: impl AsyncFn(&Exchange) -> Result + 'static,
    ) -> Self {
        self.add_route(Route::async_fn(pattern, function).methods([Method::PATCH]))
    }

    /// Leads DELETE of `pattern` to an async function.
    ///
    /// # Panics
    ///
    /// As [`add_route`](Self::add_route).
    #[track_caller]
    #[must_use]
    pub fn delete(
        self,
        pattern: impl TryInto<Pattern, Error: Into<PatternError>>,
        function: impl AsyncFn(&Exchange) -> Result + 'static,
    ) -> Self {
        self.add_route(Route::async_fn(pattern, function).methods([Method::DELETE]))
    }
}
