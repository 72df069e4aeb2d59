//! The route table: many patterns, one answer.
//!
//! As in Tornado the order of registration is the order of precedence: of all patterns that
//! match, the first one wins. Unlike Tornado the table does not try them one after the other:
//! `routing/index.rs` narrows them down to the few that can match, and each of those decides for
//! itself. So order keeps its meaning and the thousandth route costs what the first does.
//!
//! What a route leads to is not this file's business: `application.rs` puts its targets in.

mod index;
mod path_map;

use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Display};

use http::Method;

use self::index::Index;
use crate::captures::Captures;
use crate::pattern::{Pattern, PatternError, ReverseError};

/// Patterns in order of precedence, each with what it leads to (Tornado's `ReversibleRuleRouter`).
///
/// ```
/// use squall_web::{Pattern, Router};
///
/// let mut router = Router::new();
/// router.add(Pattern::new("/user/me")?, "my own page", None)?;
/// router.add(Pattern::new("/user/{id}")?, "a user's page", Some("user"))?;
///
/// assert_eq!(router.find("/user/me").unwrap().target, &"my own page");
/// assert_eq!(router.find("/user/42").unwrap().target, &"a user's page");
/// assert!(router.find("/user").is_none());
/// assert_eq!(router.reverse_url("user", &[&42])?, "/user/42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Router<T> {
    routes: Vec<Entry<T>>,
    positions: HashMap<Box<str>, usize>,
    index: Index,
}

#[derive(Debug)]
struct Entry<T> {
    pattern: Pattern,
    target: T,
}

/// The route that answers a path.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found<'a, T> {
    /// Its position in the table.
    pub position: usize,
    /// What it leads to.
    pub target: &'a T,
    /// The arguments its pattern cut out of the path.
    pub captures: Captures,
}

impl<T> Router<T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            routes: Vec::new(),
            positions: HashMap::new(),
            index: Index::new(),
        }
    }

    /// Adds a route behind all others and returns its position.
    ///
    /// # Errors
    ///
    /// When it could never be reached because an earlier route takes all its paths, or when its
    /// name is taken, or given to a pattern that has no way back. All three are certainly
    /// mistakes. Nothing is added then.
    pub fn add(
        &mut self,
        pattern: Pattern,
        target: T,
        name: Option<&str>,
    ) -> Result<usize, RouteError> {
        if let Some(earlier) = self
            .routes
            .iter()
            .find(|entry| entry.pattern.covers(&pattern))
        {
            let pattern = pattern.to_string();
            return Err(RouteError::NeverReached {
                pattern,
                by: earlier.pattern.to_string(),
            });
        }
        let position = self.routes.len();
        if let Some(name) = name {
            if self.positions.contains_key(name) {
                return Err(RouteError::NameTaken {
                    name: name.to_owned(),
                });
            }
            if !pattern.is_reversible() {
                let pattern = pattern.to_string();
                return Err(RouteError::Irreversible {
                    name: name.to_owned(),
                    pattern,
                });
            }
            self.positions.insert(name.into(), position);
        }
        self.index.insert(&pattern.approach(), position);
        self.routes.push(Entry { pattern, target });
        Ok(position)
    }

    /// The first route whose pattern matches the raw `path`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Found<'_, T>> {
        let mut captures = Captures::EMPTY;
        let position = self.find_into(path.as_bytes(), &mut captures)?;
        Some(Found {
            position,
            target: &self.routes[position].target,
            captures,
        })
    }

    /// As [`Self::find`], for whoever has a place for the captures.
    #[inline]
    pub(crate) fn find_into(&self, path: &[u8], captures: &mut Captures) -> Option<usize> {
        if let Some(position) = self.index.find_exact(path) {
            captures.clear();
            return Some(position);
        }
        let matches = |position: usize| self.routes[position].pattern.matches_bytes(path);
        let (position, found) = self.index.find_first(path, matches)?;
        *captures = found;
        Some(position)
    }

    /// The path of the route called `name` with these arguments (Tornado's `reverse_url`).
    ///
    /// # Errors
    ///
    /// When no route has the name, or as [`Pattern::reverse`].
    pub fn reverse_url(
        &self,
        name: &str,
        arguments: &[&dyn Display],
    ) -> Result<String, ReverseError> {
        let Some(&position) = self.positions.get(name) else {
            return Err(ReverseError::UnknownName {
                name: name.to_owned(),
            });
        };
        self.routes[position].pattern.reverse(arguments)
    }

    /// The pattern of the route at `position`, as given by [`Found::position`].
    #[must_use]
    pub fn pattern(&self, position: usize) -> Option<&Pattern> {
        self.routes.get(position).map(|entry| &entry.pattern)
    }

    /// The target of the route at `position`.
    pub(crate) fn target(&self, position: usize) -> Option<&T> {
        self.routes.get(position).map(|entry| &entry.target)
    }

    /// The target of the route with the very same pattern, to be extended by another method.
    pub(crate) fn target_of_same(&mut self, pattern: &Pattern) -> Option<&mut T> {
        let mut routes = self.routes.iter_mut();
        let entry = routes.find(|entry| entry.pattern.is_same_as(pattern))?;
        Some(&mut entry.target)
    }
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A route that cannot be added, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// Its pattern is malformed.
    Pattern(PatternError),
    /// An earlier route takes every path this one would answer.
    NeverReached {
        /// The pattern of the new route.
        pattern: String,
        /// The pattern of the earlier one.
        by: String,
    },
    /// Another route has the same name.
    NameTaken {
        /// The name.
        name: String,
    },
    /// It is to answer a method that its handler does not implement.
    NotImplemented {
        /// The pattern.
        pattern: String,
        /// The method.
        method: Method,
    },
    /// It has a name, but its regular expression cannot be written backwards.
    Irreversible {
        /// The name.
        name: String,
        /// The pattern.
        pattern: String,
    },
}

impl Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(error) => error.fmt(f),
            Self::NeverReached { pattern, by } => {
                write!(
                    f,
                    "route `{pattern}` is never reached: `{by}` before it takes its paths"
                )
            }
            Self::NameTaken { name } => write!(f, "two routes are named `{name}`"),
            Self::NotImplemented { pattern, method } => write!(
                f,
                "route `{pattern}` cannot answer {method}: its handler does not implement it"
            ),
            Self::Irreversible { name, pattern } => write!(
                f,
                "route `{pattern}` cannot be reversed and so cannot have the name `{name}`: \
                 it is more than text and groups"
            ),
        }
    }
}

impl Error for RouteError {}

impl From<PatternError> for RouteError {
    fn from(error: PatternError) -> Self {
        Self::Pattern(error)
    }
}
