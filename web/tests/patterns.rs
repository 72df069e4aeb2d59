//! What a path pattern answers, what it refuses to be, and the way back.
#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use squall_web::{Pattern, PatternFault, ReverseError};

/// The arguments `pattern` cuts out of `path`, joined by commas; `None` when it does not answer.
fn cut(pattern: &Pattern, path: &str) -> Option<String> {
    let captures = pattern.matches(path)?;
    let arguments = (0..captures.len()).map(|position| &path[captures.range(position).unwrap()]);
    Some(arguments.collect::<Vec<_>>().join(","))
}

fn check_template(template: &str, path: &str, expected: Option<&str>) {
    let pattern = Pattern::new(template).unwrap();
    assert_eq!(
        cut(&pattern, path).as_deref(),
        expected,
        "{template} on {path}"
    );
}

fn check_regex(expression: &str, path: &str, expected: Option<&str>) {
    let pattern = Pattern::regex(expression).unwrap();
    assert_eq!(
        cut(&pattern, path).as_deref(),
        expected,
        "{expression} on {path}"
    );
}

fn check_fault(template: &str, expected: PatternFault, message: &str) {
    let error = Pattern::new(template).unwrap_err();
    assert_eq!(*error.fault(), expected, "{template}");
    assert_eq!(
        error.to_string(),
        format!("path pattern `{template}`: {message}")
    );
}

#[test]
fn text_answers_exactly_itself() {
    check_template("/", "/", Some(""));
    check_template("/", "", None);
    check_template("/", "//", None);
    check_template("/about", "/about", Some(""));
    check_template("/about", "/about/", None);
    check_template("/about", "/abouts", None);
    check_template("/about/", "/about/", Some(""));
    check_template("/a//b", "/a//b", Some(""));
    check_template("/About", "/about", None);
}

#[test]
fn an_argument_is_one_segment_and_not_empty() {
    check_template("/user/{id}", "/user/42", Some("42"));
    check_template("/user/{id}", "/user/", None);
    check_template("/user/{id}", "/user", None);
    check_template("/user/{id}", "/user/42/", None);
    check_template("/user/{id}/", "/user/42/", Some("42"));
    check_template("/user/{id}/", "/user/42", None);
    check_template("/{a}", "/x", Some("x"));
    check_template("/{a}", "/", None);
    check_template("/{a}/{b}", "/x/y", Some("x,y"));
    check_template("/{a}/{b}", "/x//", None);
    check_template("/user/{id}/posts/{post}", "/user/1/posts/2", Some("1,2"));
    check_template("/user/{id}/posts/{post}", "/user/1/post/2", None);
}

#[test]
fn an_encoded_slash_does_not_separate_segments() {
    check_template("/user/{id}", "/user/a%2Fb", Some("a%2Fb"));
}

#[test]
fn an_argument_may_be_part_of_a_segment() {
    check_template("/image/{name}.png", "/image/a.png", Some("a"));
    check_template("/image/{name}.png", "/image/a.png.png", Some("a.png"));
    check_template("/image/{name}.png", "/image/.png", None);
    check_template("/image/{name}.png", "/image/a.jpg", None);
    check_template("/image/{name}.png", "/image/a/b.png", None);
    check_template("/image/{name}.png/big", "/image/a.png/big", Some("a"));
    check_template("/v{version}", "/v2", Some("2"));
    check_template("/v{version}", "/v", None);
    check_template("/v{major}.{minor}/x", "/v1.2/x", Some("1,2"));
    check_template("/@{user}", "/@ann", Some("ann"));
}

#[test]
fn of_several_arguments_in_a_segment_the_first_takes_the_most() {
    check_template("/{a}-{b}", "/x-y", Some("x,y"));
    check_template("/{a}-{b}", "/x-y-z", Some("x-y,z"));
    check_template("/{a}-{b}", "/x--", Some("x,-"));
    check_template("/{a}-{b}", "/x-", None);
    check_template("/{a}-{b}", "/-x", None);
    check_template("/{a}-{b}", "/--", None);
    check_template("/{a}-{b}", "/---", Some("-,-"));
    check_template("/{a}-{b}.{c}", "/1-2-3.4.5", Some("1-2,3.4,5"));
    check_template("/{a}aa{b}", "/xaaaay", Some("xaa,y"));
}

#[test]
fn the_rest_is_everything_that_follows() {
    check_template("/files/{path...}", "/files/a/b/c.txt", Some("a/b/c.txt"));
    check_template("/files/{path...}", "/files/", Some(""));
    check_template("/files/{path...}", "/files", None);
    check_template("/files/{path...}", "/filesystem", None);
    check_template("/{path...}", "/", Some(""));
    check_template("/{path...}", "//evil.example/x", Some("/evil.example/x"));
    check_template("/{user}/files/{path...}", "/ann/files/a/b", Some("ann,a/b"));
}

