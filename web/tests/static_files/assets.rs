//! Files that are part of the program are as those of a folder.

use squall_web::{Application, Asset, StaticFiles};

use crate::site::Site;

fn files() -> StaticFiles {
    StaticFiles::embedded([
        Asset::new("index.html", b"home"),
        Asset::new("docs/index.html", b"docs"),
        Asset::new("app.js", b"plain"),
        Asset::new("app.js.gz", b"gz"),
        Asset::new(".secret", b"secret"),
    ])
}

#[test]
fn assets_are_found_by_path_and_by_folder() {
    let site = Site::new(files());
    site.check("/static/", 200, "home");
    site.check("/static/app.js", 200, "plain");
    site.check("/static/docs/", 200, "docs");
    site.check("/static/docs/../app.js", 200, "plain");
    assert_eq!(
        site.get("/static/docs").field("location"),
        Some("/static/docs/")
    );
    site.check_refused("/static/nothing", 404);
    site.check_refused("/static/.secret", 404);
    site.check_refused("/static/../x", 403);
}

#[test]
fn assets_have_conditions_ranges_and_codings() {
    let site = Site::new(files().precompressed());
    let answer = site.ask("GET", "/static/app.js", "accept-encoding: gzip\n");
    assert_eq!(
        (&*answer.content, answer.field("content-encoding")),
        ("gz", Some("gzip"))
    );
    let answer = site.ask("GET", "/static/app.js", "range: bytes=1-2\n");
    assert_eq!((answer.status, &*answer.content), (206, "la"));
    let tag = answer.field("etag").unwrap().to_owned();
    let answer = site.ask("GET", "/static/app.js", &format!("if-none-match: {tag}\n"));
    assert_eq!(answer.status, 304);
    assert_eq!(answer.field("last-modified"), None);
}

#[test]
fn assets_have_urls_with_their_version() {
    let application = Application::new()
        .static_files("/assets/", files())
        .get("/", async |http| {
            http.write(http.static_url("app.js").await?)
        });
    let site = Site::of(application);
    let url = site.get("/").content;
    assert!(url.starts_with("/assets/app.js?v="), "{url}");
    let answer = site.get(&url);
    assert_eq!(
        answer.field("cache-control"),
        Some("max-age=31536000, immutable")
    );
}
