//! An event loop: readiness, callbacks, timers and tasks, all on one thread.
//!
//! This is the bottom of Squall, Tornado's stack in Rust, and it can be used alone. It knows
//! descriptors, time and futures; it does not know bytes, protocols or names.
//!
//! ```text
//!            one turn (`IoLoop::turn`)
//!  +--------------------------------------------+
//!  |  poll            one epoll_wait or kevent  |<--- Remote, Job (other threads)
//!  |  timers due      in order of deadline      |
//!  |  ready sources   Source::on_ready          |<--- descriptors, ready_again
//!  |  callbacks       those of this turn only   |<--- add_callback
//!  |  tasks           those woken so far        |<--- spawn, wakers
//!  |  turn end        corked output leaves here |<--- at_turn_end
//!  |  bulk            one piece, unless the rest |<--- add_bulk_callback
//!  |                  was much                   |
//!  +--------------------------------------------+
//! ```
//!
//! Whatever a turn makes ready while it runs waits for the next one, so that no callback that
//! schedules itself can starve the descriptors.
//!
//! ```
//! use squall_ioloop::{IoLoop, sleep};
//! use std::time::Duration;
//!
//! let ioloop = IoLoop::new()?;
//! ioloop.add_callback(|| println!("the first turn"));
//! let answer = ioloop.run_until(async {
//!     sleep(Duration::from_millis(1)).await;
//!     42
//! })?;
//! assert_eq!(answer, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Two handles
//!
//! [`IoLoop`] owns the loop: dropping it drops every task, callback and timer. [`Handle`] is what
//! code inside passes around (`IoLoop` derefs to it); it is `!Send`. Only [`Remote`] crosses
//! threads.
//!
//! # Calls that block
//!
//! A callback or a task that blocks stops all others. What has to block goes to
//! [`Handle::run_in_executor`]: a small pool of threads, bounded, started when there is work, of
//! the loop's own or shared by several.
//!
//! # What this is not
//!
//! No work stealing (run one loop per thread), no I/O types (see `squall-iostream`), no global
//! runtime: a loop is a value, and so is an executor. The executor is for calls that block and not
//! a second scheduler: no priorities, no futures on its threads.

mod builder;
mod bulk;
mod clock;
mod current;
mod error;
mod exception;
mod executor;
mod handle;
mod handlers;
mod ioloop;
mod job;
mod join;
mod local;
mod pool;
mod remote;
mod source;
mod sys;
mod task;
mod threads;
mod time;
mod timers;
mod turn;
mod wakers;

pub use builder::Builder;
pub use error::{Closed, JoinError, Stopped, TimedOut};
pub use exception::{Exception, Origin};
pub use executor::{Executor, ExecutorMetrics, ExecutorOptions};
pub use handle::Handle;
pub use handlers::HandlerId;
pub use ioloop::IoLoop;
pub use job::{Job, JobError};
pub use join::JoinHandle;
pub use remote::Remote;
pub use source::{Interest, Ready, Source, Token};
pub use task::yield_now;
pub use threads::run_on_threads;
pub use time::{Sleep, sleep, with_timeout};
pub use timers::Timeout;
