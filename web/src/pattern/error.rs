//! What can be wrong with a pattern, and with the arguments of a reversed one.
//!
//! Both are mistakes of the program, met while it starts or while it writes a link, so they are
//! worded for the person who will read them in a terminal.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use crate::captures::PATH_ARGUMENTS_MAX;

/// A pattern that cannot be built, and why.
///
/// ```
/// use squall_web::Pattern;
///
/// let error = Pattern::new("/user/{id").unwrap_err();
/// assert_eq!(error.to_string(), "path pattern `/user/{id`: the brace at 6 is never closed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    fault: PatternFault,
}

impl PatternError {
    pub(super) fn new(pattern: &str, fault: PatternFault) -> Self {
        Self {
            pattern: pattern.to_owned(),
            fault,
        }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// What is wrong with it.
    #[must_use]
    pub fn fault(&self) -> &PatternFault {
        &self.fault
    }
}

/// The ways in which a pattern can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternFault {
    /// It does not begin with a slash, as every path does.
    NoLeadingSlash,
    /// It contains `?` or `#`, with which a path ends.
    NotInAPath {
        /// The offending character.
        found: char,
    },
    /// A brace opened at this position is never closed.
    UnclosedBrace {
        /// Where, in bytes from the start of the pattern.
        at: usize,
    },
    /// A brace closed at this position was never opened.
    UnopenedBrace {
        /// Where, in bytes from the start of the pattern.
        at: usize,
    },
    /// Something other than a name stands between the braces.
    BadName {
        /// What stands there.
        name: String,
    },
    /// Two arguments have the same name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Two arguments touch, so that nothing says where one ends.
    AdjacentArguments {
        /// The name of the second.
        name: String,
    },
    /// A `{rest...}` that is not the whole last segment.
    RestNotLast {
        /// Its name.
        name: String,
    },
    /// More arguments than [`PATH_ARGUMENTS_MAX`].
    TooManyArguments {
        /// How many there are.
        count: usize,
    },
    /// The regular expression does not compile.
    Regex {
        /// What the compiler of regular expressions says.
        message: String,
    },
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "path pattern `{}`: {}", self.pattern, self.fault)
    }
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLeadingSlash => f.write_str("a path begins with `/`"),
            Self::NotInAPath { found } => {
                write!(f, "`{found}` ends a path; a pattern cannot contain it")
            }
            Self::UnclosedBrace { at } => write!(f, "the brace at {at} is never closed"),
            Self::UnopenedBrace { at } => {
                write!(
                    f,
                    "the brace at {at} was never opened (write `}}}}` for a literal one)"
                )
            }
            Self::BadName { name } => write!(
                f,
                "`{{{name}}}` is neither `{{name}}` nor `{{rest...}}`; \
                 a name is made of letters, digits and `_`, and does not begin with a digit"
            ),
            Self::DuplicateName { name } => write!(f, "two arguments are called `{name}`"),
            Self::AdjacentArguments { name } => {
                write!(
                    f,
                    "nothing separates `{{{name}}}` from the argument before it"
                )
            }
            Self::RestNotLast { name } => {
                write!(f, "`{{{name}...}}` must be the whole last segment")
            }
            Self::TooManyArguments { count } => {
                write!(f, "{count} arguments, of at most {PATH_ARGUMENTS_MAX}")
            }
            Self::Regex { message } => f.write_str(message),
        }
    }
}

impl Error for PatternError {}

/// A ready-made [`Pattern`](super::Pattern) given where a fallible one is expected cannot fail.
impl From<Infallible> for PatternError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Why a path could not be written from a pattern and arguments.
///
/// ```
/// use squall_web::{Pattern, ReverseError};
///
/// let pattern = Pattern::new("/user/{id}")?;
/// assert_eq!(pattern.reverse(&[]), Err(ReverseError::ArgumentCount { expected: 1, given: 0 }));
/// # Ok::<(), squall_web::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReverseError {
    /// No route has this name.
    UnknownName {
        /// The name asked for.
        name: String,
    },
    /// The pattern has another number of arguments.
    ArgumentCount {
        /// How many the pattern has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// This argument must not be empty.
    EmptyArgument {
        /// Its name in the pattern.
        name: String,
    },
    /// The path would contain the segment `.` or `..`, which every client resolves away, however
    /// it is encoded.
    DotSegment,
    /// The path would be read back as other arguments: `{a}-{b}` with a hyphen in `b`.
    Ambiguous,
    /// The regular expression is more than text and groups, so it has no single way back.
    Irreversible,
}

impl fmt::Display for ReverseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName { name } => write!(f, "no route is named `{name}`"),
            Self::ArgumentCount { expected, given } => {
                write!(f, "{given} arguments for a pattern with {expected}")
            }
            Self::EmptyArgument { name } => write!(f, "the argument `{name}` is empty"),
            Self::DotSegment => f.write_str("the path would contain a `.` or `..` segment"),
            Self::Ambiguous => f.write_str("the path would be read back as other arguments"),
            Self::Irreversible => {
                f.write_str("the regular expression is more than text and groups")
            }
        }
    }
}

impl Error for ReverseError {}
