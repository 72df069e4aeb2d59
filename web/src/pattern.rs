//! Path patterns: which paths a route answers, which arguments they carry, and the way back.
//!
//! Two notations lead to one type. The template `/user/{id}` is the everyday one and lives in
//! `pattern/template.rs`; the regular expression, Tornado's own notation, in `pattern/regex.rs`.
//! Here is what both share: names, limits, and the choice between them. What a table of many
//! patterns needs (order, and speed that does not depend on their number) is `routing.rs`.
//!
//! A pattern is matched against the path *as it travelled*, still percent-encoded, so that an
//! encoded slash (`%2F`) can never be mistaken for one that separates segments.

mod error;
mod regex;
mod reverse;
mod template;

use std::fmt::{self, Display};

pub use error::{PatternError, PatternFault, ReverseError};

use self::regex::PathRegex;
pub(crate) use self::template::segment_end;
use self::template::{Part, Template};
use crate::captures::{Captures, PATH_ARGUMENTS_MAX};

/// Which paths a route answers (Tornado's `PathMatches`).
///
/// | written | answers | arguments |
/// |---|---|---|
/// | `/about` | exactly that | |
/// | `/user/{id}` | one segment, not empty | `id` |
/// | `/image/{name}.png` | part of a segment, not empty | `name` |
/// | `/range/{from}-{to}` | both; the first takes as much as it can | `from`, `to` |
/// | `/files/{path...}` | all that follows, slashes included, perhaps nothing | `path` |
///
/// A literal brace is doubled. Other text may be written as people read it: `/café` answers
/// `/caf%C3%A9`.
///
/// ```
/// use squall_web::Pattern;
///
/// let pattern = Pattern::new("/user/{id}")?;
/// assert!(pattern.matches("/user/42").is_some());
/// assert!(pattern.matches("/user/").is_none());
/// assert!(pattern.matches("/user/42/posts").is_none());
/// assert_eq!(pattern.reverse(&[&"a b/c"]).unwrap(), "/user/a%20b%2Fc");
/// # Ok::<(), squall_web::PatternError>(())
/// ```
#[derive(Debug)]
pub struct Pattern {
    source: Box<str>,
    names: Box<[Box<str>]>,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Template(Template),
    Regex(Box<PathRegex>),
}

impl Pattern {
    /// Reads a template such as `/user/{id}`.
    ///
    /// # Errors
    ///
    /// When the template is malformed; the error says where and how.
    pub fn new(template: &str) -> Result<Self, PatternError> {
        let fail = |fault| PatternError::new(template, fault);
        let (template_parsed, names) = Template::parse(template).map_err(fail)?;
        check_names(&names).map_err(fail)?;
        Ok(Self {
            source: template.into(),
            names: names.into(),
            matcher: Matcher::Template(template_parsed),
        })
    }

    /// Reads a regular expression, in the syntax of the `regex` crate without Unicode classes.
    ///
    /// It has to match the *whole* path, as in Tornado, and it sees the path's bytes as they
    /// travelled: ASCII, with everything else percent-encoded. A named group becomes an argument
    /// of that name; any other is named by its position, from `0`.
    ///
    /// ```
    /// use squall_web::Pattern;
    ///
    /// let pattern = Pattern::regex(r"/story/([0-9]+)(?:/(?P<page>[0-9]+))?")?;
    /// assert_eq!(pattern.names().collect::<Vec<_>>(), ["0", "page"]);
    /// assert!(pattern.matches("/story/7").is_some());
    /// assert!(pattern.matches("/story/7/x").is_none());
    /// # Ok::<(), squall_web::PatternError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the expression does not parse or has too many groups.
    pub fn regex(expression: &str) -> Result<Self, PatternError> {
        let fail = |fault| PatternError::new(expression, fault);
        let (regex, names) = PathRegex::parse(expression).map_err(fail)?;
        check_names(&names).map_err(fail)?;
        Ok(Self {
            source: expression.into(),
            names: names.into(),
            matcher: Matcher::Regex(Box::new(regex)),
        })
    }

