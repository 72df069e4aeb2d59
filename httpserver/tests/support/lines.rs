//! A destination of log lines that a test reads.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Clones share what was written.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// All that was written so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The same with the digits of times replaced: `[24/Nov/2026:18:08:16 +0000]` is `[TIME]`,
    /// and so are the other formats' times.
    pub(crate) fn timeless(&self) -> String {
        let mut text = String::new();
        for line in self.text().lines() {
            let (before, after) = match (line.find('['), line.find(']')) {
                (Some(0), Some(end)) => (&line[..3], &line[end..]),
                (Some(start), Some(end)) => (&line[..=start], &line[end..]),
                _ => {
                    let start = "{\"time\":\"".len();
                    let end = start + "2026-11-24T18:08:16.123Z".len();
                    (&line[..start], &line[end..])
                }
            };
            text.push_str(&format!("{before}TIME{after}\n"));
        }
        text
    }
}
