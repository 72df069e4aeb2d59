//! `bodies/head.rs`, guided by coverage.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../bodies/head.rs"]
mod head;

fuzz_target!(|data: &[u8]| head::check(data));
