//! Records what is logged on this thread, at level warning and above, or from level info on.

use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Forgets what was logged so far.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Recorder).unwrap());
    LINES.take();
}

/// The warnings and errors since the last call: for a test that has expected them.
pub(crate) fn take() -> Vec<String> {
    let is_warning = |(level, _): &(Level, String)| *level <= Level::WARN;
    let lines = LINES.take().into_iter().filter(is_warning);
    lines.map(|(_, line)| line).collect()
}

/// All lines since the last call.
pub(crate) fn take_all() -> Vec<String> {
    LINES.take().into_iter().map(|(_, line)| line).collect()
}

/// All lines since the last call, with the names of their levels.
pub(crate) fn take_levels() -> Vec<(String, String)> {
    let lines = LINES.take().into_iter();
    lines
        .map(|(level, line)| (level.to_string(), line))
        .collect()
}

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // A span needs an id for its request, and these tests count such.
        metadata.is_event() && *metadata.level() <= Level::DEBUG
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push((*event.metadata().level(), line.0)));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name()); // a string takes everything
    }
}
