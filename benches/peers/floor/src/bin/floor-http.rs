//! `floor-http PORT`: fixed answers over raw mio.

fn main() -> std::io::Result<()> {
    floor::server::run::<floor::http::Http>(floor::server::port_argument()?)
}
