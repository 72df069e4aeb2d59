//! Signals are of the whole process, so this is one test in a process of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::raise;
use squall_httpserver::{DrainDeadlines, DrainReport, Exchange, HttpServer, Workers};
use squall_ioloop::{IoLoop, sleep};
use squall_iostream::{IoStream, memory};
use support::tell_target;

/// Never answers `/never`.
async fn serve(http: Exchange) {
    if http.head().path() == "/never" {
        std::future::pending::<()>().await;
    }
    tell_target(http).await;
}

fn ask(ioloop: &IoLoop, server: &HttpServer, target: &str) -> IoStream {
    let (ours, theirs) = memory::pair(ioloop, memory::Options::default());
    let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
    ours.write(request.as_bytes()).unwrap();
    server.serve_stream(theirs);
    ours
}

fn run(signals: &'static [i32], target: &str) -> DrainReport {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let server = HttpServer::new(&ioloop, serve);
    let _peer = ask(&ioloop, &server, target);
    ioloop.spawn_detached(async move {
        for signal in signals {
            sleep(Duration::from_secs(1)).await;
            raise(*signal).unwrap();
        }
    });
    let since = ioloop.now();
    let stopped = server.run_until_signal(DrainDeadlines::default());
    let report = ioloop.run_until(stopped).unwrap().unwrap();
    let seconds = (ioloop.now() - since).as_secs();
    assert!(seconds <= 26, "{seconds}");
    report
}

#[test]
fn the_first_signal_drains_and_the_second_hurries() {
    for signal in [SIGTERM, SIGINT] {
        let signals: &[i32] = if signal == SIGTERM {
            &[SIGTERM]
        } else {
            &[SIGINT]
        };
        let report = run(signals, "/quick");
        assert_eq!((report.idle, report.cut), (1, 0));
    }
    let report = run(&[SIGTERM, SIGTERM], "/never");
    assert_eq!(report.requests.cut, 1);

    // And workers, twice in one process.
    for _ in 0..2 {
        let workers = Workers::new(2);
        let report = workers.run(|ioloop, number| {
            let server = HttpServer::new(ioloop, serve);
            let _peer = ask(ioloop, &server, "/never");
            if number == 1 {
                for _ in 0..2 {
                    raise(SIGTERM)?;
                }
            }
            Ok(server)
        });
        assert_eq!(report.unwrap().finished, 0);
    }
}
