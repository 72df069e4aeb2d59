//! What a folder is answered with.

use std::fs;

use squall_web::{Application, Route, StaticFiles};

use crate::site::{Folder, Site};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("index.html", "home");
    folder.write("docs/index.html", "docs");
    folder.write("docs/a b?.txt", "odd");
    folder.write("plain/f.txt", "f");
    folder
}

#[test]
fn a_folder_is_its_default_file() {
    let folder = folder();
    let site = Site::new(StaticFiles::new(folder.path()));
    site.check("/static/", 200, "home");
    site.check("/static/docs/", 200, "docs");
    site.check("/static/docs/index.html", 200, "docs");
    site.check("/static/plain/..", 200, "home");
    // A folder that has none is not there (Tornado: 404), or refused where there are no defaults.
    site.check_refused("/static/plain/", 404);
    let site = Site::new(StaticFiles::new(folder.path()).default_filename("f.txt"));
    site.check("/static/plain/", 200, "f");
    let site = Site::new(StaticFiles::new(folder.path()).without_default_filename());
    site.check_refused("/static/docs/", 403);
    site.check_refused("/static/docs", 403);
}

#[test]
fn a_folder_without_its_slash_is_redirected_with_its_query() {
    let folder = folder();
    let site = Site::new(StaticFiles::new(folder.path()));
    for (target, location) in [
        ("/static/docs", "/static/docs/"),
        ("/static/docs?a=%0d%0a&b", "/static/docs/?a=%0d%0a&b"),
        ("/static/%64ocs", "/static/%64ocs/"),
        ("/static/plain", "/static/plain/"),
    ] {
        let answer = site.get(target);
        assert_eq!(answer.status, 301, "{target}");
        assert_eq!(answer.field("location"), Some(location), "{target}");
        let head = site.ask("HEAD", target, "");
        assert_eq!((head.status, head.field("location")), (301, Some(location)));
    }
}

#[test]
fn a_default_file_may_be_a_folder_or_missing() {
    let folder = Folder::new();
    folder.make("a/index.html");
    let site = Site::new(StaticFiles::new(folder.path()));
    site.check_refused("/static/a/", 403);
    site.check_refused("/static/", 404);
    fs::remove_dir(folder.path().join("a/index.html")).unwrap();
    site.check_refused("/static/a/", 404);
}

#[test]
fn a_listing_has_names_that_are_served_and_nothing_else() {
    let folder = folder();
    folder.write("list/b.txt", "");
    folder.write("list/<script>&\"'.txt", "");
    folder.write("list/javascript:alert(1)", "");
    folder.write("list/.hidden", "");
    folder.make("list/zoo");
    folder.link("list/link", "b.txt");
    let site = Site::new(StaticFiles::new(folder.path()).list_folders());
    let answer = site.get("/static/list/");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.field("content-type"),
        Some("text/html; charset=UTF-8")
    );
    let expected = "<ul><li><a href=\"../\">../</a></li>\
        <li><a href=\"./zoo/\">zoo/</a></li>\
        <li><a href=\"./%3Cscript%3E%26%22%27.txt\">&lt;script&gt;&amp;&quot;&#x27;.txt</a></li>\
        <li><a href=\"./b.txt\">b.txt</a></li>\
        <li><a href=\"./javascript%3Aalert%281%29\">javascript:alert(1)</a></li></ul>";
    assert!(answer.content.contains(expected), "{}", answer.content);
    assert!(answer.content.contains("<h1>/list/</h1>"));
    site.check("/static/list/%3Cscript%3E%26%22%27.txt", 200, "");
    assert_eq!(site.get("/static/list").status, 301);
    // A folder that has a page of its own shows that.
    site.check("/static/docs/", 200, "docs");
}

#[test]
fn one_file_has_a_route_of_its_own() {
    let folder = folder();
    let files = StaticFiles::new(folder.path());
    let application = Application::new()
        .static_files("/static/", files.clone())
        .add_route(Route::static_file(
            "/robots.txt",
            files.clone(),
            "plain/f.txt",
        ))
        .add_route(Route::static_file("/app/{page...}", files, "index.html"));
    let site = Site::of(application);
    site.check("/robots.txt", 200, "f");
    site.check("/app/", 200, "home");
    site.check("/app/any/page", 200, "home");
}

/// What the program names is a name, and what a client asks for the encoding of one.
#[test]
fn the_one_file_of_a_route_is_called_as_it_is_written() {
    let folder = folder();
    folder.write("100%41 é.txt", "percent");
    folder.write("100A é.txt", "A");
    let files = StaticFiles::new(folder.path());
    let route = |path: &str, name: &str| Route::static_file(path, files.clone(), name);
    let application = Application::new()
        .add_route(route("/one", "100%41 é.txt"))
        .add_route(route("/hidden", ".secret"))
        .add_route(route("/outside", "../f.txt"));
    let site = Site::of(application);
    site.check("/one", 200, "percent");
    site.check_refused("/hidden", 404);
    site.check_refused("/outside", 403);
}

#[test]
fn only_get_and_head_are_answered() {
    let folder = folder();
    let site = Site::new(StaticFiles::new(folder.path()));
    let answer = site.ask("POST", "/static/index.html", "");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.field("allow"), Some("GET, HEAD, OPTIONS"));
    let answer = site.ask("HEAD", "/static/index.html", "");
    assert_eq!((answer.status, &*answer.content), (200, ""));
    assert_eq!(answer.field("content-length"), Some("4"));
}
