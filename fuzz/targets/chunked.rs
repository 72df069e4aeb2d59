//! `bodies/chunked.rs`, guided by coverage.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../bodies/chunked.rs"]
mod chunked;

fuzz_target!(|data: &[u8]| chunked::check(data));
