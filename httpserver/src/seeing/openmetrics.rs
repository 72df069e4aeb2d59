//! [`ServerMetrics`] as a page of text for Prometheus and whatever else reads OpenMetrics 1.0.

use std::fmt::{Display, Write};
use std::time::Duration;

use super::metrics::ServerMetrics;

/// The `Content-Type` of [`ServerMetrics::to_openmetrics`].
pub const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl ServerMetrics {
    /// The page that a collector asks for, in the format of OpenMetrics 1.0, which Prometheus
    /// reads. Its `Content-Type` is [`OPENMETRICS_TYPE`].
    ///
    /// ```
    /// use squall_httpserver::ServerMetrics;
    /// let page = ServerMetrics::default().to_openmetrics();
    /// assert!(page.contains("\nsquall_connections{state=\"idle\"} 0\n"));
    /// assert!(page.ends_with("\n# EOF\n"));
    /// ```
    pub fn to_openmetrics(&self) -> String {
        let mut page = Page(String::with_capacity(4096));
        self.write_connections(&mut page);
        self.write_requests(&mut page);
        self.write_latency(&mut page);
        page.family("squall_rejects", "counter", "What was refused or cut off.");
        for (cause, count) in &self.rejects {
            page.labelled("squall_rejects_total", "cause", cause, count);
        }
        page.counter(
            "squall_refusals_unlogged",
            "Refused requests without a log line.",
            self.refusals_unlogged,
        );
        page.counter(
            "squall_log_lines_dropped",
            "Lines of the access log that could not be written.",
            self.log_lines_dropped,
        );
        page.0.push_str("# EOF\n");
        page.0
    }

    fn write_connections(&self, page: &mut Page) {
        let connections = &self.connections;
        page.family(
            "squall_connections",
            "gauge",
            "Connections by what they do.",
        );
        for (state, count) in [
            ("idle", connections.idle),
            ("reading", connections.reading),
            ("answering", connections.answering),
            ("writing", connections.writing),
            ("joined", connections.joined),
        ] {
            page.labelled("squall_connections", "state", state, count);
        }
        page.counter(
            "squall_connections_accepted",
            "Connections so far.",
            connections.accepted,
        );
        page.counter(
            "squall_connections_closed",
            "Connections that are gone.",
            connections.closed,
        );
    }

    fn write_requests(&self, page: &mut Page) {
        page.family("squall_requests", "counter", "Requests by class of status.");
        for (class, count) in self.requests.by_class() {
            page.labelled("squall_requests_total", "class", class, count);
        }
        page.family(
            "squall_requests_in_flight",
            "gauge",
            "Requests without an answer yet.",
        );
        page.sample("squall_requests_in_flight", self.requests.in_flight);
        page.counter(
            "squall_requests_incomplete",
            "Requests whose answer broke off.",
            self.requests.incomplete,
        );
        for (name, help, bytes) in [
            (
                "squall_received_bytes",
                "Heads and content.",
                self.bytes_received,
            ),
            ("squall_sent_bytes", "Heads and content.", self.bytes_sent),
        ] {
            page.family(name, "counter", help);
            page.line(format_args!("# UNIT {name} bytes"));
            page.sample(format_args!("{name}_total"), bytes);
        }
    }

    fn write_latency(&self, page: &mut Page) {
        let name = "squall_request_duration_seconds";
        page.family(
            name,
            "histogram",
            "From a request's head to its answer's end.",
        );
        page.line(format_args!("# UNIT {name} seconds"));
        let mut so_far = 0;
        for (bound, count) in self.latency.buckets() {
            so_far += count;
            let bound = bound.map_or_else(|| "+Inf".to_owned(), seconds);
            page.labelled(format_args!("{name}_bucket"), "le", &bound, so_far);
        }
        page.sample(format_args!("{name}_sum"), seconds(self.latency.sum()));
        page.sample(format_args!("{name}_count"), so_far);
    }
}

/// Lines of the exposition. A `String` takes everything, so that nothing here can fail.
struct Page(String);

impl Page {
    fn line(&mut self, text: impl Display) {
        let _ = writeln!(self.0, "{text}");
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# TYPE {name} {kind}"));
        self.line(format_args!("# HELP {name} {help}"));
    }

    fn sample(&mut self, name: impl Display, value: impl Display) {
        self.line(format_args!("{name} {value}"));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(format_args!("{name}_total"), value);
    }

    /// The values are ours: words of letters, digits and `_`, and numbers.
    fn labelled(&mut self, name: impl Display, label: &str, value: &str, count: impl Display) {
        self.line(format_args!("{name}{{{label}=\"{value}\"}} {count}"));
    }
}

/// A number of seconds without an exponent, and without zeros that say nothing.
fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    let text = text.trim_end_matches('0');
    let is_whole = text.ends_with('.');
    format!("{text}{}", if is_whole { "0" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_without_exponents() {
        let check = |nanos, expected: &str| {
            assert_eq!(seconds(Duration::from_nanos(nanos)), expected);
        };
        check(0, "0.0");
        check(16_000, "0.000016");
        check(1_500_000_000, "1.5");
        check(134_217_728_000, "134.217728");
        check(3_000_000_001, "3.000000001");
    }
}
