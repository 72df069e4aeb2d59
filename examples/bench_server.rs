//! The application that `benches/peers` measures: a route for each scenario.
//!
//! Run `cargo run --release --example bench_server -- PORT [WORKERS]`. Every answer is made by a
//! `RequestHandler` (or a `WebSocketHandler`) behind the router, as in any application; look at
//! how little each has to say.

use std::io;

use serde::Serialize;
use squall::httpserver::{Config, HttpServer};
use squall::ioloop::{IoLoop, run_on_threads};
use squall::web::{
    Application, Exchange, HandlerResult, HeaderValue, Message, RequestHandler, Result, Topics,
    WebSocket, WebSocketHandler, header::CONTENT_TYPE,
};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

struct Plain;

impl RequestHandler for Plain {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.set_header(CONTENT_TYPE, TEXT)?;
        http.write("Hello, World!")
    }
}

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

struct Json;

impl RequestHandler for Json {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.write_json(&Greeting {
            message: "Hello, World!",
        })
    }
}

struct User;

impl RequestHandler for User {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.set_header(CONTENT_TYPE, TEXT)?;
        http.write(http.path_argument("id")?)
    }
}

struct Upload;

impl RequestHandler for Upload {
    async fn post(&mut self, http: &Exchange) -> Result {
        http.set_header(CONTENT_TYPE, TEXT)?;
        http.write(http.content().await?)
    }
}

struct Echo;

impl WebSocketHandler for Echo {
    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        Ok(ws.write_message(message)?)
    }
}

/// Each text message to all who are here.
struct Broadcast;

impl WebSocketHandler for Broadcast {
    fn open(&mut self, ws: &WebSocket) -> HandlerResult {
        ws.subscribe("all");
        Ok(())
    }

    fn on_message(&mut self, ws: &WebSocket, message: Message<'_>) -> HandlerResult {
        if let Message::Text(text) = message {
            Topics::of(ws.ioloop()).publish("all", text);
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(port) = arguments.next().and_then(|port| port.parse::<u16>().ok()) else {
        eprintln!("usage: bench_server PORT [WORKERS]");
        std::process::exit(2);
    };
    let workers = arguments
        .next()
        .map_or(1, |workers| workers.parse().expect("a number"));
    run_on_threads(workers, |ioloop, _| serve(ioloop, port, workers > 1))
}

fn serve(ioloop: &IoLoop, port: u16, is_one_of_many: bool) -> io::Result<HttpServer> {
    let application = Application::new()
        .route("/", || Plain)
        .route("/json", || Json)
        .route("/user/{id}", || User)
        .route("/echo", || Upload)
        .websocket("/ws", || Echo)
        .websocket("/broadcast", || Broadcast);
    let config = Config::default().with_reuse_port(is_one_of_many);
    let server = HttpServer::with_config(ioloop, config, application.into_service());
    server.listen(("127.0.0.1", port))?;
    Ok(server)
}
