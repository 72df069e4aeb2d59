//! A folder of files, an application that serves it, and what a client hears of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use squall_web::{Application, StaticFiles};

use crate::support::{Crlf, World, logs};

/// When all files were last modified: Sun, 06 Nov 1994 08:49:37 GMT.
pub(crate) const MODIFIED: u64 = 784_111_777;

/// Below the system's folder for such things; gone when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("squall-static-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and the folders it is in.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.write_at(
            name,
            content,
            SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED),
        )
    }

    pub(crate) fn write_at(
        &self,
        name: &str,
        content: impl AsRef<[u8]>,
        modified: SystemTime,
    ) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        path
    }

    pub(crate) fn make(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn link(&self, name: &str, target: impl AsRef<Path>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in a folder that the system empties.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An answer, in its parts; names of fields are in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) content: String,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        Some(fields.find(|(known, _)| *known == name)?.1)
    }
}

/// A server of static files.
pub(crate) struct Site {
    pub(crate) world: World,
}

impl Site {
    /// Serves these files at `/static/`.
    pub(crate) fn new(files: StaticFiles) -> Self {
        Self::of(Application::new().static_files("/static/", files))
    }

    pub(crate) fn of(application: Application) -> Self {
        Self {
            world: World::new(application.into_service()),
        }
    }

    pub(crate) fn ask(&self, method: &str, target: &str, fields: &str) -> Answer {
        let request = format!("{method} {target} HTTP/1.1\nhost: a\nconnection: close\n{fields}\n");
        let text = self.world.talk(request.crlf()).text;
        let (head, content) = text.split_once("\n\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_owned(),
            content: content.to_owned(),
        }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "")
    }

    /// Asks, and compares status and content.
    #[track_caller]
    pub(crate) fn check(&self, target: &str, status: u16, content: &str) {
        let answer = self.get(target);
        assert_eq!(
            (answer.status, &*answer.content),
            (status, content),
            "{target}"
        );
    }

    /// Asks for what is not served, and compares the status. Who is refused is told nothing.
    #[track_caller]
    pub(crate) fn check_refused(&self, target: &str, status: u16) {
        let answer = self.get(target);
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert!(
            answer.content.starts_with("<html><title>"),
            "{target}: {answer:?}"
        );
        assert_eq!(answer.field("location"), None, "{target}");
        let expected = "the request was refused";
        for line in logs::take() {
            assert!(
                line.contains(expected) && line.contains("static folder"),
                "{line}"
            );
        }
    }

    /// Lets time pass, so that files are looked at again.
    pub(crate) fn pass(&self, time: Duration) {
        self.world.run(squall_ioloop::sleep(time));
    }
}
