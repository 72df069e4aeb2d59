//! Squall's event loop: readiness, callbacks, timers and tasks on one thread.
