//! From the path of a request to the name of a file below a folder, or to the reason why there is
//! none. Pure: it looks at the text alone. What the names lead to is `confine.rs`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why a path names nothing that may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathFault {
    /// It leads out of the folder, or was made to look as if it did not.
    Outside,
    /// There can be no such file.
    Missing,
}

/// Longer names there are none (`NAME_MAX` of Linux), so nobody need ask the system.
const NAME_BYTES_MAX: usize = 255;
/// The one hidden folder that is meant to be seen (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// The name, relative to the folder: no empty, `.` or `..` segments, and a `/` at its end if it
/// must be a folder. Empty for the folder itself.
///
/// - `..` is taken back in the text, as clients do (RFC 3986 §5.2.4), so that no link is followed
///   and left again; above the folder it is refused.
/// - What looks like an absolute name is refused, and so is an encoded `/`: a proxy that guards
///   `/private/` would not have seen it.
/// - A NUL, a name that is not UTF-8 or too long, and an empty segment name no file.
/// - Names that begin with a dot are hidden, unless `serves_hidden`.
pub(super) fn local_path(path: &str, serves_hidden: bool) -> Result<Cow<'_, str>, PathFault> {
    if is_plain(path) {
        return Ok(Cow::Borrowed(path));
    }
    let lower = path.to_ascii_lowercase();
    if path.starts_with('/') || lower.contains("%2f") {
        return Err(PathFault::Outside);
    }
    let decoded = percent_decode_str(path);
    let decoded = decoded.decode_utf8().map_err(|_| PathFault::Missing)?;
    let mut names: Vec<&str> = Vec::new();
    let mut is_folder = true;
    let mut segments = decoded.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        is_folder = true;
        match segment {
            "" if is_last => {}
            "" => return Err(PathFault::Missing),
            "." => {}
            ".." => drop(names.pop().ok_or(PathFault::Outside)?),
            name => {
                is_folder = false;
                names.push(name);
            }
        }
    }
    let is_refused = |name: &&str| {
        name.len() > NAME_BYTES_MAX
            || name.contains('\0')
            || (name.starts_with('.') && !serves_hidden && *name != WELL_KNOWN)
    };
    if names.iter().any(is_refused) {
        return Err(PathFault::Missing);
    }
    let mut local = names.join("/");
    if is_folder && !names.is_empty() {
        local.push('/');
    }
    Ok(local.into())
}

/// Whether nothing has to be done about a path: most are their own names. Letters, digits, `-`,
/// `_`, and dots and slashes within names.
fn is_plain(path: &str) -> bool {
    let mut before = b'/';
    for byte in path.bytes() {
        match byte {
            b'.' | b'/' if before == b'/' => return false,
            b'.' | b'/' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => before = byte,
            _ => return false,
        }
    }
    path.len() <= NAME_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Result<&str, PathFault>) {
        let found = local_path(path, false);
        assert_eq!(found.as_deref().map_err(|fault| *fault), expected, "{path}");
    }

    #[test]
    fn a_name_is_itself_or_what_its_encoding_says() {
        check("", Ok(""));
        check("a.txt", Ok("a.txt"));
        check("css/site.min.css", Ok("css/site.min.css"));
        check("dir/", Ok("dir/"));
        check("a%20b/%C3%A9", Ok("a b/é"));
        check("a%2Etxt", Ok("a.txt"));
        check("%252e", Ok("%2e"));
        check("a\\b", Ok("a\\b"));
        check("a:b", Ok("a:b"));
    }

    #[test]
    fn dots_are_taken_back_in_the_text() {
        check("dir/../f.txt", Ok("f.txt"));
        check("a/./b", Ok("a/b"));
        check("a/b/..", Ok("a/"));
        check("a/.", Ok("a/"));
        check("a/..", Ok(""));
        check(".", Ok(""));
    }

    #[test]
    fn above_the_folder_there_is_nothing() {
        for path in [
            "..",
            "../static_foo.txt",
            "%2e%2e",
            "%2E%2e/x",
            "..%2f",
            "..%2Fx",
            "a/../../b",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "//evil.com/../x",
            "a%2fb",
        ] {
            check(path, Err(PathFault::Outside));
        }
    }

    #[test]
    fn what_no_file_can_be_called_is_missing() {
        for path in ["%00", "a%00.txt", "a//b", "a//", "%ff", &"x".repeat(256)] {
            check(path, Err(PathFault::Missing));
        }
        check(&"x".repeat(255), Ok(&"x".repeat(255)));
    }

    #[test]
    fn names_that_begin_with_a_dot_are_hidden() {
        for path in [".git/config", "a/.env", "%2eenv", "...", "..a"] {
            check(path, Err(PathFault::Missing));
        }
        check(".well-known/acme", Ok(".well-known/acme"));
        assert_eq!(local_path(".git/config", true).unwrap(), ".git/config");
        assert_eq!(local_path("../x", true), Err(PathFault::Outside));
    }
}