    /// The arguments this pattern cuts out of `path`, or `None` when it does not answer it.
    ///
    /// `path` is the raw path of the request-target, without its query.
    #[must_use]
    pub fn matches(&self, path: &str) -> Option<Captures> {
        self.matches_bytes(path.as_bytes())
    }

    pub(crate) fn matches_bytes(&self, path: &[u8]) -> Option<Captures> {
        // Captures are pairs of u32. No head comes near that; a caller of this function might.
        if path.len() > u32::MAX as usize {
            return None;
        }
        match &self.matcher {
            Matcher::Template(template) => template.matches(path),
            Matcher::Regex(regex) => regex.matches(path),
        }
    }

    /// The path that leads here with these arguments (Tornado's `reverse`), percent-encoded.
    ///
    /// Arguments are given in the pattern's order. In a template a slash inside an argument is
    /// encoded, except in `{rest...}`; a regular expression keeps it, as Tornado does, since it
    /// cannot be told which groups are single segments.
    ///
    /// # Errors
    ///
    /// When their number is wrong, when one is empty that must not be, when the path would be
    /// read back as other arguments, or when the expression has no way back.
    pub fn reverse(&self, arguments: &[&dyn Display]) -> Result<String, ReverseError> {
        reverse::reverse(self, arguments)
    }

    /// The names of the arguments, in the pattern's order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// The position of the argument called `name`.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| **known == *name)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether [`Pattern::reverse`] can work at all: always for templates.
    #[must_use]
    pub fn is_reversible(&self) -> bool {
        match &self.matcher {
            Matcher::Template(_) => true,
            Matcher::Regex(regex) => regex.backward().is_some(),
        }
    }

    /// Whether every path `other` answers is answered by this pattern too, so that after this one
    /// `other` would never be reached. It may miss such a pair (of two expressions only equal ones
    /// are recognised) but never invents one.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (&self.matcher, &other.matcher) {
            (Matcher::Template(this), Matcher::Template(other)) => this.covers(other),
            (Matcher::Regex(this), Matcher::Template(other)) => other
                .literal()
                .is_some_and(|path| this.matches(path.as_bytes()).is_some()),
            (Matcher::Regex(_), Matcher::Regex(_)) => self.source == other.source,
            (Matcher::Template(_), Matcher::Regex(_)) => false,
        }
    }

    /// Whether both answer the same paths and give the arguments the same names: the condition for
    /// two routes to be the two methods of one address.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.names == other.names && self.covers(other) && other.covers(self)
    }

    /// What the route index may know of this pattern.
    pub(crate) fn approach(&self) -> Approach<'_> {
        match &self.matcher {
            Matcher::Template(template) => template.approach(),
            Matcher::Regex(regex) => Approach::Beyond(regex.prefix_segments()),
        }
    }
}

/// How one comes to a pattern, as far as that is certain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Approach<'a> {
    /// By exactly this path.
    Exactly(&'a str),
    /// By paths of exactly these segments.
    Through(Vec<Step<'a>>),
    /// By paths that begin with these segments.
    Beyond(Vec<Step<'a>>),
}

/// One segment on the way to a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Literal(&'a str),
    Any,
}

fn check_names(names: &[Box<str>]) -> Result<(), PatternFault> {
    if names.len() > PATH_ARGUMENTS_MAX {
        return Err(PatternFault::TooManyArguments { count: names.len() });
    }
    for (position, name) in names.iter().enumerate() {
        if names[..position].contains(name) {
            return Err(PatternFault::DuplicateName {
                name: name.to_string(),
            });
        }
    }
    Ok(())
}

impl Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// So that wherever a pattern is asked for, a template in quotes will do.
impl TryFrom<&str> for Pattern {
    type Error = PatternError;

    fn try_from(template: &str) -> Result<Self, PatternError> {
        Self::new(template)
    }
}

/// So that `Pattern::regex(…)` may be given without unwrapping it; what is wrong with it is told
/// where the route is added.
impl TryFrom<Result<Self, PatternError>> for Pattern {
    type Error = PatternError;

    fn try_from(pattern: Result<Self, PatternError>) -> Result<Self, PatternError> {
        pattern
    }
}
