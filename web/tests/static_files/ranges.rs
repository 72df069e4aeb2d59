//! Parts of files: from memory, and from the file itself.

use std::fmt::Write;

use squall_web::StaticFiles;

use crate::site::{Folder, Site};

const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// The same files in both ways.
fn sites(folder: &Folder) -> [Site; 2] {
    let in_memory = StaticFiles::new(folder.path());
    let by_file = StaticFiles::new(folder.path()).memory_file_bytes_max(0);
    [Site::new(in_memory), Site::new(by_file)]
}

#[test]
fn one_range_is_a_206_with_its_place() {
    let folder = Folder::new();
    folder.write("robots.txt", ROBOTS);
    for site in sites(&folder) {
        for (range, place, content) in [
            ("0-9", "0-9", "User-agent"),
            ("22-", "22-25", ": /\n"),
            ("-4", "22-25", ": /\n"),
            ("1-10000000", "1-25", &ROBOTS[1..]),
            ("0-", "0-25", ROBOTS),
            ("-1000000", "0-25", ROBOTS),
        ] {
            let field = format!("range: bytes={range}\n");
            let answer = site.ask("GET", "/static/robots.txt", &field);
            assert_eq!((answer.status, &*answer.content), (206, content), "{range}");
            let place = format!("bytes {place}/26");
            assert_eq!(answer.field("content-range"), Some(&*place), "{range}");
            let length = content.len().to_string();
            assert_eq!(answer.field("content-length"), Some(&*length), "{range}");
            assert_eq!(
                answer.field("content-type"),
                Some("text/plain; charset=utf-8")
            );
        }
    }
}

#[test]
fn a_range_that_is_not_there_is_a_416_with_the_length() {
    let folder = Folder::new();
    folder.write("robots.txt", ROBOTS);
    folder.write("empty", "");
    for site in sites(&folder) {
        for range in ["26-", "-0", "10-3"] {
            let field = format!("range: bytes={range}\n");
            let answer = site.ask("GET", "/static/robots.txt", &field);
            assert_eq!(answer.status, 416, "{range}");
            assert_eq!(answer.field("content-range"), Some("bytes */26"), "{range}");
            assert_eq!(answer.field("etag"), None, "{range}");
        }
        let answer = site.ask("GET", "/static/empty", "range: bytes=0-\n");
        assert_eq!(
            (answer.status, answer.field("content-range")),
            (416, Some("bytes */0"))
        );
        site.check("/static/empty", 200, "");
    }
}

#[test]
fn head_and_what_is_no_range_get_it_all() {
    let folder = Folder::new();
    folder.write("robots.txt", ROBOTS);
    for site in sites(&folder) {
        let answer = site.ask("GET", "/static/robots.txt", "range: asdf\n");
        assert_eq!((answer.status, &*answer.content), (200, ROBOTS));
        // RFC 9110 §14.2: only GET has ranges. Tornado sends the head of a 206.
        let answer = site.ask("HEAD", "/static/robots.txt", "range: bytes=0-9\n");
        assert_eq!((answer.status, &*answer.content), (200, ""));
        assert_eq!(answer.field("content-length"), Some("26"));
        assert_eq!(answer.field("content-range"), None);
    }
}

#[test]
fn rfc9110_14_6_several_ranges_are_parts_with_heads() {
    let folder = Folder::new();
    let numbers = (0..1000).fold(String::new(), |mut text, number| {
        let _ = write!(text, "{number:04}"); // a string takes everything
        text
    });
    folder.write("numbers.txt", &numbers);
    for site in sites(&folder) {
        let field = "range: bytes=400-407, 0-3, -4\n";
        let answer = site.ask("GET", "/static/numbers.txt", field);
        assert_eq!(answer.status, 206);
        assert_eq!(answer.field("content-range"), None);
        let content_type = answer.field("content-type").unwrap();
        let boundary = content_type
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        assert_eq!(boundary.len(), 32, "{boundary}");
        // The support has made line ends of one octet from those of two: count them again.
        let line_ends = answer.content.matches('\n').count();
        let length = (answer.content.len() + line_ends).to_string();
        assert_eq!(answer.field("content-length"), Some(&*length));
        let expected = [
            ("400-407", "01000101"),
            ("0-3", "0000"),
            ("3996-3999", "0999"),
        ]
        .map(|(place, content)| {
            format!(
                "\n--{boundary}\ncontent-type: text/plain; charset=utf-8\n\
                 content-range: bytes {place}/4000\n\n{content}"
            )
        });
        let expected = format!("{}\n--{boundary}--\n", expected.concat());
        assert_eq!(answer.content, expected);
        let again = site.ask("GET", "/static/numbers.txt", field);
        assert_ne!(
            again.field("content-type"),
            answer.field("content-type"),
            "it is guessed"
        );
    }
}

#[test]
fn a_thousand_ranges_are_no_range() {
    let folder = Folder::new();
    folder.write("robots.txt", ROBOTS);
    let ranges = vec!["0-0"; 1300].join(",");
    for site in sites(&folder) {
        let answer = site.ask(
            "GET",
            "/static/robots.txt",
            &format!("range: bytes={ranges}\n"),
        );
        assert_eq!((answer.status, &*answer.content), (200, ROBOTS));
    }
}
