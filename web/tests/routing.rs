//! The route table: order is precedence, and mistakes are found while it is built.
#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use squall_web::{Pattern, RouteError, Router};

fn table(templates: &[&str]) -> Router<String> {
    let mut router = Router::new();
    for template in templates {
        router
            .add(
                Pattern::new(template).unwrap(),
                (*template).to_owned(),
                None,
            )
            .unwrap();
    }
    router
}

fn check_found(router: &Router<String>, path: &str, expected: Option<&str>) {
    assert_eq!(
        router.find(path).map(|found| found.target.as_str()),
        expected,
        "{path}"
    );
}

#[test]
fn the_first_matching_route_wins() {
    let router = table(&["/user/me", "/user/{id}", "/{kind}/{id}", "/{path...}"]);
    check_found(&router, "/user/me", Some("/user/me"));
    check_found(&router, "/user/42", Some("/user/{id}"));
    check_found(&router, "/story/42", Some("/{kind}/{id}"));
    check_found(&router, "/story/42/comments", Some("/{path...}"));
    check_found(&router, "/", Some("/{path...}"));
}

#[test]
fn an_earlier_general_route_wins_over_a_later_special_one() {
    let router = table(&["/{kind}/new", "/user/{id}", "/{kind}/{id}"]);
    check_found(&router, "/user/new", Some("/{kind}/new"));
    check_found(&router, "/user/7", Some("/user/{id}"));
    check_found(&router, "/story/7", Some("/{kind}/{id}"));
}

#[test]
fn a_way_that_ends_nowhere_does_not_hide_another() {
    let router = table(&["/a/b/c", "/a/{x}/d", "/{x}/b/e", "/a/{rest...}"]);
    check_found(&router, "/a/b/c", Some("/a/b/c"));
    check_found(&router, "/a/b/d", Some("/a/{x}/d"));
    check_found(&router, "/a/b/e", Some("/{x}/b/e"));
    check_found(&router, "/a/b/f", Some("/a/{rest...}"));
    check_found(&router, "/b/b/f", None);
}

#[test]
fn expressions_keep_their_place_in_the_order() {
    let mut router = Router::new();
    router
        .add(Pattern::regex("/user/([0-9]+)").unwrap(), "number", None)
        .unwrap();
    router
        .add(Pattern::new("/user/{name}").unwrap(), "name", None)
        .unwrap();
    router
        .add(Pattern::regex("/user/.*").unwrap(), "anything", None)
        .unwrap();
    router
        .add(Pattern::regex(".*").unwrap(), "everything", None)
        .unwrap();
    let found = |path| router.find(path).map(|found| *found.target);
    assert_eq!(found("/user/42"), Some("number"));
    assert_eq!(found("/user/ann"), Some("name"));
    assert_eq!(found("/user/ann/x"), Some("anything"));
    assert_eq!(found("/users"), Some("everything"));
    assert_eq!(found("*"), Some("everything"));
}

#[test]
fn what_is_no_path_finds_nothing() {
    let router = table(&["/", "/{a}", "/x/{rest...}"]);
    for path in ["", "*", "x", "http://example.com/", "/x/y/../z\0/"] {
        let expected = path.starts_with("/x/").then_some("/x/{rest...}");
        check_found(&router, path, expected);
    }
}

#[test]
fn the_found_route_tells_its_place_and_its_captures() {
    let router = table(&["/", "/user/{id}"]);
    let found = router.find("/user/42").unwrap();
    assert_eq!(found.position, 1);
    assert_eq!(found.captures.range(0), Some(6..8));
    assert_eq!(router.pattern(1).unwrap().as_str(), "/user/{id}");
}

fn check_refused(before: &[&str], refused: &str) {
    let mut router = table(before);
    let error = router
        .add(Pattern::new(refused).unwrap(), String::new(), None)
        .unwrap_err();
    let by = before.last().unwrap();
    assert_eq!(
        error.to_string(),
        format!("route `{refused}` is never reached: `{by}` before it takes its paths")
    );
}

