//! Echo as the floor does it: what was read is written from where it lies.

use crate::server::{Outbox, Protocol};

/// Bytes go back to their sender.
#[derive(Default)]
pub struct Echo;

impl Protocol for Echo {
    fn receive(&mut self, input: &[u8], out: &mut Outbox) -> usize {
        out.echo = true;
        input.len()
    }
}
