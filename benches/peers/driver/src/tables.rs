//! One Markdown table per scenario, its columns aligned for reading as text too.

use crate::measure::Speed;
use crate::quiet::Latency;
use crate::results::Results;
use crate::scenarios::{Measures, Scenario};

/// The scenario's title and figures; nothing if no server took part.
pub(crate) fn table(scenario: &Scenario, results: &Results) -> String {
    let rows: Vec<Vec<String>> = match scenario.measures {
        Measures::Speed => rows(scenario, results, speed_row),
        Measures::SystemCalls => rows(scenario, results, |scenario, server, results| {
            vec![server.into(), figure(results.single(scenario, server), 3)]
        }),
        Measures::Memory => rows(scenario, results, |scenario, server, results| {
            vec![server.into(), figure(results.single(scenario, server), 0)]
        }),
        Measures::Latency(_) => rows(scenario, results, latency_row),
    };
    if rows.is_empty() {
        return String::new();
    }
    let heads: &[&str] = match scenario.measures {
        Measures::Speed => &[
            "server",
            "per second",
            "x floor",
            "CPU us",
            "x floor",
            "user us",
            "server busy",
            "load busy",
            "disturbed",
        ],
        Measures::SystemCalls => &["server", "system calls per answer"],
        Measures::Memory => &["server", "bytes per connection"],
        Measures::Latency(_) => &[
            "server",
            "p50 us",
            "p99 us",
            "p99.9 us",
            "beside: p50",
            "p99",
            "p99.9",
            "p99 x calm",
            "others per second",
            "disturbed",
        ],
    };
    format!(
        "## {}: {}\n{}\n",
        scenario.name,
        scenario.title,
        markdown(heads, &rows)
    )
}

type Row = fn(&str, &'static str, &Results) -> Vec<String>;

fn rows(scenario: &Scenario, results: &Results, row: Row) -> Vec<Vec<String>> {
    let servers = results.servers(scenario.name);
    servers
        .map(|server| row(scenario.name, server, results))
        .collect()
}

fn speed_row(scenario: &str, server: &'static str, results: &Results) -> Vec<String> {
    let median = |figure| results.median(scenario, server, figure);
    let over_floor = |figure| results.over_floor(scenario, server, figure);
    let user = results.user_us(&[scenario], server);
    vec![
        server.into(),
        figure(median(Speed::per_second), 0),
        figure(over_floor(Speed::per_second), 2),
        figure(median(Speed::cpu_us), 2),
        figure(over_floor(Speed::cpu_us), 2),
        user.map_or("-".into(), |(us, error)| format!("{us:.2} ±{error:.2}")),
        figure(median(Speed::server_busy), 2),
        figure(median(|speed| speed.load_busy), 2),
        figure(median(|speed| speed.disturbed), 2),
    ]
}

fn latency_row(scenario: &str, server: &'static str, results: &Results) -> Vec<String> {
    let median = |of: fn(&Latency) -> f64| results.latency(scenario, server, of);
    vec![
        server.into(),
        figure(median(|latency| latency.calm.p50_us), 0),
        figure(median(|latency| latency.calm.p99_us), 0),
        figure(median(|latency| latency.calm.p999_us), 0),
        figure(median(|latency| latency.beside.p50_us), 0),
        figure(median(|latency| latency.beside.p99_us), 0),
        figure(median(|latency| latency.beside.p999_us), 0),
        figure(median(Latency::growth), 2),
        figure(median(|latency| latency.others), 0),
        figure(median(|latency| latency.disturbed), 2),
    ]
}

fn figure(value: Option<f64>, digits: usize) -> String {
    match value {
        Some(value) => format!("{value:.digits$}"),
        None => "-".into(),
    }
}

fn markdown(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from("|");
        for (column, cell) in cells.enumerate() {
            let width = widths[column];
            match column {
                0 => line.push_str(&format!(" {cell:<width$} |")),
                _ => line.push_str(&format!(" {cell:>width$} |")),
            }
        }
        line.push('\n');
        line
    };
    let mut text = line(&mut heads.iter().copied());
    for (column, width) in widths.iter().enumerate() {
        text.push_str(if column == 0 { "|:" } else { "|-" });
        text.push_str(&"-".repeat(*width));
        text.push_str(if column == 0 { "-" } else { ":" });
    }
    text.push_str("|\n");
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["a".into(), "10".into()],
            vec!["bcd".into(), "9".into()],
        ];
        let expected = "| s   |  n |\n|:----|---:|\n| a   | 10 |\n| bcd |  9 |\n";
        assert_eq!(markdown(&["s", "n"], &rows), expected);
    }
}
