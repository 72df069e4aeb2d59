//! Nothing outside of the folder is served, whatever is asked for and whatever links there are.

use std::fs;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use squall_web::StaticFiles;

use crate::site::{Folder, Site};

/// A folder to serve, with a secret beside it.
fn nested() -> (Folder, std::path::PathBuf) {
    let folder = Folder::new();
    folder.write("static/f.txt", "here");
    folder.write("static/dir/f.txt", "below");
    folder.write("static_foo.txt", "secret");
    folder.write("outside/f.txt", "secret");
    let root = folder.path().join("static");
    (folder, root)
}

#[test]
fn paths_that_lead_out_are_refused() {
    let (_folder, root) = nested();
    let site = Site::new(StaticFiles::new(&root));
    site.check("/static/f.txt", 200, "here");
    site.check("/static/dir/../f.txt", 200, "here");
    let absolute = root.join("f.txt");
    for target in [
        "/static/..",
        "/static/../static_foo.txt",
        "/static/%2e%2e/static_foo.txt",
        "/static/%2E%2E/static_foo.txt",
        "/static/.%2e/static_foo.txt",
        "/static/..%2fstatic_foo.txt",
        "/static/..%2Fstatic_foo.txt",
        "/static/dir/../../static_foo.txt",
        "/static/dir%2f..%2f..%2fstatic_foo.txt",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        &format!("/static/{}", absolute.display()),
    ] {
        site.check_refused(target, 403);
    }
    for target in [
        "/static/%252e%252e/static_foo.txt",
        "/static/..\\static_foo.txt",
        "/static/dir\\..\\..\\static_foo.txt",
        "/static/..%5cstatic_foo.txt",
        "/static/%00",
        "/static/f.txt%00",
        "/static/f.txt%00.png",
        "/static/%ff",
        "/static/%c0%ae%c0%ae/static_foo.txt",
        "/static/.../f.txt",
        "/static/dir//f.txt",
        "/static/f.txt/",
        "/static/f.txt/x",
        &format!("/static/{}", "x".repeat(300)),
        &format!("/static/{}f.txt", "dir/".repeat(1500)),
    ] {
        site.check_refused(target, 404);
    }
}

/// CVE-2023-28370 and its successor: a browser takes such a path for another host's.
#[test]
fn redirects_lead_to_this_host() {
    let (folder, _) = nested();
    folder.write("static/dir/index.html", "index");
    let root = folder.path().join("static");
    let site = Site::of(squall_web::Application::new().static_files("/", StaticFiles::new(root)));
    site.check("/f.txt", 200, "here");
    let answer = site.get("/dir");
    assert_eq!(
        (answer.status, answer.field("location")),
        (301, Some("/dir/"))
    );
    for target in [
        "//evil.com/../dir",
        "//evil.com/..%2fdir",
        "/\\evil.com/../dir",
        "//dir",
    ] {
        let answer = site.get(target);
        assert!(
            matches!(answer.status, 403 | 404 | 400),
            "{target}: {answer:?}"
        );
        assert_eq!(answer.field("location"), None, "{target}");
    }
    crate::support::logs::take();
}

