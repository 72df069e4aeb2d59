//! Handing listening sockets to another process: a restart without a lost connection.
//!
//! A socket is not moved but shared: both processes hold it, with one backlog, and no connection
//! falls between them. The old process listens on a Unix socket, and whoever connects, and is the
//! same user, is sent descriptors of its listening sockets (`SCM_RIGHTS`).
//!
//! ```text
//!   old process                                   new process
//!   offers on a path                              is started, by whomever
//!                          <------ take --------  take(path)
//!   accepts                ------ sockets ----->  puts them on its loop, reads its files,
//!   accepts                                       accepts
//!                          <----- ready --------  confirm()
//!   gives up the path      ------ done -------->  offers on the path, for its own successor
//!   stops accepting, drains, exits
//! ```
//!
//! Until `ready` nothing is final: if the new process fails, it closes its descriptors, and the
//! old one has noticed nothing.
//!
//! # A restart, step by step
//!
//! 1. Begin with [`take`]. It gives `None` where nobody offers: then bind the sockets.
//! 2. Put the sockets on servers, and do all else that may fail.
//! 3. [`Confirmation::confirm`]. From here on the old process accepts nobody.
//! 4. [`Offer::bind`] on the same path, add what listens, and wait for [`Offer::taken`] beside the
//!    work. When it is ready, there is a successor: drain, and exit.
//! 5. To restart, start the new program.
//!
//! ```no_run
//! use std::time::Duration;
//! use squall_ioloop::{Handle, IoLoop};
//! use squall_iostream::{IoStream, TcpServer, handover};
//!
//! const PATH: &str = "/run/echo/handover";
//!
//! async fn run(ioloop: &Handle) -> Result<(), Box<dyn std::error::Error>> {
//!     let server = TcpServer::new(ioloop, |mut stream: IoStream, _peer| async move {
//!         let line = stream.read_until(b"\n", 1024).await?;
//!         stream.write(&line)?;
//!         stream.drained(0).await
//!     });
//!     if let Some(taken) = handover::take(ioloop, PATH, Duration::from_secs(10)).await? {
//!         for named in taken.listeners {
//!             server.add_listener(named.listener)?;
//!         }
//!         taken.confirmation.confirm().await?;
//!     } else {
//!         server.listen(8888, None)?;
//!     }
//!     let offer = handover::Offer::bind(ioloop, PATH)?;
//!     server.offer_to(&offer, "echo")?;
//!     offer.taken().await;
//!     server.drain(Duration::from_secs(30)).await;
//!     Ok(())
//! }
//!
//! let ioloop = IoLoop::new()?;
//! ioloop.run_until(run(&ioloop))?
//! # ; Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With sockets that have `SO_REUSEPORT` the system gives each its own connections, so all of them
//! must be added.

mod error;
mod offer;
mod take;
mod wire;

pub use error::HandoverError;
pub use offer::Offer;
pub use take::{Confirmation, Taken, take};
