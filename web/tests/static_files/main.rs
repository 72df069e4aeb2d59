//! Static files, asked for over streams in memory: real folders, virtual time, bytes as they are on
//! the wire.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod assets;
mod caching;
mod conditions;
mod confinement;
mod folders;
mod ranges;
mod site;
mod sockets;
#[path = "../../../httpserver/tests/support/mod.rs"]
mod support;
mod types;
