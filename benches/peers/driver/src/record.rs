//! The record: on which machine, when, from which commit; the tables for people, every sample as
//! JSON for programs.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::arguments::{Arguments, main_workspace, workspace};
use crate::bars::Bar;
use crate::measure::Sample;
use crate::results::Results;

/// Where and when a run took place.
#[derive(Debug)]
pub(crate) struct Machine {
    model: String,
    cores: usize,
    kernel: String,
    rustc: String,
    commit: String,
    date: String,
}

impl Machine {
    pub(crate) fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, model)| model);
        let cores = cpuinfo
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            model: model.to_owned(),
            cores,
            kernel: kernel.trim().to_owned(),
            rustc: first_line("rustc", &["--version"]),
            commit: first_line("git", &["describe", "--always", "--dirty", "--exclude=*"]),
            date: today(),
        }
    }

    /// For people.
    fn describe(&self, arguments: &Arguments, results: &Results) -> String {
        let tracer = results.tracer.map_or(String::new(), |name| {
            format!("; system calls counted by {name}")
        });
        format!(
            "# {}, {}, {} cores\n\nLinux {}, {}, commit {}. Server on core {}, generator on core \
             {}; {} rounds of {} s{tracer}.\n\n",
            self.date,
            self.model,
            self.cores,
            self.kernel,
            self.rustc,
            self.commit,
            arguments.core_server,
            arguments.core_load,
            arguments.rounds,
            arguments.window.as_secs_f64(),
        )
    }

    /// `2026-11-20-amd-epyc-2cpu`.
    fn file_name(&self) -> String {
        let letters = self.model.to_lowercase();
        let words = letters.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).take(4).collect();
        format!("{}-{}-{}cpu", self.date, words.join("-"), self.cores)
    }
}

/// Writes `record/NAME.md` and `record/NAME.json`; a run of the same day replaces the earlier one.
pub(crate) fn save(
    machine: &Machine,
    arguments: &Arguments,
    report: &str,
    results: &Results,
    bars: &[Bar],
) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let folder = workspace().join("record");
    fs::create_dir_all(&folder)?;
    let name = folder.join(machine.file_name());
    let text = name.with_extension("md");
    let samples = name.with_extension("json");
    fs::write(&text, machine.describe(arguments, results) + report)?;
    fs::write(&samples, json(machine, arguments, results, bars))?;
    Ok(vec![text, samples])
}

/// Every sample, one to a line.
pub(crate) fn json(
    machine: &Machine,
    arguments: &Arguments,
    results: &Results,
    bars: &[Bar],
) -> String {
    let samples = results.all().map(|((scenario, server), round, sample)| {
        let figures = match sample {
            Sample::Speed(speed) => format!(
                concat!(
                    r#""answers":{},"seconds":{:.6},"cpu_seconds":{:.6},"user_ticks":{},"#,
                    r#""system_ticks":{},"load_busy":{:.3},"disturbed":{:.3}"#
                ),
                speed.answers,
                speed.seconds,
                speed.processor.seconds,
                speed.processor.user_ticks,
                speed.processor.system_ticks,
                speed.load_busy,
                speed.disturbed
            ),
            Sample::SystemCalls(calls) => format!(r#""calls_per_answer":{calls:.4}"#),
            Sample::Memory(bytes) => format!(r#""bytes_per_connection":{bytes:.1}"#),
            Sample::Latency(latency) => format!(
                concat!(
                    r#""calm_us":[{:.1},{:.1},{:.1}],"beside_us":[{:.1},{:.1},{:.1}],"#,
                    r#""others_per_second":{:.1},"disturbed":{:.3}"#
                ),
                latency.calm.p50_us,
                latency.calm.p99_us,
                latency.calm.p999_us,
                latency.beside.p50_us,
                latency.beside.p99_us,
                latency.beside.p999_us,
                latency.others,
                latency.disturbed,
            ),
        };
        format!(r#"{{"scenario":"{scenario}","server":"{server}","round":{round},{figures}}}"#)
    });
    let bars = bars.iter().map(|bar| {
        let (verdict, text) = (bar.verdict.name(), quoted(&bar.text));
        format!(r#"{{"verdict":"{verdict}","bar":{text}}}"#)
    });
    format!(
        "{{\n\"date\":{},\n\"model\":{},\n\"cores\":{},\n\"kernel\":{},\n\"rustc\":{},\n\
         \"commit\":{},\n\"rounds\":{},\n\"window_seconds\":{},\n\"tracer\":{},\n\
         \"samples\":[\n{}\n],\n\"bars\":[\n{}\n]\n}}\n",
        quoted(&machine.date),
        quoted(&machine.model),
        machine.cores,
        quoted(&machine.kernel),
        quoted(&machine.rustc),
        quoted(&machine.commit),
        arguments.rounds,
        arguments.window.as_secs_f64(),
        results.tracer.map_or("null".into(), quoted),
        samples.collect::<Vec<_>>().join(",\n"),
        bars.collect::<Vec<_>>().join(",\n"),
    )
}

fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

fn first_line(program: &str, words: &[&str]) -> String {
    let output = Command::new(program)
        .args(words)
        .current_dir(main_workspace())
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// The day in UTC, as `2026-11-20`.
fn today() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    date((now.as_secs() / 86_400).cast_signed())
}

/// Days since 1970 in the Gregorian calendar, counted in eras of 400 years that begin in March,
/// so that the leap day comes last.
fn date(days: i64) -> String {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_777), "2026-11-20");
    }

    #[test]
    fn quotes_and_line_ends_cannot_break_the_json() {
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c""#);
    }
}