#[test]
fn text_is_encoded_as_it_travels_and_doubled_braces_are_text() {
    check_template("/café", "/caf%C3%A9", Some(""));
    check_template("/a b", "/a%20b", Some(""));
    check_template("/a%20b", "/a%20b", Some(""));
    check_template("/{{x}}", "/%7Bx%7D", Some(""));
    check_template("/{{{x}}}", "/%7B1%7D", Some("1"));
}

#[test]
fn a_malformed_template_says_what_is_wrong_and_where() {
    check_fault("", PatternFault::NoLeadingSlash, "a path begins with `/`");
    check_fault(
        "user",
        PatternFault::NoLeadingSlash,
        "a path begins with `/`",
    );
    check_fault("*", PatternFault::NoLeadingSlash, "a path begins with `/`");
    check_fault(
        "/a/{id",
        PatternFault::UnclosedBrace { at: 3 },
        "the brace at 3 is never closed",
    );
    check_fault(
        "/a/{x/y}",
        PatternFault::UnclosedBrace { at: 3 },
        "the brace at 3 is never closed",
    );
    check_fault(
        "/a}",
        PatternFault::UnopenedBrace { at: 2 },
        "the brace at 2 was never opened (write `}}` for a literal one)",
    );
    check_fault(
        "/{id}/{id}",
        PatternFault::DuplicateName { name: "id".into() },
        "two arguments are called `id`",
    );
    check_fault(
        "/{a}{b}",
        PatternFault::AdjacentArguments { name: "b".into() },
        "nothing separates `{b}` from the argument before it",
    );
    check_fault(
        "/{path...}/x",
        PatternFault::RestNotLast {
            name: "path".into(),
        },
        "`{path...}` must be the whole last segment",
    );
    check_fault(
        "/x{path...}",
        PatternFault::RestNotLast {
            name: "path".into(),
        },
        "`{path...}` must be the whole last segment",
    );
    check_fault(
        "/search?q={q}",
        PatternFault::NotInAPath { found: '?' },
        "`?` ends a path; a pattern cannot contain it",
    );
    check_fault(
        "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}",
        PatternFault::TooManyArguments { count: 9 },
        "9 arguments, of at most 8",
    );
    for name in ["", "0", "a-b", "id:int", "...", "é", " id"] {
        let error = Pattern::new(&format!("/{{{name}}}")).unwrap_err();
        assert_eq!(*error.fault(), PatternFault::BadName { name: name.into() });
    }
}

#[test]
fn eight_arguments_are_captured() {
    check_template(
        "/{a}/{b}/{c}/{d}/{e}/{f}/{g}.{h}",
        "/1/2/3/4/5/6/7.8",
        Some("1,2,3,4,5,6,7,8"),
    );
}

#[test]
fn an_expression_matches_the_whole_path() {
    check_regex("/story/([0-9]+)", "/story/42", Some("42"));
    check_regex("/story/([0-9]+)", "/story/42x", None);
    check_regex("/story/([0-9]+)", "x/story/42", None);
    check_regex("^/story/([0-9]+)$", "/story/42", Some("42"));
    check_regex("/a|/b", "/a", Some(""));
    check_regex("/a|/b", "/ab", None);
    check_regex("/a|/b", "x/b", None);
    check_regex(".*", "", Some(""));
    check_regex("/a.c", "/abc", Some(""));
    check_regex(r"/a\.c", "/abc", None);
    check_regex("(?i)/about", "/ABOUT", Some(""));
}

#[test]
fn an_optional_group_that_takes_no_part_is_empty() {
    check_regex("/a(?:/([0-9]+))?", "/a/7", Some("7"));
    check_regex("/a(?:/([0-9]+))?", "/a", Some(""));
}

#[test]
fn groups_are_named_or_numbered() {
    let pattern = Pattern::regex("/(?P<year>[0-9]{4})/([a-z]+)/(?<day>[0-9]+)").unwrap();
    assert_eq!(pattern.names().collect::<Vec<_>>(), ["year", "1", "day"]);
    assert_eq!(pattern.position("day"), Some(2));
    assert_eq!(cut(&pattern, "/2026/may/1").as_deref(), Some("2026,may,1"));
}

#[test]
fn a_malformed_expression_says_so() {
    let error = Pattern::regex("/a(").unwrap_err();
    assert!(matches!(error.fault(), PatternFault::Regex { .. }));
    assert!(error.to_string().contains("unclosed group"), "{error}");
}

