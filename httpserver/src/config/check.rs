//! What settings make sense, alone and together.

use std::fmt;
use std::time::Duration;

use squall_http1::Limits;

use super::Config;

/// Room for the smallest answers and for a head: see [`Config::with_unsent_bytes_max`].
const UNSENT_BYTES_MIN: usize = 16 * 1024;

impl Config {
    /// Whether a server can be made of these settings: what
    /// [`HttpServer::try_with_config`](crate::HttpServer::try_with_config) asks as well.
    ///
    /// ```
    /// use squall_httpserver::{Config, ConfigError};
    /// use std::time::Duration;
    /// let config = Config::default().with_timeout_header(Duration::ZERO);
    /// let error = config.check().unwrap_err();
    /// assert_eq!(error, ConfigError::Zero { setting: "timeout_header" });
    /// assert_eq!(error.to_string(), "timeout_header is 0, which lets nothing through");
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] names the first that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_timeouts()?;
        check_limits(&self.limits)?;
        if self.admission.admits_nobody() {
            return Err(ConfigError::Zero {
                setting: "admission",
            });
        }
        not_zero("requests_max", self.requests_max.unwrap_or(1))?;
        at_least(
            ("unsent_bytes_max", self.unsent_bytes_max),
            ("the 16 KiB that one answer may need", UNSENT_BYTES_MIN),
        )?;
        let heads = self.limits.head_bytes_max.saturating_mul(2);
        at_least(
            ("memory_bytes_max", self.memory_bytes_max),
            ("twice limits.head_bytes_max", heads),
        )
    }

    fn check_timeouts(&self) -> Result<(), ConfigError> {
        let timeouts = [
            ("timeout_header", self.timeout_header),
            ("timeout_idle", self.timeout_idle),
            ("timeout_content", self.timeout_content),
            ("timeout_write", self.timeout_write),
        ];
        for (setting, timeout) in timeouts {
            if timeout == Duration::ZERO {
                return Err(ConfigError::Zero { setting });
            }
        }
        Ok(())
    }
}

/// Those for content and trailers may be zero: a server may want to read none.
fn check_limits(limits: &Limits) -> Result<(), ConfigError> {
    not_zero("limits.head_bytes_max", limits.head_bytes_max)?;
    not_zero("limits.target_bytes_max", limits.target_bytes_max)?;
    not_zero("limits.fields_max", limits.fields_max)?;
    not_zero("limits.chunk_line_bytes_max", limits.chunk_line_bytes_max)?;
    at_least(
        ("limits.head_bytes_max", Some(limits.head_bytes_max)),
        ("limits.target_bytes_max", limits.target_bytes_max),
    )
}

fn not_zero(setting: &'static str, value: usize) -> Result<(), ConfigError> {
    if value == 0 {
        return Err(ConfigError::Zero { setting });
    }
    Ok(())
}

fn at_least(
    (setting, value): (&'static str, Option<usize>),
    (than, least): (&'static str, usize),
) -> Result<(), ConfigError> {
    match value {
        Some(value) if value < least => Err(ConfigError::TooSmall {
            setting,
            value,
            than,
            least,
        }),
        _ => Ok(()),
    }
}

/// Why no server can be made of a [`Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit or a timeout of zero, with which nobody could be served.
    Zero {
        /// Its name.
        setting: &'static str,
    },
    /// A setting that is smaller than another allows.
    TooSmall {
        /// Its name.
        setting: &'static str,
        /// What it was set to.
        value: usize,
        /// What it must be no smaller than.
        than: &'static str,
        /// And how much that is.
        least: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { setting } => write!(f, "{setting} is 0, which lets nothing through"),
            Self::TooSmall {
                setting,
                value,
                than,
                least,
            } => write!(
                f,
                "{setting} is {value}, which is less than {than} ({least})"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for std::io::Error {
    fn from(error: ConfigError) -> Self {
        Self::new(std::io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_iostream::AdmissionLimits;

    #[track_caller]
    fn check(config: Config, expected: &str) {
        let said = match config.check() {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    }

    fn limits(change: impl FnOnce(Limits) -> Limits) -> Config {
        Config::default().with_limits(change(Limits::default()))
    }

    #[test]
    fn the_defaults_make_sense() {
        check(Config::default(), "");
    }

    #[test]
    fn nothing_may_be_zero_that_lets_a_request_in() {
        let zero = |setting: &str| format!("{setting} is 0, which lets nothing through");
        let none = Duration::ZERO;
        let config = Config::default;
        check(config().with_timeout_header(none), &zero("timeout_header"));
        check(config().with_timeout_idle(none), &zero("timeout_idle"));
        check(
            config().with_timeout_content(none),
            &zero("timeout_content"),
        );
        check(config().with_timeout_write(none), &zero("timeout_write"));
        check(config().with_requests_max(0), &zero("requests_max"));
        let nobody = AdmissionLimits::default().connections_max(0);
        check(config().with_admission(nobody), &zero("admission"));
        check(
            limits(|limits| limits.with_head_bytes_max(0)),
            &zero("limits.head_bytes_max"),
        );
        check(
            limits(|limits| limits.with_target_bytes_max(0)),
            &zero("limits.target_bytes_max"),
        );
        check(
            limits(|limits| limits.with_fields_max(0)),
            &zero("limits.fields_max"),
        );
        check(
            limits(|limits| limits.with_chunk_line_bytes_max(0)),
            &zero("limits.chunk_line_bytes_max"),
        );
        check(limits(|limits| limits.with_content_bytes_max(0)), "");
    }

    #[test]
    fn what_holds_another_is_no_smaller() {
        check(
            limits(|limits| limits.with_head_bytes_max(1000)),
            "limits.head_bytes_max is 1000, which is less than limits.target_bytes_max (8192)",
        );
        check(
            Config::default().with_memory_bytes_max(65_536),
            "memory_bytes_max is 65536, which is less than twice limits.head_bytes_max (131072)",
        );
        check(Config::default().with_memory_bytes_max(131_072), "");
        check(
            Config::default().with_unsent_bytes_max(1),
            "unsent_bytes_max is 1, which is less than the 16 KiB that one answer may need (16384)",
        );
    }
}