#[test]
fn a_route_that_is_never_reached_is_refused() {
    check_refused(&["/a"], "/a");
    check_refused(&["/user/{id}"], "/user/{name}");
    check_refused(&["/user/{id}"], "/user/me");
    check_refused(&["/user/{id}"], "/user/{name}.png");
    check_refused(&["/{a}.{b}"], "/{name}.png");
    check_refused(&["/{rest...}"], "/");
    check_refused(&["/{rest...}"], "/a/{b}");
    check_refused(&["/{rest...}"], "/a/{more...}");
    check_refused(&["/{a}/{rest...}"], "/files/{path...}");
}

#[test]
fn a_route_that_can_be_reached_is_not() {
    table(&["/user/me", "/user/{id}"]);
    table(&["/{name}.png", "/{name}"]);
    table(&["/{a}/{b}", "/{rest...}"]);
    table(&["/{a}/{rest...}", "/{rest...}"]);
    table(&["/a/{rest...}", "/a", "/{a}/b"]);
    table(&["/{a}-{b}", "/{a}.{b}"]);
}

#[test]
fn an_expression_hides_text_and_itself_but_proves_nothing_else() {
    let mut router = Router::new();
    router
        .add(Pattern::regex("/user/.+").unwrap(), (), None)
        .unwrap();
    let mut add = |pattern: Pattern| router.add(pattern, (), None);
    assert!(matches!(
        add(Pattern::new("/user/me").unwrap()),
        Err(RouteError::NeverReached { .. })
    ));
    assert!(matches!(
        add(Pattern::regex("/user/.+").unwrap()),
        Err(RouteError::NeverReached { .. })
    ));
    assert!(add(Pattern::new("/user/{id}").unwrap()).is_ok());
}

#[test]
fn names_are_unique_and_lead_back() {
    let mut router = Router::new();
    let user = || Pattern::new("/user/{id}").unwrap();
    router.add(user(), (), Some("user")).unwrap();
    assert_eq!(router.reverse_url("user", &[&42]).unwrap(), "/user/42");
    let taken = router
        .add(Pattern::new("/u/{id}").unwrap(), (), Some("user"))
        .unwrap_err();
    assert_eq!(taken.to_string(), "two routes are named `user`");
    let unknown = router.reverse_url("usr", &[]).unwrap_err();
    assert_eq!(unknown.to_string(), "no route is named `usr`");
}

#[test]
fn a_name_for_what_has_no_way_back_is_refused() {
    let mut router = Router::new();
    let error = router
        .add(Pattern::regex("/a/?").unwrap(), (), Some("a"))
        .unwrap_err();
    assert!(matches!(error, RouteError::Irreversible { .. }));
    assert!(router.find("/a").is_none(), "nothing was added");
    router
        .add(Pattern::regex("/a/?").unwrap(), (), None)
        .unwrap();
}

/// The index against its naive twin: trying every pattern in order.
#[test]
fn the_index_finds_what_trying_one_by_one_would_find() {
    const SEGMENTS: [&str; 7] = ["a", "b", "{x}", "{x}.a", "b{x}", "", "{x...}"];
    const WORDS: [&str; 8] = ["a", "b", "c", "c.a", "bb", "", "b.a", "ba/c"];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = move |from: &[&'static str]| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        from[(random >> 33) as usize % from.len()]
    };
    for _ in 0..300 {
        let mut router = Router::new();
        let mut twins = Vec::new();
        for _ in 0..12 {
            let names = ["{x", "{y", "{z"];
            let parts = names.map(|name| pick(&SEGMENTS).replace("{x", name));
            let length = pick(&["1", "22", "333"]).len();
            let template = format!("/{}", parts[..length].join("/"));
            let Ok(pattern) = Pattern::new(&template) else {
                continue;
            };
            let twin = Pattern::new(&template).unwrap();
            if router.add(pattern, twins.len(), None).is_ok() {
                twins.push(twin);
            }
        }
        for _ in 0..60 {
            let length = pick(&["1", "22", "333", "4444"]).len();
            let words: Vec<_> = (0..length).map(|_| pick(&WORDS)).collect();
            let path = format!("/{}", words.join("/"));
            let expected = twins.iter().position(|twin| twin.matches(&path).is_some());
            let found = router.find(&path);
            assert_eq!(
                found.as_ref().map(|found| found.position),
                expected,
                "{path} {twins:?}"
            );
            if let Some(found) = found {
                assert_eq!(Some(found.captures), twins[found.position].matches(&path));
            }
        }
    }
}