#[test]
fn a_path_that_is_not_ascii_is_no_danger() {
    check_template("/{a}", "/é", Some("é"));
    let pattern = Pattern::regex("/(.)(.)").unwrap();
    // The two halves of one character: positions in the bytes of the path.
    let captures = pattern.matches("/é").unwrap();
    assert_eq!(
        (captures.range(0), captures.range(1)),
        (Some(1..2), Some(2..3))
    );
}

fn reversed(pattern: &Pattern, arguments: &[&str]) -> Result<String, ReverseError> {
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| argument as &dyn std::fmt::Display)
        .collect();
    pattern.reverse(&arguments)
}

fn check_reverse(template: &str, arguments: &[&str], expected: Result<&str, ReverseError>) {
    let pattern = Pattern::new(template).unwrap();
    let expected = expected.map(str::to_owned);
    assert_eq!(
        reversed(&pattern, arguments),
        expected,
        "{template} {arguments:?}"
    );
}

fn check_reverse_regex(expression: &str, arguments: &[&str], expected: Result<&str, ReverseError>) {
    let pattern = Pattern::regex(expression).unwrap();
    let expected = expected.map(str::to_owned);
    assert_eq!(
        reversed(&pattern, arguments),
        expected,
        "{expression} {arguments:?}"
    );
}

#[test]
fn a_template_is_written_with_its_arguments_encoded() {
    check_reverse("/about", &[], Ok("/about"));
    check_reverse("/café", &[], Ok("/caf%C3%A9"));
    check_reverse("/user/{id}", &["42"], Ok("/user/42"));
    check_reverse(
        "/user/{id}",
        &["x y/é?#%"],
        Ok("/user/x%20y%2F%C3%A9%3F%23%25"),
    );
    check_reverse("/user/{id}/posts/{n}/", &["a", "1"], Ok("/user/a/posts/1/"));
    check_reverse("/image/{name}.png", &["a.b"], Ok("/image/a.b.png"));
    check_reverse("/{a}-{b}", &["x-y", "z"], Ok("/x-y-z"));
    check_reverse("/files/{path...}", &["a b/c"], Ok("/files/a%20b/c"));
    check_reverse("/files/{path...}", &[""], Ok("/files/"));
}

#[test]
fn a_path_that_would_not_lead_back_is_refused() {
    let empty = |name: &str| Err(ReverseError::EmptyArgument { name: name.into() });
    check_reverse("/user/{id}", &[""], empty("id"));
    check_reverse("/image/{name}.png", &[""], empty("name"));
    check_reverse("/{a}-{b}", &["", "x"], empty("a"));
    check_reverse("/{a}-{b}", &["x", "y-z"], Err(ReverseError::Ambiguous));
    check_reverse("/user/{id}", &[".."], Err(ReverseError::DotSegment));
    check_reverse("/user/{id}", &["."], Err(ReverseError::DotSegment));
    check_reverse("/user/{id}", &["..."], Ok("/user/..."));
    check_reverse(
        "/files/{path...}",
        &["../secret"],
        Err(ReverseError::DotSegment),
    );
    let count = |expected, given| Err(ReverseError::ArgumentCount { expected, given });
    check_reverse("/user/{id}", &[], count(1, 0));
    check_reverse("/user/{id}", &["1", "2"], count(1, 2));
}

#[test]
fn an_expression_of_text_and_groups_is_written_as_tornado_writes_it() {
    check_reverse_regex(r"^/a/(\w+)$", &["x y/é"], Ok("/a/x%20y/%C3%A9"));
    check_reverse_regex(r"/a/(\w+)/b/([0-9]{2})", &["x", "12"], Ok("/a/x/b/12"));
    check_reverse_regex(r"/a\.txt", &[], Ok("/a.txt"));
    check_reverse_regex(r"/(?P<id>x|y)", &["x"], Ok("/x"));
    check_reverse_regex(r"(.*)", &["/a"], Ok("/a"));
}

#[test]
fn other_expressions_have_no_way_back() {
    for expression in [
        "/a/?",
        "/a|/b",
        "/a(?:b)?",
        "/[ab]",
        "/((a)b)",
        "(?i)/a",
        "/a(?:/(b))",
    ] {
        let pattern = Pattern::regex(expression).unwrap();
        let arguments = vec!["x"; pattern.names().len()];
        let expected = if expression == "/a(?:/(b))" {
            // A group that captures nothing and is not optional is only punctuation.
            Ok("/a/x".to_owned())
        } else {
            Err(ReverseError::Irreversible)
        };
        assert_eq!(reversed(&pattern, &arguments), expected, "{expression}");
    }
}
