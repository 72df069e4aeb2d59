//! What the command line says: a port, then names and values of settings. What it does not say is
//! as the server has it by default.
//!
//! ```console
//! $ cargo run --release --example trials -- 8888 timeout_idle 5000 log debug
//! ```

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use squall::http1::Limits;
use squall::httpserver::Config;
use tracing_subscriber::filter::LevelFilter;

pub(crate) struct Settings {
    pub(crate) port: u16,
    /// How long SIGTERM lets requests finish.
    pub(crate) grace: Duration,
    /// A Unix socket to listen on as well.
    pub(crate) unix: Option<PathBuf>,
    /// What is logged to standard error: this level and those above.
    pub(crate) log: LevelFilter,
    config: Config,
}

impl Settings {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let port = words.next().ok_or("a port is missing")?;
        let mut settings = Self {
            port: parse("PORT", &port)?,
            grace: Duration::from_secs(10),
            unix: None,
            log: LevelFilter::WARN,
            config: Config::default(),
        };
        while let Some(name) = words.next() {
            let value = words.next().ok_or(format!("{name} has no value"))?;
            settings.set(&name, &value)?;
        }
        Ok(settings)
    }

    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }

    /// Durations are in milliseconds.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let duration = || parse(name, value).map(Duration::from_millis);
        let config = self.config.clone();
        self.config = match name {
            "timeout_header" => config.with_timeout_header(duration()?),
            "timeout_idle" => config.with_timeout_idle(duration()?),
            "timeout_content" => config.with_timeout_content(duration()?),
            "timeout_write" => config.with_timeout_write(duration()?),
            "reuse_port" => config.with_reuse_port(parse(name, value)?),
            "content_bytes_max" => {
                let bytes = parse(name, value)?;
                config.with_limits(Limits::default().with_content_bytes_max(bytes))
            }
            "grace" => {
                self.grace = duration()?;
                config
            }
            "unix" => {
                self.unix = Some(value.into());
                config
            }
            "log" => {
                self.log = parse(name, value)?;
                config
            }
            _ => return Err(format!("there is no setting {name}")),
        };
        Ok(())
    }
}

fn parse<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{value} is no value of {name}"))
}
