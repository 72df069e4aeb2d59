//! Sockets that the process was born with: systemd's socket activation, and whoever follows its
//! convention.
//!
//! The service manager binds the sockets, and starts us with them as descriptors 3 and up:
//! `LISTEN_FDS` is how many, `LISTEN_PID` for which process they are meant, `LISTEN_FDNAMES` what
//! they are called, with colons in between (sd_listen_fds(3)). So a port below 1024 needs no
//! rights of ours, and connections wait while we restart.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Listener, NotAListener, sys};

/// The first of them: those before are standard input, output and error.
const FIRST: RawFd = 3;
/// More are a mistake, and not worth a loop over what a variable claims.
const DESCRIPTORS_MAX: usize = 64;
/// What systemd calls one that has no name.
const UNNAMED: &str = "unknown";

/// A listening socket with the name that it was given.
#[derive(Debug)]
pub struct NamedListener {
    /// Its name; several may have the same.
    pub name: String,
    /// The socket.
    pub listener: Listener,
}

/// A descriptor that was inherited: a listening socket, mostly.
#[derive(Debug)]
pub struct Inherited {
    /// Its name: `FileDescriptorName=` of the unit, `unknown` without names.
    pub name: String,
    /// The descriptor. It is not inherited by children.
    pub fd: OwnedFd,
}

/// Whether they were taken: a number can have one owner.
static ARE_TAKEN: AtomicBool = AtomicBool::new(false);

/// The listening sockets that the service manager has passed to this process; none if it was
/// started otherwise, or they were meant for another process. They can be taken once.
///
/// ```no_run
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{IoStream, TcpServer, inherited_listeners};
/// let ioloop = IoLoop::new()?;
/// let server = TcpServer::new(&ioloop, |stream: IoStream, _peer| async move {
///     stream.write(b"hello\n")
/// });
/// let inherited = inherited_listeners()?;
/// if inherited.is_empty() {
///     server.listen(8888, None)?;
/// }
/// for named in inherited {
///     server.add_listener(named.listener)?;
/// }
/// ioloop.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The variables are left in the environment, which no thread may change while others read it. A
/// child is not misled: `LISTEN_PID` is not its number, and the descriptors are closed when it
/// begins.
///
/// # Errors
/// [`InheritError`]. One that is no listener closes all of them; for the rest see [`inherited`].
/// Where a unit has sockets for datagrams too, see
/// [`inherited`].
pub fn inherited_listeners() -> Result<Vec<NamedListener>, InheritError> {
    let to_listener =
        |(index, Inherited { name, fd }): (usize, Inherited)| match Listener::from_fd(fd) {
            Ok(listener) => Ok(NamedListener { name, listener }),
            Err(source) => Err(InheritError::Descriptor {
                number: FIRST + index as RawFd,
                source,
            }),
        };
    inherited()?
        .into_iter()
        .enumerate()
        .map(to_listener)
        .collect()
}

/// As [`inherited_listeners`], with any kind of descriptor.
///
/// # Errors
/// [`InheritError`]. Where it names a descriptor, those before that one are closed, and those
/// behind it stay open and are nobody's.
pub fn inherited() -> Result<Vec<Inherited>, InheritError> {
    let names = names_for(std::process::id(), env::var_os)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if ARE_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(InheritError::AlreadyTaken);
    }
    let mut found = Vec::with_capacity(names.len());
    for (name, number) in names.into_iter().zip(FIRST..) {
        match sys::inherit(number) {
            Ok(fd) => found.push(Inherited { name, fd }),
            Err(source) => return Err(InheritError::Descriptor { number, source }),
        }
    }
    Ok(found)
}

