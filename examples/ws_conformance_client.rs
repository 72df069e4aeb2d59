//! The client's side of the Autobahn test suite: it asks the suite's server at URL how many cases
//! there are, echoes through each of them as AGENT, and asks for the report.
//!
//! Run `cargo run --release --features deflate --example ws_conformance_client ws://127.0.0.1:9001
//! squall`; `tests/clients/autobahn.py` does, and judges the report. With a third argument,
//! `takeover`, both ends remember what was said before.

use std::error::Error;

use squall::ioloop::IoLoop;
use squall::websocket::{Client, Config, Deflate, Limits, OwnedMessage};

/// The largest message of the suite.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

async fn case_count(client: &Client, url: &str) -> Result<u32, Box<dyn Error>> {
    let mut ws = client.connect(&format!("{url}/getCaseCount")).await?;
    match ws.next().await {
        Some(OwnedMessage::Text(count)) => Ok(count.parse()?),
        other => Err(format!("no number of cases, but {other:?}").into()),
    }
}

/// What fails in the middle is for the suite to judge, not for us.
async fn run_case(client: &Client, url: &str) -> Result<(), Box<dyn Error>> {
    let mut ws = client.connect(url).await?;
    while let Some(message) = ws.next().await {
        if ws.send(&message).await.is_err() {
            break;
        }
    }
    // Whoever wrote too late still hears the end.
    while ws.next().await.is_some() {}
    Ok(())
}

async fn run_all(client: &Client, url: &str, agent: &str) -> Result<(), Box<dyn Error>> {
    let count = case_count(client, url).await?;
    for case in 1..=count {
        run_case(client, &format!("{url}/runCase?case={case}&agent={agent}")).await?;
    }
    let mut ws = client
        .connect(&format!("{url}/updateReports?agent={agent}"))
        .await?;
    while ws.next().await.is_some() {}
    println!("{count} cases");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(agent)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ws_conformance_client URL AGENT [takeover]".into());
    };
    let takeover = arguments.next().is_some_and(|word| word == "takeover");

    let ioloop = IoLoop::new()?;
    let deflate = Deflate::default()
        .with_context_takeover(takeover)
        .with_peer_context_takeover(takeover);
    let config = Config::default()
        .with_limits(
            Limits::default()
                .with_message_bytes_max(MESSAGE_BYTES_MAX)
                .with_frame_bytes_max(MESSAGE_BYTES_MAX),
        )
        .with_deflate(Some(deflate));
    let client = Client::new(&ioloop).config(config);
    ioloop.run_until(run_all(&client, url.trim_end_matches('/'), &agent))?
}
