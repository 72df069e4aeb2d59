//! A server that can be watched: an access log that rotates, request ids, a page of metrics.
//!
//! Run `cargo run --example access_log -- PORT [none|tornado|combined|json] [FILE]`, ask for
//! something, and look at `http://127.0.0.1:PORT/metrics`. Without a file, lines go to standard
//! output. `mv FILE FILE.1; curl http://127.0.0.1:PORT/reopen` is what a program that rotates logs
//! would do; most send a signal for it.

use std::io;

use squall::httpserver::{
    AccessLog, Config, HttpServer, LogFormat, LogWriter, OPENMETRICS_TYPE, RequestIds,
};
use squall::ioloop::{IoLoop, run_on_threads};
use squall::web::{
    Application, Exchange, HeaderValue, RequestHandler, Result, header::CONTENT_TYPE,
};

struct Home;

impl RequestHandler for Home {
    async fn get(&mut self, http: &Exchange) -> Result {
        http.write("Hello, World!")
    }
}

/// To be kept from those who need not see it, as by a server of its own on an inner address.
async fn show_metrics(http: &Exchange) -> Result {
    http.set_header(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS_TYPE))?;
    http.write(http.server_metrics().to_openmetrics())
}

fn usage() -> ! {
    eprintln!("usage: access_log PORT [none|tornado|combined|json] [FILE]");
    std::process::exit(2);
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(port) = arguments.next().and_then(|port| port.parse::<u16>().ok()) else {
        usage();
    };
    let format = match arguments.next().as_deref() {
        None | Some("tornado") => Some(LogFormat::Tornado),
        Some("combined") => Some(LogFormat::Combined),
        Some("json") => Some(LogFormat::Json),
        Some("none") => None,
        Some(_) => usage(),
    };
    let writer = match arguments.next() {
        Some(path) => LogWriter::file(path)?,
        None => LogWriter::stdout(),
    };
    run_on_threads(1, move |ioloop, _| {
        serve(ioloop, port, format, writer.clone())
    })
}

fn serve(
    ioloop: &IoLoop,
    port: u16,
    format: Option<LogFormat>,
    writer: LogWriter,
) -> io::Result<HttpServer> {
    let reopened = writer.clone();
    let application = Application::new()
        .route("/", || Home)
        .get("/metrics", show_metrics)
        .get("/reopen", async move |http| {
            reopened.reopen();
            http.write("done\n")
        });
    let mut config = Config::default().with_request_ids(RequestIds::default().echo("x-request-id"));
    if let Some(format) = format {
        config = config.with_access_log(AccessLog::new(format, writer));
    }
    let server = HttpServer::with_config(ioloop, config, application.into_service());
    let address = server.listen(("127.0.0.1", port))?;
    eprintln!("http://{address}");
    Ok(server)
}
