//! Squall's web layer: Application, routing, RequestHandler and WebSocketHandler.
#![forbid(unsafe_code)]

mod allow;
mod arguments;
mod captures;
mod error;
mod error_page;
mod escape;
mod media_type;
mod pattern;
mod routing;

pub use arguments::{Arguments, QUERY_ARGUMENTS_MAX};
pub use captures::{Captures, PATH_ARGUMENTS_MAX};
pub use error::{Error, HttpError, Result};
pub use error_page::error_page;
pub use escape::{json_encode, xhtml_escape};
pub use media_type::MediaType;
pub use pattern::{Pattern, PatternError, PatternFault, ReverseError};
pub use routing::{Found, RouteError, Router};
