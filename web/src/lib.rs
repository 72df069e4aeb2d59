//! Squall's web layer: Application, routing, RequestHandler and WebSocketHandler.
