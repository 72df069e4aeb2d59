//! Hello, world. Run `cargo run --release --example hello`, open http://127.0.0.1:8888

use squall::ioloop::IoLoop;
use squall::web::{Application, Exchange, RequestHandler, Result};

struct Hello;

impl RequestHandler for Hello {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.write("Hello, World!")
    }
}

fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .map_or(8888, |port| port.parse().expect("a port"));
    let ioloop = IoLoop::new()?;
    Application::new()
        .route("/", || Hello)
        .listen(&ioloop, ("127.0.0.1", port))?;
    ioloop.run()
}
