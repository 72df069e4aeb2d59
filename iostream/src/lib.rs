//! Squall's buffered streams and listeners on the event loop.