#[test]
fn links_are_followed_as_long_as_they_end_in_the_folder() {
    let (folder, root) = nested();
    folder.link("static/in", "dir/f.txt");
    folder.link("static/in-absolute", root.join("dir/f.txt"));
    folder.link("static/in-folder", "dir");
    folder.link("static/round", "../static/dir/f.txt");
    folder.link("static/chain", "in-folder/f.txt");
    folder.link("static/dangling", "nothing");
    folder.link("static/out", "../outside/f.txt");
    folder.link("static/out-absolute", folder.path().join("outside/f.txt"));
    folder.link("static/out-missing", "../outside/nothing");
    folder.link("static/out-folder", "../outside");
    folder.link("static/sub/index.html", "../../outside/f.txt");
    folder.link("static/loop", "loop");
    let site = Site::new(StaticFiles::new(&root));
    for name in ["in", "in-absolute", "in-folder/f.txt", "round", "chain"] {
        site.check(&format!("/static/{name}"), 200, "below");
    }
    site.check_refused("/static/dangling", 404);
    // Whether there is something outside is not told either.
    for name in [
        "out",
        "out-absolute",
        "out-missing",
        "out-folder/f.txt",
        "out-folder/nothing",
        "out-folder/",
        "sub/",
        "loop",
    ] {
        site.check_refused(&format!("/static/{name}"), 403);
    }

    let site = Site::new(StaticFiles::new(&root).refuse_symlinks());
    site.check("/static/dir/f.txt", 200, "below");
    for name in [
        "in",
        "in-absolute",
        "in-folder/f.txt",
        "out",
        "dangling",
        "loop",
    ] {
        site.check_refused(&format!("/static/{name}"), 403);
    }

    let allowed = folder.path().join("outside");
    let site = Site::new(StaticFiles::new(&root).allow_symlinks_into(allowed));
    for name in ["out", "out-absolute", "out-folder/f.txt", "sub/"] {
        site.check(&format!("/static/{name}"), 200, "secret");
    }
    site.check("/static/in-absolute", 200, "below");
    site.check_refused("/static/out-missing", 403);
}

#[test]
fn the_folder_itself_may_be_a_link_that_is_changed() {
    let folder = Folder::new();
    folder.write("1/f.txt", "first");
    folder.write("2/f.txt", "second");
    folder.link("current", "1");
    let files = StaticFiles::new(folder.path().join("current")).refuse_symlinks();
    let site = Site::new(files);
    site.check("/static/f.txt", 200, "first");
    folder.link("next", "2");
    fs::rename(folder.path().join("next"), folder.path().join("current")).unwrap();
    site.pass(std::time::Duration::from_secs(1));
    site.check("/static/f.txt", 200, "second");
}

#[test]
fn only_files_are_served() {
    let folder = Folder::new();
    folder.make("empty");
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let _listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    let site = Site::new(StaticFiles::new(folder.path()).without_default_filename());
    // Without a word, and without waiting for somebody who writes to the pipe.
    for name in ["pipe", "socket", "empty", "empty/", ""] {
        site.check_refused(&format!("/static/{name}"), 403);
    }
}

#[test]
fn hidden_files_are_served_where_that_is_wanted() {
    let folder = Folder::new();
    folder.write(".git/config", "secret");
    folder.write("a/.env", "secret");
    folder.write(".well-known/security.txt", "contact");
    let site = Site::new(StaticFiles::new(folder.path()));
    for name in [
        ".git/config",
        "a/.env",
        "%2egit/config",
        "a/..%2f.git/config",
    ] {
        let answer = site.get(&format!("/static/{name}"));
        assert!(matches!(answer.status, 403 | 404), "{name}: {answer:?}");
    }
    crate::support::logs::take();
    site.check("/static/.well-known/security.txt", 200, "contact");
    let site = Site::new(StaticFiles::new(folder.path()).serve_hidden_files());
    site.check("/static/.git/config", 200, "secret");
}

/// While a name changes between a file and a link out of the folder, it is the file that is served,
/// or nothing.
#[test]
fn a_link_that_is_changed_meanwhile_leads_nowhere() {
    let folder = Folder::new();
    folder.write("static/dir/f.txt", "here");
    folder.write("outside/f.txt", "secret");
    let root = folder.path().join("static");
    folder.link("static/out", "../outside");
    let is_over = AtomicBool::new(false);
    let files = StaticFiles::new(&root).revalidate_after(std::time::Duration::ZERO);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (dir, out, kept) = (root.join("dir"), root.join("out"), root.join("kept"));
            while !is_over.load(Ordering::Relaxed) {
                fs::rename(&dir, &kept).unwrap();
                fs::rename(&out, &dir).unwrap();
                fs::rename(&dir, &out).unwrap();
                fs::rename(&kept, &dir).unwrap();
            }
        });
        let _stop = Stop(&is_over);
        let site = Site::new(files);
        for _ in 0..300 {
            let answer = site.get("/static/dir/f.txt");
            assert!(!answer.content.contains("secret"), "{answer:?}");
        }
        crate::support::logs::take();
    });
}

/// Ends the other thread, also when this one fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
