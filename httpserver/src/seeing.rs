//! Seeing what a server does: a log of requests, ids for them, spans, and counts.
//!
//! ```text
//!   connection.rs, drain.rs    a connection comes, waits, goes --> witness.rs --> counters.rs
//!   serving.rs                 a request begins                -->    |           (metrics.rs,
//!   connection.rs              its answer is over              -->    |            openmetrics.rs)
//!   refusal.rs                 a head is refused               -->    |
//!                                                                     v
//!            access_log.rs: tracing, or a buffer of lines (log_buffer.rs) --> log_writer.rs
//!                           (log_format.rs, log_text.rs, log_time.rs)         on another thread
//! ```
//! The hooks are few, and all of them are methods of [`Witness`]: one value per server. What is
//! noted of one request is in [`Seen`], which its exchange holds. Neither makes a connection that
//! waits any larger.

mod access_log;
mod counters;
mod histogram;
mod log_buffer;
mod log_format;
mod log_text;
mod log_time;
mod log_writer;
mod metrics;
mod openmetrics;
mod peers;
mod record;
mod refusals;
mod request_id;
mod seen;
mod settings;
mod span;
mod witness;

pub use access_log::{AccessLog, LogFormat};
pub use histogram::Histogram;
pub use log_writer::LogWriter;
pub use metrics::{ConnectionMetrics, RequestMetrics, ServerMetrics};
pub use openmetrics::OPENMETRICS_TYPE;
pub use record::RequestRecord;
pub use request_id::{RequestId, RequestIds};

pub(crate) use log_text::Plain;
pub(crate) use seen::Seen;
pub(crate) use settings::Settings;
pub(crate) use witness::Witness;
