//! Squall's web layer: Application, routing, RequestHandler and WebSocketHandler.
#![forbid(unsafe_code)]

mod allow;
mod application;
mod arguments;
mod captures;
mod error;
mod error_page;
mod escape;
mod exchange;
mod handler;
mod media_type;
mod pattern;
mod route;
mod routing;
mod target;
mod websocket;

pub use application::{Application, ApplicationService};
pub use arguments::{Arguments, QUERY_ARGUMENTS_MAX};
pub use captures::{Captures, PATH_ARGUMENTS_MAX};
pub use error::{Error, HttpError, Result};
pub use error_page::error_page;
pub use escape::{json_encode, xhtml_escape};
pub use exchange::Exchange;
pub use handler::RequestHandler;
pub use http::{HeaderName, HeaderValue, Method, StatusCode, header};
pub use media_type::MediaType;
pub use pattern::{Pattern, PatternError, PatternFault, ReverseError};
pub use route::Route;
pub use routing::{Found, RouteError, Router};
pub use squall_websocket::{
    CloseCode, CloseFrame, Config as WebSocketConfig, HandlerResult, Message, Topics, WebSocket,
    WebSocketHandler,
};
