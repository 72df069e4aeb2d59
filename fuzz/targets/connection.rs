//! `bodies/connection.rs`, guided by coverage.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../bodies/connection.rs"]
mod connection;

fuzz_target!(|data: &[u8]| connection::check(data));
