//! The command line, with defaults that fit a full run into some minutes.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Shown when the command line is not understood.
pub(crate) const USAGE: &str = "\
usage: cargo run --release -p driver -- [OPTIONS]
  --rounds N          rounds of each scenario (3; at most 100)
  --seconds S         the window of one measurement (0.7; at most 600)
  --only A,B          these scenarios; a name's beginning is enough (all)
  --servers A,B       these servers; the floor always runs (all that are built)
  --squall PATH       Squall's bench_server (the main workspace's release build)
  --build             build the peers and Squall's server first
  --brief             one short round of the scenarios that have bars, floor and Squall only
  --cores A,B         core of the server, core of the generator (0,1)
  --tracer perf|strace  what counts system calls (perf if it works, else strace)
  --json FILE         write every sample there
  --record            write tables and samples to record/DATE-MACHINE.md and .json
  --strict            exit with 1 if a bar fails";

const ROUNDS_MAX: u32 = 100;
const SECONDS_MAX: f64 = 600.0;

/// A command line, understood.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) rounds: u32,
    pub(crate) window: Duration,
    pub(crate) warmup: Duration,
    /// Beginnings of scenario names; empty for all.
    pub(crate) only: Vec<String>,
    /// Server names; empty for all.
    pub(crate) servers: Vec<String>,
    pub(crate) squall: PathBuf,
    pub(crate) build: bool,
    pub(crate) brief: bool,
    pub(crate) core_server: usize,
    pub(crate) core_load: usize,
    /// The name of a tracer, when it must be a certain one.
    pub(crate) tracer: Option<String>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) record: bool,
    pub(crate) strict: bool,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            rounds: 3,
            window: Duration::from_millis(700),
            warmup: Duration::from_millis(200),
            only: Vec::new(),
            servers: Vec::new(),
            squall: main_workspace().join("target/release/examples/bench_server"),
            build: false,
            brief: false,
            core_server: 0,
            core_load: 1,
            tracer: None,
            json: None,
            record: false,
            strict: false,
        }
    }
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let words: Vec<String> = words.collect();
        let mut arguments = Self::default();
        // First, so that what stands beside it has the last word.
        if words.iter().any(|word| word == "--brief") {
            arguments.set_brief();
        }
        let mut words = words.into_iter();
        while let Some(name) = words.next() {
            match name.as_str() {
                "--brief" => continue,
                "--build" => arguments.build = true,
                "--record" => arguments.record = true,
                "--strict" => arguments.strict = true,
                _ => {
                    let value = words.next().ok_or(format!("{name} needs a value"))?;
                    arguments.set(&name, &value)?;
                }
            }
        }
        Ok(arguments)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--rounds" => self.rounds = number(name, value, ROUNDS_MAX)?.max(1),
            "--seconds" => {
                let seconds: f64 = number(name, value, SECONDS_MAX)?;
                self.window = Duration::try_from_secs_f64(seconds)
                    .map_err(|error| format!("{name}: {error}"))?;
            }
            "--only" => self.only = list(value),
            "--servers" => self.servers = list(value),
            "--squall" => self.squall = value.into(),
            "--tracer" => self.tracer = Some(value.to_owned()),
            "--json" => self.json = Some(value.into()),
            "--cores" => {
                let (server, load) = value.split_once(',').ok_or("--cores wants A,B")?;
                self.core_server = number(name, server, 1023)?;
                self.core_load = number(name, load, 1023)?;
            }
            _ => return Err(format!("unknown option {name}")),
        }
        Ok(())
    }

    fn set_brief(&mut self) {
        self.brief = true;
        self.rounds = 1;
        self.window = Duration::from_millis(500);
        self.warmup = Duration::from_millis(100);
        self.servers = list("floor,squall");
    }
}

/// The folder of this workspace.
pub(crate) fn workspace() -> &'static Path {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR"));
    driver.parent().unwrap_or(driver)
}

/// The folder of Squall's own workspace.
pub(crate) fn main_workspace() -> &'static Path {
    workspace().ancestors().nth(2).unwrap_or(workspace())
}

fn list(value: &str) -> Vec<String> {
    let names = value.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn number<N>(name: &str, value: &str, most: N) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    match value.trim().parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("{name}: {value} is not a number up to {most}")),
    }
}
