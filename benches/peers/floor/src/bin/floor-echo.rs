//! `floor-echo PORT`: bytes that come back, over raw mio.

fn main() -> std::io::Result<()> {
    floor::server::run::<floor::echo::Echo>(floor::server::port_argument()?)
}
