//! permessage-deflate (RFC 7692): messages that are compressed, each by itself or with what went
//! before it.
//!
//! ```text
//!   opening handshake                     open connection
//!   settings   Deflate                    inflater   Inflater   <-- protocol.rs, each piece
//!       |  what we want                   deflater   Deflater   <-- websocket.rs, each message
//!       v                                     \         /
//!   negotiate  accept, offer, check            pool   DeflatePool: one for all of a loop
//!       |  what both have                      (unless the history of a connection is kept)
//!       v
//!   agreement  DeflateAgreement
//! ```
//!
//! # Memory
//! Without *context takeover* a message is compressed by itself. That is the default here, in both
//! directions where the peer can be told so: compressors are borrowed from the pool for the time of
//! a message, and a connection that idles has two small allocations more than one without
//! compression. With takeover, a connection owns, from the first compressed message on, 47 KiB to
//! inflate, and to deflate from 245 KiB with a window of 9 bits to 371 KiB with one of 15
//! (`tests/deflate_memory.rs` counts them): for few connections with small messages that are alike.
//! A message that has begun and not ended borrows an inflater in any case. The pool of a loop keeps
//! eight spare inflaters and four compressors, and so grows to some 2 MiB at most.
//!
//! zlib-rs does the compressing, behind flate2: no type of theirs is public.

mod agreement;
mod deflater;
mod inflater;
mod negotiate;
mod pool;
mod settings;

pub use agreement::DeflateAgreement;
pub use deflater::Deflater;
pub(crate) use deflater::{Flavour, deflated_frame};
pub(crate) use inflater::Inflater;
pub use pool::DeflatePool;
pub use settings::Deflate;

/// RFC 7692 §7.2.1: what each sync flush ends with, and what is not sent of it.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
