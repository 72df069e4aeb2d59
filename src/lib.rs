//! Tornado's layered stack in Rust. See the crates behind each module.

pub use squall_http1 as http1;
pub use squall_httpserver as httpserver;
pub use squall_ioloop as ioloop;
pub use squall_iostream as iostream;
pub use squall_web as web;
pub use squall_websocket as websocket;
