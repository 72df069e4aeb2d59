//! What a loop knows of files: for how long, how much, and how many look at once.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use squall_web::{Application, StaticFiles};

use crate::site::{Folder, MODIFIED, Site};
use crate::support::Crlf;

/// How many times the executor was asked to look.
fn looks(site: &Site) -> u64 {
    site.world.ioloop.executor().metrics().finished
}

#[test]
fn within_a_second_nobody_looks_again() {
    let folder = Folder::new();
    folder.write("small", "small");
    folder.write("large", "l".repeat(100_000));
    let site = Site::new(StaticFiles::new(folder.path()));
    for name in ["small", "large"] {
        let target = format!("/static/{name}");
        let content = site.get(&target).content;
        let before = looks(&site);
        for _ in 0..5 {
            site.check(&target, 200, &content);
            assert_eq!(site.ask("HEAD", &target, "").status, 200);
            assert_eq!(site.ask("GET", &target, "range: bytes=0-0\n").status, 206);
        }
        // Other spellings of the name are the same name.
        site.check(
            &format!("/static/./%{:02x}{}", name.as_bytes()[0], &name[1..]),
            200,
            &content,
        );
        assert_eq!(looks(&site), before, "{name}");
        site.pass(Duration::from_secs(1));
        site.check(&target, 200, &content);
        assert_eq!(looks(&site), before + 1, "{name}");
    }
}

#[test]
fn what_has_changed_is_seen_after_that_second() {
    let folder = Folder::new();
    let site = Site::new(StaticFiles::new(folder.path()).memory_file_bytes_max(8));
    for (name, first, second) in [
        ("small", "first", "other"),
        ("large", "a first text", "some other text"),
        ("grown", "little", "much more than that"),
        ("shrunk", "much more than that", "little"),
    ] {
        let target = format!("/static/{name}");
        folder.write(name, first);
        site.check(&target, 200, first);
        // By renaming and with the old time, as tools do that copy times.
        let file = folder.write("new", second);
        fs::rename(file, folder.path().join(name)).unwrap();
        site.check(&target, 200, first);
        site.pass(Duration::from_secs(1));
        site.check(&target, 200, second);
        fs::remove_file(folder.path().join(name)).unwrap();
        site.pass(Duration::from_secs(1));
        site.check_refused(&target, 404);
        folder.write(name, first);
        site.check(&target, 200, first);
    }
}

#[test]
fn a_sibling_that_comes_or_goes_is_seen() {
    let folder = Folder::new();
    folder.write("a.css", "plain");
    let site = Site::new(StaticFiles::new(folder.path()).precompressed());
    let content = || {
        site.ask("GET", "/static/a.css", "accept-encoding: gzip\n")
            .content
    };
    assert_eq!(content(), "plain");
    let sibling = folder.write("a.css.gz", "gz");
    site.pass(Duration::from_secs(1));
    assert_eq!(content(), "gz");
    fs::remove_file(sibling).unwrap();
    site.pass(Duration::from_secs(1));
    assert_eq!(content(), "plain");
}

#[test]
fn many_who_wait_for_one_file_wait_for_one_look() {
    let folder = Folder::new();
    folder.write("f.txt", "content");
    let site = Site::new(StaticFiles::new(folder.path()));
    let request = "GET /static/f.txt HTTP/1.1\nhost: a\nconnection: close\n\n".crlf();
    let mut peers: Vec<_> = (0..20).map(|_| site.world.connect()).collect();
    for peer in &mut peers {
        peer.write(request.as_bytes()).unwrap();
    }
    // One that leaves does not take the answer away from the others.
    drop(peers.remove(0));
    for peer in &mut peers {
        let heard = site.world.run(site.world.listen(peer));
        assert!(heard.text.ends_with("\n\ncontent"), "{heard:?}");
    }
    assert_eq!(looks(&site), 1);
    site.world.assert_well();
}

#[test]
fn what_is_not_there_is_not_remembered() {
    let folder = Folder::new();
    let site = Site::new(StaticFiles::new(folder.path()));
    site.check_refused("/static/f.txt", 404);
    folder.write("f.txt", "now");
    site.check("/static/f.txt", 200, "now");
}

#[test]
fn memory_and_open_files_are_bounded() {
    let folder = Folder::new();
    for number in 0..20 {
        folder.write(&format!("{number}"), "s".repeat(1000));
        folder.write(&format!("large{number}"), "l".repeat(5000));
    }
    let files = StaticFiles::new(folder.path())
        .memory_file_bytes_max(4000)
        .memory_bytes_max(50_000)
        .open_files_max(4);
    let site = Site::new(files);
    for _ in 0..3 {
        for number in 0..20 {
            assert_eq!(site.get(&format!("/static/{number}")).content.len(), 1000);
            assert_eq!(
                site.get(&format!("/static/large{number}")).content.len(),
                5000
            );
        }
    }
    assert!(open_files_below(folder.path().to_owned()) <= 4);
}

/// How many descriptors of this process lead into a folder.
fn open_files_below(folder: PathBuf) -> usize {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return 0; // not a system that tells
    };
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(&folder)).count()
}

/// Serves a page with the URL of a file.
fn site_with_urls(folder: &Folder) -> Site {
    let application = Application::new()
        .static_files("/static/", StaticFiles::new(folder.path()))
        .get("/url/{path...}", async |http| {
            let path = http.path_argument("path")?;
            http.write(http.static_url(&path).await?)
        });
    Site::of(application)
}

#[test]
fn a_url_with_the_version_may_be_kept_for_ever() {
    let folder = Folder::new();
    folder.write("a b.css", "");
    let site = site_with_urls(&folder);
    let url = "/static/a%20b.css?v=cf83e1357eefb8bdf1542850d66d8007";
    site.check("/url/a%20b.css", 200, url);
    let answer = site.get(url);
    assert_eq!(
        answer.field("cache-control"),
        Some("max-age=31536000, immutable")
    );
    // A cache must not believe that of the file as it was, or will be.
    for target in [
        "/static/a%20b.css",
        "/static/a%20b.css?v=other",
        "/static/a%20b.css?v=",
    ] {
        let answer = site.get(target);
        assert_eq!(
            (answer.status, answer.field("cache-control")),
            (200, None),
            "{target}"
        );
    }
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED + 1);
    folder.write_at("a b.css", "User-agent: *\nDisallow: /\n", modified);
    site.pass(Duration::from_secs(1));
    let url = "/static/a%20b.css?v=63a36e950e134b5217e33c763e88840c";
    site.check("/url/a%20b.css", 200, url);
}

#[test]
fn a_url_of_what_is_not_there_has_no_version_and_one_outside_is_refused() {
    let folder = Folder::new();
    folder.make("folder");
    let site = site_with_urls(&folder);
    site.check("/url/nothing.css", 200, "/static/nothing.css");
    site.check("/url/folder", 200, "/static/folder");
    site.check_refused("/url/%2e%2e/x", 403);
}

#[test]
fn time_may_be_given_for_looking_or_none() {
    let folder = Folder::new();
    folder.write("f", "first");
    let files = StaticFiles::new(folder.path());
    let never = Site::new(files.clone().revalidate_after(Duration::from_secs(3600)));
    let always = Site::new(files.revalidate_after(Duration::ZERO));
    for site in [&never, &always] {
        site.check("/static/f", 200, "first");
    }
    folder.write("f", "other");
    always.check("/static/f", 200, "other");
    never.pass(Duration::from_secs(3599));
    never.check("/static/f", 200, "first");
}
