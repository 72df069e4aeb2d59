//! The bars: what Squall must reach, each with its figure and PASS, FAIL or SKIP.

use crate::measure::Speed;
use crate::quiet::Latency;
use crate::results::{Figure, Results, median};
use crate::servers::{FLOOR, NGINX, SQUALL};

/// How a bar came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The figure is good enough.
    Pass,
    /// It is not.
    Fail,
    /// Something that is needed did not run.
    Skip,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
        }
    }
}

/// One bar, judged.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
}

/// Which side of the limit is good.
#[derive(Clone, Copy)]
enum Limit {
    Most(f64),
    Least(f64),
}

impl Limit {
    fn judge(self, what: String, figure: Option<f64>) -> Bar {
        let (holds, limit) = match self {
            Self::Most(limit) => (figure.map(|figure| figure <= limit), format!("<= {limit}")),
            Self::Least(limit) => (figure.map(|figure| figure >= limit), format!(">= {limit}")),
        };
        let verdict = match holds {
            Some(true) => Verdict::Pass,
            Some(false) => Verdict::Fail,
            None => Verdict::Skip,
        };
        let figure = figure.map_or("not measured".into(), |figure| format!("{figure:.3}"));
        Bar {
            verdict,
            text: format!("{what}: {figure} ({limit})"),
        }
    }
}

/// Every bar, in the order of the goals.
pub(crate) fn judge(results: &Results) -> Vec<Bar> {
    let mut bars = Vec::new();
    for scenario in ["plain-64", "plain-256"] {
        bars.push(cpu(results, scenario, FLOOR, 1.09));
        for peer in ["hyper", "axum", "actix", "ntex"] {
            bars.push(ahead(results, scenario, peer));
        }
    }
    bars.push(user_space(results, "hyper", 0.65));
    bars.push(user_space(results, "may_minihttp", 1.0));
    bars.push(throughput(results, "pipelined-16", FLOOR, 0.77));
    bars.push(throughput(results, "pipelined-16", "hyper", 1.4));
    for scenario in ["browser", "json", "user", "echo-1k", "echo-64k", "close"] {
        bars.push(cpu(results, scenario, FLOOR, 1.12));
        for peer in ["hyper", "axum", "actix", NGINX] {
            if peer != NGINX || !scenario.starts_with("echo") {
                bars.push(cpu(results, scenario, peer, 1.0));
            }
        }
    }
    for scenario in ["static-1k", "static-1m"] {
        bars.push(throughput(results, scenario, NGINX, 1.0));
        bars.push(cpu(results, scenario, NGINX, 1.0));
    }
    for scenario in ["ws-64", "ws-1000"] {
        bars.push(throughput(results, scenario, FLOOR, 0.93));
        for peer in ["fastwebsockets", "tungstenite"] {
            bars.push(ahead(results, scenario, peer));
        }
    }
    bars.push(throughput(results, "ws-16", FLOOR, 0.60));
    for scenario in ["tcp-64", "tcp-64k"] {
        bars.push(throughput(results, scenario, FLOOR, 0.95));
    }
    bars.extend(beside_the_best(results, "file-1m", &["nginx"]));
    for scenario in ["tls-13", "tls-64k", "tls-1m", "tls-full", "tls-resumed"] {
        bars.extend(beside_the_best(
            results,
            scenario,
            &["hyper", "actix", "nginx"],
        ));
    }
    for scenario in ["quiet-flood", "quiet-handshakes"] {
        let growth = results.latency(scenario, SQUALL, Latency::growth);
        bars.push(Limit::Most(2.0).judge(format!("{scenario}: p99 x calm"), growth));
    }
    let mut single = |scenario, what: &str, most| {
        let figure = results.single(scenario, SQUALL);
        bars.push(Limit::Most(most).judge(format!("{scenario}: {what}"), figure));
    };
    // The floor is a read, a write and a share of epoll_wait; pipelined, for all of a batch.
    single("calls-plain", "system calls per request", 2.1);
    single("calls-pipelined", "system calls per request", 0.15);
    // uWebSockets, the leanest peer, takes 256 bytes for either, nginx 527, hyper 13,500.
    single("idle-http", "bytes of user memory per connection", 512.0);
    single("idle-ws", "bytes of user memory per connection", 1024.0);
    single("idle-tls", "bytes of user memory per connection", 6144.0);
    bars
}

/// Processor time for an answer.
fn cpu(results: &Results, scenario: &str, over_server: &str, most: f64) -> Bar {
    let limit = Limit::Most(most);
    over(results, scenario, over_server, Speed::cpu_us, limit)
}

fn throughput(results: &Results, scenario: &str, over_server: &str, least: f64) -> Bar {
    let limit = Limit::Least(least);
    over(results, scenario, over_server, Speed::per_second, limit)
}

/// The median of Squall's ratios to another inside each round.
fn over(results: &Results, scenario: &str, other: &str, figure: Figure, limit: Limit) -> Bar {
    let what = match limit {
        Limit::Most(_) => "CPU per answer",
        Limit::Least(_) => "throughput",
    };
    let ratio = median(results.ratios(scenario, SQUALL, other, figure));
    limit.judge(format!("{scenario}: {what} x {other}"), ratio)
}

/// At least 0.95 of the best: in throughput, which is the generator's where that is at its limit,
/// and in what an answer costs the server.
fn beside_the_best(results: &Results, scenario: &str, peers: &[&str]) -> [Bar; 2] {
    const LEAST: f64 = 0.95;
    let ratio =
        |figure, best| median(results.ratios_to_best(scenario, SQUALL, peers, figure, best));
    let best_of = match peers {
        [peer] => (*peer).to_owned(),
        peers => format!("the best of {}", peers.join(", ")),
    };
    [
        Limit::Least(LEAST).judge(
            format!("{scenario}: throughput x {best_of}"),
            ratio(Speed::per_second, f64::max),
        ),
        Limit::Least(LEAST).judge(
            format!("{scenario}: answers per CPU second x {best_of}"),
            ratio(Speed::per_cpu_second, f64::max),
        ),
    ]
}

/// Ahead in every round: the worst ratio counts.
fn ahead(results: &Results, scenario: &str, peer: &str) -> Bar {
    let ratios = results.ratios(scenario, SQUALL, peer, Speed::per_second);
    let worst = ratios.into_iter().min_by(f64::total_cmp);
    let what = format!("{scenario}: throughput x {peer} in the worst round");
    Limit::Least(1.0).judge(what, worst)
}

/// Sampled by the kernel, hence over all rounds of both plaintext scenarios.
fn user_space(results: &Results, peer: &str, most: f64) -> Bar {
    const PLAIN: [&str; 2] = ["plain-64", "plain-256"];
    let ours = results.user_us(&PLAIN, SQUALL);
    let theirs = results.user_us(&PLAIN, peer);
    let ratio = ours.zip(theirs).map(|(ours, theirs)| ours.0 / theirs.0);
    Limit::Most(most).judge(format!("plain: user-space CPU x {peer}"), ratio)
}

/// The list as printed, failures easy to find.
pub(crate) fn list(bars: &[Bar]) -> String {
    let mut text = String::from("## bars\n");
    for bar in bars {
        text.push_str(&format!("- {} {}\n", bar.verdict.name(), bar.text));
    }
    text
}
