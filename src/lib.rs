//! Tornado's layered stack in Rust, without an external async runtime: this crate gives each layer
//! its name, as `import tornado.web` does, and adds nothing of its own.
//!
//! ```
//! use squall::ioloop::IoLoop;
//! use squall::web::{Application, Exchange, RequestHandler, Result};
//!
//! struct Hello;
//!
//! impl RequestHandler for Hello {
//!     async fn get(&mut self, http: &Exchange) -> Result {
//!         http.write("Hello, World!")
//!     }
//! }
//!
//! let ioloop = IoLoop::new()?;
//! let server = Application::new().route("/", || Hello).listen(&ioloop, "127.0.0.1:0")?;
//! # ioloop.add_callback({ let ioloop = ioloop.handle().clone(); move || ioloop.stop() });
//! ioloop.run()?;
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

pub use squall_http1 as http1;
pub use squall_httpserver as httpserver;
pub use squall_ioloop as ioloop;
pub use squall_iostream as iostream;
pub use squall_web as web;
pub use squall_websocket as websocket;
