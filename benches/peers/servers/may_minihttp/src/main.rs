//! `peer-may_minihttp PORT`: may_minihttp with one worker.
//!
//! It sets no TCP_NODELAY and lets nobody set it, does not look at `Connection: close`, and has no
//! router: a match on the target stands in for one.

use std::error::Error;
use std::io::{self, Read};
use std::net::Ipv4Addr;

use may_minihttp::{HttpServer, HttpService, Request, Response};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

#[derive(Clone)]
struct Answers;

impl HttpService for Answers {
    fn call(
        &mut self,
        request: Request<'_, '_, '_>,
        response: &mut Response<'_>,
    ) -> io::Result<()> {
        match request.path() {
            "/" => {
                response.header("Content-Type: text/plain");
                response.body("Hello, World!");
            }
            "/json" => {
                response.header("Content-Type: application/json");
                let greeting = Greeting {
                    message: "Hello, World!",
                };
                response.body_vec(serde_json::to_vec(&greeting)?);
            }
            "/echo" => {
                response.header("Content-Type: application/octet-stream");
                let mut content = Vec::new();
                request.body().read_to_end(&mut content)?;
                response.body_vec(content);
            }
            target => match target.strip_prefix("/user/") {
                Some(id) => {
                    response.header("Content-Type: text/plain");
                    response.body_mut().extend_from_slice(id.as_bytes());
                }
                None => {
                    response.status_code(404, "Not Found");
                }
            },
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: PORT")?.parse()?;
    may::config().set_workers(1);
    let server = HttpServer(Answers).start((Ipv4Addr::LOCALHOST, port))?;
    server.join().map_err(|_| "the server panicked".into())
}
