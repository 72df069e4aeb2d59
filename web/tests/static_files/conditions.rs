//! Conditional requests for files: what the client has is not sent again.

use std::time::{Duration, SystemTime};

use squall_web::StaticFiles;

use crate::site::{Folder, Site};

const TAG: &str = "\"63a36e950e134b5217e33c763e88840c\"";
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn site() -> (Folder, Site) {
    let folder = Folder::new();
    folder.write("robots.txt", "User-agent: *\nDisallow: /\n");
    let site = Site::new(StaticFiles::new(folder.path()));
    (folder, site)
}

#[track_caller]
fn check(site: &Site, fields: &str, status: u16) {
    let answer = site.ask("GET", "/static/robots.txt", fields);
    assert_eq!(answer.status, status, "{fields}: {answer:?}");
}

#[test]
fn a_file_has_a_tag_of_its_content_and_the_time_it_was_modified() {
    let (_folder, site) = site();
    let answer = site.get("/static/robots.txt");
    assert_eq!(answer.field("etag"), Some(TAG));
    assert_eq!(answer.field("last-modified"), Some(MODIFIED));
    assert_eq!(answer.field("accept-ranges"), Some("bytes"));
    assert_eq!(answer.field("content-length"), Some("26"));
}

/// RFC 9110 §15.4.5: with the fields that a cache updates, and none of the content's.
#[test]
fn a_304_has_validators_and_no_content() {
    let (_folder, site) = site();
    for fields in [
        format!("if-none-match: {TAG}\n"),
        format!("if-none-match: W/{TAG}\n"),
        "if-none-match: *\n".to_owned(),
        format!("if-none-match: \"x\", {TAG}\n"),
        format!("if-modified-since: {MODIFIED}\n"),
        format!("if-none-match: {TAG}\nrange: bytes=0-1\n"),
        format!("if-none-match: {TAG}\nif-modified-since: Fri, 01 Jan 1960 00:00:00 GMT\n"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = site.ask(method, "/static/robots.txt", &fields);
            assert_eq!((answer.status, &*answer.content), (304, ""), "{fields}");
            assert_eq!(answer.field("etag"), Some(TAG), "{fields}");
            assert_eq!(answer.field("last-modified"), Some(MODIFIED), "{fields}");
            assert_eq!(answer.field("content-type"), None, "{fields}");
            assert_eq!(answer.field("content-length"), None, "{fields}");
            assert_eq!(answer.field("content-range"), None, "{fields}");
        }
    }
}

#[test]
fn other_conditions_are_not_ignored_as_in_tornado() {
    let (_folder, site) = site();
    check(
        &site,
        "if-modified-since: Fri, 01 Jan 1960 00:00:00 GMT\n",
        200,
    );
    check(
        &site,
        &format!("if-none-match: \"x\"\nif-modified-since: {MODIFIED}\n"),
        200,
    );
    check(&site, &format!("if-match: {TAG}\n"), 200);
    check(&site, "if-match: \"x\"\n", 412);
    check(
        &site,
        "if-unmodified-since: Sat, 05 Nov 1994 08:49:37 GMT\n",
        412,
    );
    check(&site, &format!("if-unmodified-since: {MODIFIED}\n"), 200);
    check(&site, &format!("range: bytes=0-1\nif-range: {TAG}\n"), 206);
    check(
        &site,
        &format!("range: bytes=0-1\nif-range: {MODIFIED}\n"),
        206,
    );
    check(&site, "range: bytes=0-1\nif-range: \"x\"\n", 200);
}

/// §8.8.2.2: a time in a second that is not over tells nothing; nor do those that tools write who
/// want none.
#[test]
fn a_time_that_tells_nothing_is_not_told() {
    let folder = Folder::new();
    let (now, epoch) = (SystemTime::now(), SystemTime::UNIX_EPOCH);
    let site = Site::new(StaticFiles::new(folder.path()));
    for (name, modified) in [
        ("now", now),
        ("future", now + Duration::from_secs(3600)),
        ("epoch", epoch),
        ("nix", epoch + Duration::from_secs(1)),
        ("before", epoch - Duration::from_secs(86_400)),
    ] {
        folder.write_at(name, "content", modified);
        let answer = site.get(&format!("/static/{name}"));
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(answer.field("last-modified"), None, "{name}");
        assert!(answer.field("etag").is_some(), "{name}");
    }
}

#[test]
fn a_file_that_is_too_large_to_be_read_is_named_by_time_and_length() {
    let folder = Folder::new();
    folder.write("old", "0123456789");
    folder.write_at("new", "0123456789", SystemTime::now());
    let site = Site::new(
        StaticFiles::new(folder.path())
            .memory_file_bytes_max(4)
            .hash_bytes_max(9),
    );
    let answer = site.get("/static/old");
    assert_eq!(answer.field("etag"), Some("\"2ebc98a1.0-a\""));
    assert_eq!(answer.content, "0123456789");
    // While it may change in the same tick, it has no name.
    let answer = site.get("/static/new");
    assert_eq!(
        (answer.field("etag"), answer.field("last-modified")),
        (None, None)
    );
}
