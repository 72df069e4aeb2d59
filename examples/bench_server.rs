//! The application that `benches/peers` measures: a route for each scenario.
//!
//! Run `cargo run --release --example bench_server -- PORT [WORKERS] [--tls CERT KEY] [--log FILE]
//! [--files FOLDER]`; TLS, with a chain of certificates and a key as PEM, needs `--features tls`.
//! Every answer is made by a `RequestHandler` (or a `WebSocketHandler`) behind the router, as in
//! any application; look at how little each has to say. All limits and timeouts are the defaults.

use std::io;
use std::path::Path;

use serde::Serialize;
use squall::httpserver::{AccessLog, Config, HttpServer, ListenerConfig, LogFormat, LogWriter};
use squall::ioloop::{IoLoop, run_on_threads};
use squall::web::{
    Application, Exchange, HandlerResult, HeaderValue, Message, RequestHandler, Result,
    StaticFiles, Topics, WebSocket, WebSocketHandler, header::CONTENT_TYPE,
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

/// What the command line asks for.
struct Options {
    port: u16,
    workers: usize,
    tls: Option<(String, String)>,
    /// Where each request gets its line, in the combined format.
    log: Option<String>,
    /// Whose folder `letters` is served as `/letters/`.
    files: Option<String>,
}

const USAGE: &str =
    "usage: bench_server PORT [WORKERS] [--tls CERT KEY] [--log FILE] [--files FOLDER]";

fn main() -> io::Result<()> {
    let Some(options) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    let listener = match &options.tls {
        None => ListenerConfig::default(),
        Some((chain, key)) => with_tls(chain, key).unwrap_or_else(|error| {
            eprintln!("{error}");
            std::process::exit(2);
        }),
    };
    // One for all workers.
    let log = options.log.as_ref().map(LogWriter::file).transpose()?;
    run_on_threads(options.workers, |ioloop, _| {
        serve(ioloop, &options, &listener, log.clone())
    })
}

fn read(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        port: arguments.next()?.parse().ok()?,
        workers: 1,
        tls: None,
        log: None,
        files: None,
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--tls" => options.tls = Some((arguments.next()?, arguments.next()?)),
            "--log" => options.log = Some(arguments.next()?),
            "--files" => options.files = Some(arguments.next()?),
            workers => options.workers = workers.parse().ok()?,
        }
    }
    Some(options)
}

#[cfg(feature = "tls")]
fn with_tls(chain: &str, key: &str) -> io::Result<ListenerConfig> {
    use squall::httpserver::tls_config;
    use squall::iostream::tls::Pem;
    let acceptor = tls_config()
        .certificate(Pem::file(chain), Pem::file(key))
        .build()
        .map_err(io::Error::other)?;
    Ok(ListenerConfig::default().with_tls(acceptor))
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: &str, _: &str) -> io::Result<ListenerConfig> {
    let told = "this bench_server was built without TLS: build it with `--features tls`";
    Err(io::Error::new(io::ErrorKind::Unsupported, told))
}

fn serve(
    ioloop: &IoLoop,
    options: &Options,
    listener: &ListenerConfig,
    log: Option<LogWriter>,
) -> io::Result<HttpServer> {
    let mut application = Application::new()
        .route("/", || Plain)
        .route("/json", || Json)
        .route("/user/{id}", || User)
        .route("/echo", || Upload)
        .websocket("/ws", || Echo)
        .websocket("/broadcast", || Broadcast);
    if let Some(folder) = &options.files {
        let letters = Path::new(folder).join("letters");
        let files = StaticFiles::new(letters).content_type("", TEXT);
        application = application.static_files("/letters/", files);
    }
    let mut config = Config::default().with_reuse_port(options.workers > 1);
    if let Some(log) = log {
        config = config.with_access_log(AccessLog::new(LogFormat::Combined, log));
    }
    let server = HttpServer::with_config(ioloop, config, application.into_service());
    server.listen_with(("127.0.0.1", options.port), listener)?;
    Ok(server)
}
