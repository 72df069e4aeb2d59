//! Squall's WebSocket: a pure RFC 6455 protocol core, connections over streams, and topics.
