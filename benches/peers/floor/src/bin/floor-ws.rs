//! `floor-ws PORT`: WebSocket echo on `/ws` and broadcast on `/broadcast` over raw mio.

fn main() -> std::io::Result<()> {
    floor::server::run::<floor::websocket::WebSocket>(floor::server::port_argument()?)
}
