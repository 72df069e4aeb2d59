//! Squall's HTTP/1.1 codec: bytes to events and back, without I/O, clock or async.
