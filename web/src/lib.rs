//! Squall's web layer: Application, routing, RequestHandler and WebSocketHandler.
#![forbid(unsafe_code)]

mod captures;
mod pattern;
mod routing;

pub use captures::{ARGUMENTS_MAX, Captures};
pub use pattern::{Pattern, PatternError, PatternFault, ReverseError};
pub use routing::{Found, RouteError, Router};
