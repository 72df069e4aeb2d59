//! What an answer says of its content: type, coding, and the application's own fields.

use squall_web::{HeaderValue, StaticFiles, header};

use crate::site::{Folder, Site};

#[test]
fn a_file_has_the_type_of_its_name_and_no_other() {
    let folder = Folder::new();
    folder.write("a.html", "<p>");
    folder.write("a.JS", "1");
    folder.write("a.png", "\u{1}");
    folder.write("LICENSE", "<html>");
    let site = Site::new(StaticFiles::new(folder.path()));
    for (name, expected) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.JS", "text/javascript; charset=utf-8"),
        ("a.png", "image/png"),
        ("LICENSE", "application/octet-stream"),
    ] {
        let answer = site.get(&format!("/static/{name}"));
        assert_eq!(answer.field("content-type"), Some(expected), "{name}");
        assert_eq!(
            answer.field("x-content-type-options"),
            Some("nosniff"),
            "{name}"
        );
    }
}

#[test]
fn the_application_may_say_more() {
    let folder = Folder::new();
    folder.write("a.md", "#");
    let files = StaticFiles::new(folder.path())
        .content_type(
            "MD",
            HeaderValue::from_static("text/markdown; charset=utf-8"),
        )
        .field(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox"),
        )
        .max_age(std::time::Duration::from_secs(60));
    let answer = Site::new(files).get("/static/a.md");
    assert_eq!(
        answer.field("content-type"),
        Some("text/markdown; charset=utf-8")
    );
    assert_eq!(answer.field("content-security-policy"), Some("sandbox"));
    assert_eq!(answer.field("cache-control"), Some("max-age=60"));
}

#[test]
fn what_the_application_says_of_caches_holds_for_all_urls_of_a_file() {
    let folder = compressed();
    let files = || StaticFiles::new(folder.path()).precompressed();
    let plain = Site::new(files()).get("/static/a.css");
    let version = plain.field("etag").unwrap().replace('"', "");
    let said = |own: StaticFiles| {
        let target = format!("/static/a.css?v={version}");
        let answer = Site::new(own).ask("GET", &target, "accept-encoding: br\n");
        let field = |name: &str| answer.field(name).unwrap().to_owned();
        (field("cache-control"), field("vary"))
    };
    let (cache_control, vary) = said(files().max_age(std::time::Duration::from_secs(60)));
    assert_eq!(cache_control, "max-age=31536000, immutable");
    assert_eq!(vary, "accept-encoding");
    let own = files()
        .field(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .field(header::VARY, HeaderValue::from_static("cookie"));
    assert_eq!(
        said(own),
        ("no-store".to_owned(), "cookie, accept-encoding".to_owned())
    );
}

/// Siblings of a file, each with a text that tells which it is.
fn compressed() -> Folder {
    let folder = Folder::new();
    for (name, content) in [
        ("a.css", "plain"),
        ("a.css.br", "br"),
        ("a.css.gz", "gz"),
        ("b.css", "alone"),
    ] {
        folder.write(name, content);
    }
    folder
}

#[test]
fn who_accepts_a_coding_gets_the_file_that_has_it() {
    let folder = compressed();
    let site = Site::new(StaticFiles::new(folder.path()).precompressed());
    for (accept, content, coding) in [
        ("", "plain", None),
        ("accept-encoding: gzip, br\n", "br", Some("br")),
        ("accept-encoding: gzip\n", "gz", Some("gzip")),
        ("accept-encoding: zstd\n", "plain", None),
        ("accept-encoding: br;q=0, gzip;q=0.1\n", "gz", Some("gzip")),
        ("accept-encoding: identity\n", "plain", None),
    ] {
        // The second time it comes from memory.
        for _ in 0..2 {
            let answer = site.ask("GET", "/static/a.css", accept);
            assert_eq!(
                (answer.status, &*answer.content),
                (200, content),
                "{accept}"
            );
            assert_eq!(answer.field("content-encoding"), coding, "{accept}");
            assert_eq!(
                answer.field("content-type"),
                Some("text/css; charset=utf-8")
            );
            assert_eq!(answer.field("vary"), Some("accept-encoding"), "{accept}");
        }
    }
}

#[test]
fn each_coding_is_a_representation_with_its_own_tag_and_ranges() {
    let folder = compressed();
    let site = Site::new(StaticFiles::new(folder.path()).precompressed());
    let plain = site.get("/static/a.css");
    let coded = site.ask("GET", "/static/a.css", "accept-encoding: br\n");
    let (plain, coded) = (plain.field("etag").unwrap(), coded.field("etag").unwrap());
    assert_ne!(plain, coded);
    let ask = |tag: &str| {
        let fields = format!("accept-encoding: br\nif-none-match: {tag}\n");
        site.ask("GET", "/static/a.css", &fields)
    };
    assert_eq!(ask(plain).status, 200);
    let answer = ask(coded);
    assert_eq!(answer.status, 304);
    assert_eq!(answer.field("vary"), Some("accept-encoding"));
    assert_eq!(answer.field("content-encoding"), None);
    let answer = site.ask(
        "GET",
        "/static/a.css",
        "accept-encoding: br\nrange: bytes=1-\n",
    );
    assert_eq!((answer.status, &*answer.content), (206, "r"));
    assert_eq!(answer.field("content-range"), Some("bytes 1-1/2"));
}

/// The field would be said of what surrounds the parts as well, and a client decode that.
#[test]
fn several_ranges_of_what_is_coded_are_all_of_it() {
    let folder = Folder::new();
    folder.write("a.css", "plain");
    folder.write("a.css.br", "b".repeat(1000));
    for files in [
        StaticFiles::new(folder.path()),
        StaticFiles::new(folder.path()).memory_file_bytes_max(0),
    ] {
        let answer = Site::new(files.precompressed()).ask(
            "GET",
            "/static/a.css",
            "accept-encoding: br\nrange: bytes=0-0, -1\n",
        );
        assert_eq!((answer.status, answer.content.len()), (200, 1000));
        assert_eq!(answer.field("content-encoding"), Some("br"));
        assert_eq!(
            answer.field("content-type"),
            Some("text/css; charset=utf-8")
        );
    }
}

#[test]
fn a_file_without_siblings_does_not_vary() {
    let folder = compressed();
    let site = Site::new(StaticFiles::new(folder.path()).precompressed());
    let answer = site.ask("GET", "/static/b.css", "accept-encoding: br\n");
    assert_eq!((&*answer.content, answer.field("vary")), ("alone", None));
    // And who does not ask for them to be looked for has none.
    let site = Site::new(StaticFiles::new(folder.path()));
    let answer = site.ask("GET", "/static/a.css", "accept-encoding: br\n");
    assert_eq!((&*answer.content, answer.field("vary")), ("plain", None));
}

#[test]
fn a_sibling_outside_of_the_folder_is_none() {
    let folder = Folder::new();
    folder.write("static/a.css", "plain");
    folder.write("secret", "secret");
    folder.link("static/a.css.br", "../secret");
    folder.make("static/a.css.gz");
    let files = StaticFiles::new(folder.path().join("static")).precompressed();
    let answer = Site::new(files).ask("GET", "/static/a.css", "accept-encoding: br, gzip\n");
    assert_eq!((answer.status, &*answer.content), (200, "plain"));
}
