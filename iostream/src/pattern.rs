//! A regular expression that finds where a message ends, however its bytes arrive.
//!
//! It is compiled to a table (a deterministic automaton), because a table can stop after any byte
//! and go on with the next: a search that begins anew with each arrival costs the square of what
//! has arrived. So it is `regex-automata`, whose tables can be walked byte by byte, and not
//! `regex`, whose searches cannot be interrupted; without Unicode's classes and without its fast
//! scans, which leaves two crates and no others behind them. A table has a bound, and may be used
//! by any number of streams at once; one that is made while it is walked would need a cache for
//! each read.

use std::fmt;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};

/// The table takes at most this much, and so does the work of making it. Delimiters take some
/// kilobytes.
const TABLE_BYTES_MAX: usize = 1024 * 1024;

/// A regular expression over bytes, for
/// [`IoStream::read_until_regex`](crate::IoStream::read_until_regex). Make it once, and use it for
/// all streams.
///
/// The syntax is that of the `regex` crate, as for Python's patterns of bytes: `.` is any byte but
/// a line feed, `\d`, `\w` and `\s` are ASCII, other bytes are written `\xNN`.
///
/// What is found is the first place at which anything that the pattern describes is complete: the
/// shortest beginning of the input that has a match in it. So a repetition at the end takes as
/// little as it can (`\d+` is complete after one digit), and what is found depends on the bytes,
/// not on how they arrive. (Tornado searches whenever something has come, and its last repetition
/// takes as much as happens to be there.) Name what ends the message: `\d+\r\n`.
///
/// ```
/// use squall_iostream::Pattern;
///
/// let blank_line = Pattern::new(r"\r?\n\r?\n")?;
/// assert!(Pattern::new(r"\d*").unwrap_err().to_string().contains("nothing at all"));
/// # Ok::<(), squall_iostream::PatternError>(())
/// ```
pub struct Pattern {
    table: dense::DFA<Vec<u32>>,
    start: StateID,
    text: String,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`PatternError`] for bad syntax; for a pattern that nothing matches, and one that nothing
    /// at all is enough for; for one that asks what is around it (`^`, `$`, `\b`), since a stream
    /// has no lines and no end that could be looked at; and when the table would take more than
    /// a megabyte.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let parsed = syntax::parse_with(pattern, &syntax).map_err(PatternError::of)?;
        let properties = parsed.properties();
        if !properties.look_set().is_empty() {
            return Err(PatternError::of("it asks what is around it"));
        }
        match properties.minimum_len() {
            None => return Err(PatternError::of("nothing matches it")),
            Some(0) => return Err(PatternError::of("nothing at all matches it")),
            Some(_) => {}
        }
        let bytes_only = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(TABLE_BYTES_MAX));
        let compiled = thompson::Compiler::new()
            .configure(bytes_only)
            .build_from_hir(&parsed)
            .map_err(PatternError::of)?;
        let bounded = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(TABLE_BYTES_MAX))
            .determinize_size_limit(Some(TABLE_BYTES_MAX));
        let table = dense::Builder::new()
            .configure(bounded)
            .build_from_nfa(&compiled)
            .map_err(PatternError::of)?;
        let start = table
            .start_state(&start::Config::new())
            .map_err(PatternError::of)?;
        let text = pattern.to_owned();
        Ok(Self { table, start, text })
    }

    pub(crate) fn search(&self) -> Search<'_> {
        Search {
            pattern: self,
            state: self.start,
            searched: 0,
        }
    }
}

/// A search that has come as far as the input.
pub(crate) struct Search<'a> {
    pattern: &'a Pattern,
    state: StateID,
    searched: usize,
}

impl Search<'_> {
    /// Where the first match ends, if it is complete. `input` is that of the last call with more
    /// behind it, of which each byte is looked at once.
    pub(crate) fn find_end(&mut self, input: &[u8]) -> Option<usize> {
        let table = &self.pattern.table;
        for (at, byte) in input.iter().enumerate().skip(self.searched) {
            self.state = table.next_state(self.state, *byte);
            // The table tells of a match one byte late.
            if table.is_special_state(self.state) && table.is_match_state(self.state) {
                return Some(at);
            }
        }
        self.searched = input.len();
        // And so it is asked, without moving, about the last.
        let state_at_end = table.next_eoi_state(self.state);
        table.is_match_state(state_at_end).then_some(input.len())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

/// Why there is no [`Pattern`] of a text.
#[derive(Clone, Debug)]
pub struct PatternError {
    reason: String,
}

impl PatternError {
    fn of(reason: impl fmt::Display) -> Self {
        let reason = reason.to_string();
        Self { reason }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a pattern to read until: {}", self.reason)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Where the first match ends, in whatever pieces the input comes.
    fn check(pattern: &str, input: &[u8], expected: Option<usize>) {
        let pattern = Pattern::new(pattern).unwrap();
        assert_eq!(pattern.search().find_end(input), expected, "{pattern:?}");
        for cut in 0..=input.len() {
            let mut search = pattern.search();
            let first = search.find_end(&input[..cut]);
            let found = first.or_else(|| search.find_end(input));
            assert_eq!(found, expected, "{pattern:?} cut at {cut}");
        }
        let mut search = pattern.search();
        let found = (0..=input.len()).find_map(|end| search.find_end(&input[..end]));
        assert_eq!(found, expected, "{pattern:?} byte by byte");
    }

    #[test]
    fn a_pattern_ends_where_it_is_first_complete() {
        check(r"\r?\n\r?\n", b"a\r\nb\r\n\r\nc", Some(8));
        check(r"\r?\n\r?\n", b"a\n\nb\r\n\r\n", Some(3));
        check(r"\r?\n\r?\n", b"a\r\nb\r\n\r", None);
        check(r"\d+", b"x123", Some(2));
        check(r"\d+;", b"x123;", Some(5));
        check(r"abcd|b", b"abcd", Some(2));
        check(r"a.c", b"a\nc abc", Some(7));
        check(r"\xff\x00", b"\xff\xff\x00", Some(3));
        check("(?i)end", b"the eNd.", Some(7));
        check("x", b"", None);
    }

    #[test]
    fn a_pattern_finds_what_the_search_of_every_beginning_finds() {
        let texts = [r"ab+c", r"(ab|ba){2}", r"a[^b]b|ccc", r"(a|b)*c"];
        for text in texts {
            let pattern = Pattern::new(text).unwrap();
            // All inputs of seven bytes over three letters.
            for number in 0..3_usize.pow(7) {
                let input: Vec<u8> = (0..7)
                    .map(|digit| b"abc"[number / 3_usize.pow(digit) % 3])
                    .collect();
                let anew = |end: &usize| pattern.search().find_end(&input[..*end]) == Some(*end);
                let expected = (0..=7).find(anew);
                assert_eq!(pattern.search().find_end(&input), expected);
            }
        }
    }

    #[test]
    fn what_is_no_end_of_a_message_is_refused() {
        let refused = [
            ("(", "unclosed group"),
            ("", "nothing at all"),
            ("a*", "nothing at all"),
            ("^a", "around"),
            ("a$", "around"),
            (r"\ba", "around"),
            ("[a&&b]", "nothing matches"),
            ("(a|b)*a(a|b){20}", "exceeded"),
            ("(((a{100}){100}){100}){100}", "exceeded"),
        ];
        for (pattern, reason) in refused {
            let error = Pattern::new(pattern).unwrap_err().to_string();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }
}
