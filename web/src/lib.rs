//! Squall's web layer: an [`Application`] of routes, and handlers that answer.
//!
//! ```text
//!   httpserver   an exchange: one request and its response
//!       |
//!       v
//!   application.rs   which route?  -- routing.rs, pattern.rs      404
//!       |            which method? -- route.rs, allow.rs          405, OPTIONS
//!       v
//!   target.rs        a handler, an async function, a callback     (one box per request)
//!       |            or a WebSocket                               -- websocket.rs
//!       |            or a file                                    -- static_files.rs
//!       v
//!   handler.rs       content, prepare, the method, errors, on_finish
//!       |
//!       v
//!   exchange.rs      what your code holds: arguments.rs, media_type.rs, cookies.rs on the way
//!                    in, escape.rs, representation.rs (which part of it: conditional.rs),
//!                    error.rs, error_page.rs on the way out
//! ```
//!
//! # A first application
//!
//! A handler is a value with an `async fn` for each method, made anew for each request:
//!
//! ```
//! use squall_ioloop::IoLoop;
//! use squall_web::{Application, Exchange, RequestHandler, Result};
//!
//! struct Hello;
//!
//! impl RequestHandler for Hello {
//!     async fn get(&mut self, http: &Exchange) -> Result {
//!         http.write("Hello, ")?;
//!         http.write(http.argument_or("name", "World")?)
//!     }
//! }
//!
//! let ioloop = IoLoop::new()?;
//! let server = Application::new()
//!     .route("/", || Hello)
//!     .get("/story/{id}", async |http| {
//!         let id: u64 = http.path_argument_as("id")?;
//!         http.write(format!("Story number {id}"))
//!     })
//!     .listen(&ioloop, "127.0.0.1:0")?;
//! # ioloop.run_until(server.stop(std::time::Duration::ZERO))?;
//! // ioloop.run()?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # Three ways to answer
//!
//! | kind | added by | finished |
//! |---|---|---|
//! | [`RequestHandler`] | [`route`](Application::route) | when its method returns |
//! | async function | [`get`](Application::get), … | when it returns |
//! | callback | [`route_callback`](Application::route_callback) | by `finish()`, in any turn |
//!
//! The content of a request has been read when they run, unless the route streams it. Errors are
//! returned with `?`: an [`HttpError`] has its status, any other error is a 500 that tells the
//! client nothing.
//!
//! # What this is not
//!
//! No templates, sessions or compression yet, and cookies are only read. No HTTP: that is
//! `squall-httpserver`; no WebSocket protocol: that is `squall-websocket`. Nothing here is `Send`:
//! an application belongs to the loop it is built on, and a machine with more cores runs more of
//! them.

#![forbid(unsafe_code)]

mod allow;
mod application;
mod arguments;
mod captures;
mod conditional;
mod cookies;
mod error;
mod error_page;
mod escape;
mod exchange;
mod handler;
mod media_type;
mod pattern;
mod representation;
mod route;
mod routing;
mod static_files;
mod target;
mod websocket;

pub use application::{Application, ApplicationService};
pub use arguments::{Arguments, QUERY_ARGUMENTS_MAX};
pub use captures::{Captures, PATH_ARGUMENTS_MAX};
pub use conditional::{EntityTag, EntityTagInvalid, RANGES_MAX, Selection, Validators, select};
pub use error::{Error, HttpError, Result};
pub use error_page::error_page;
pub use escape::{json_encode, xhtml_escape};
pub use exchange::Exchange;
pub use handler::RequestHandler;
pub use http::{HeaderName, HeaderValue, Method, StatusCode, header};
pub use media_type::MediaType;
pub use pattern::{Pattern, PatternError, PatternFault, ReverseError};
pub use representation::Representation;
pub use route::Route;
pub use routing::{Found, RouteError, Router};
pub use squall_httpserver::Disconnect;
#[cfg(feature = "deflate")]
pub use squall_websocket::Deflate;
pub use squall_websocket::{
    CloseCode, CloseFrame, Config as WebSocketConfig, HandlerResult, Message, OwnedMessage,
    Prepared, Topics, WebSocket, WebSocketHandler, WebSocketStream,
};
pub use static_files::{Asset, StaticFiles};