/// The names of the descriptors that are meant for this process.
fn names_for(
    pid: u32,
    variable: impl Fn(&'static str) -> Option<OsString>,
) -> Result<Vec<String>, InheritError> {
    let text = |name| {
        let value = variable(name)?;
        Some(match value.into_string() {
            Ok(value) => Ok(value),
            Err(value) => Err(InheritError::variable(name, &value.to_string_lossy())),
        })
    };
    let (Some(meant_for), Some(count)) = (text("LISTEN_PID"), text("LISTEN_FDS")) else {
        return Ok(Vec::new());
    };
    let (meant_for, count) = (meant_for?, count?);
    let number = |name, value: &str| {
        match is_decimal(value) {
            true => value.parse::<u32>().ok(),
            false => None,
        }
        .ok_or_else(|| InheritError::variable(name, value))
    };
    if number("LISTEN_PID", &meant_for)? != pid {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS", &count)? as usize;
    if count > DESCRIPTORS_MAX {
        return Err(InheritError::TooMany(count));
    }
    let Some(names) = text("LISTEN_FDNAMES") else {
        return Ok(vec![UNNAMED.to_owned(); count]);
    };
    let names = names?;
    let named: Vec<_> = names.split(':').map(str::to_owned).collect();
    if named.len() != count {
        return Err(InheritError::variable("LISTEN_FDNAMES", &names));
    }
    Ok(named)
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why what was inherited cannot be taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum InheritError {
    /// A variable of the environment makes no sense, or does not fit the others.
    Variable {
        /// Its name.
        name: &'static str,
        /// Its value, cut short.
        value: String,
    },
    /// More than 64.
    TooMany(usize),
    /// A descriptor is not what it should be.
    Descriptor {
        /// Its number.
        number: RawFd,
        /// What it is instead.
        source: NotAListener,
    },
    /// They were taken before, by this process.
    AlreadyTaken,
}

impl InheritError {
    fn variable(name: &'static str, value: &str) -> Self {
        Self::Variable {
            name,
            value: value.chars().take(80).collect(),
        }
    }
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable { name, value } => write!(f, "{name} makes no sense: {value:?}"),
            Self::TooMany(count) => {
                write!(f, "LISTEN_FDS says {count}: more than {DESCRIPTORS_MAX}")
            }
            Self::Descriptor { number, source } => write!(f, "descriptor {number}: {source}"),
            Self::AlreadyTaken => f.write_str("what was inherited has been taken before"),
        }
    }
}

impl std::error::Error for InheritError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Descriptor { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<InheritError> for std::io::Error {
    fn from(error: InheritError) -> Self {
        Self::new(std::io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` in process 42.
    fn check(variables: [Option<&str>; 3], expected: Result<&[&str], &str>) {
        let [pid, fds, names] = variables;
        let found = names_for(42, |name| {
            let value = match name {
                "LISTEN_PID" => pid,
                "LISTEN_FDS" => fds,
                _ => names,
            };
            value.map(OsString::from)
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{variables:?}"),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (found, _) => panic!("{variables:?}: {found:?}"),
        }
    }

    #[test]
    fn descriptors_are_meant_for_the_process_that_is_named() {
        check([None, None, None], Ok(&[]));
        check([Some("42"), None, None], Ok(&[]));
        check([None, Some("1"), None], Ok(&[]));
        check([Some("43"), Some("1"), None], Ok(&[]));
        check([Some("43"), Some("garbage"), None], Ok(&[]));
        check([Some("42"), Some("0"), None], Ok(&[]));
        check([Some("42"), Some("2"), None], Ok(&["unknown", "unknown"]));
        check([Some("42"), Some("2"), Some("web:")], Ok(&["web", ""]));
        check([Some("42"), Some("1"), Some("web")], Ok(&["web"]));
    }

    #[test]
    fn garbage_is_named() {
        for garbage in [
            "",
            " ",
            "1 ",
            "+1",
            "-1",
            "1.0",
            "0x1",
            "99999999999999999999",
            "\u{661}",
        ] {
            check([Some("42"), Some(garbage), None], Err("LISTEN_FDS"));
            check([Some(garbage), Some("1"), None], Err("LISTEN_PID"));
        }
        check([Some("42"), Some("65"), None], Err("more than 64"));
        check([Some("42"), Some("4294967295"), None], Err("more than 64"));
        check([Some("42"), Some("2"), Some("web")], Err("LISTEN_FDNAMES"));
        check([Some("42"), Some("1"), Some("a:b")], Err("LISTEN_FDNAMES"));
    }

    #[test]
    fn a_number_that_is_not_inherited_stays_with_its_owner() {
        use std::os::fd::AsRawFd;
        assert!(matches!(sys::inherit(-1), Err(NotAListener::NotOpen)));
        assert!(matches!(sys::inherit(1 << 20), Err(NotAListener::NotOpen)));
        let file = std::fs::File::open("/dev/null").unwrap();
        let taken = sys::inherit(file.as_raw_fd());
        assert!(matches!(taken, Err(NotAListener::NotInherited)));
        assert!(file.metadata().is_ok(), "it is open still");
    }
}
