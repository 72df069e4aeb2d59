//! Turns of a loop with real sockets, until what is waited for has happened.

use std::time::Duration;

use squall_ioloop::IoLoop;

/// Turns until `is_done`; the patience is for a machine that is busy.
pub(crate) fn turn_until(ioloop: &IoLoop, mut is_done: impl FnMut() -> bool) {
    let begun_at = ioloop.now();
    while !is_done() {
        ioloop.run_once(Some(Duration::from_millis(10))).unwrap();
        assert!(
            ioloop.now() - begun_at < Duration::from_secs(30),
            "it never happens"
        );
    }
}
