//! Opens what a name leads to, and nothing outside of the folder, whatever links there are and
//! whoever changes them meanwhile.
//!
//! ```text
//!   openat2(BENEATH)  --- the system follows links, and stops at the first step outside
//!       |   |
//!       |   '-- not known to the system -->  one openat(NOFOLLOW) for each name
//!       |                                           |
//!    a step outside, or an absolute link         a link
//!       |                                           |
//!       '----------> the real path, if allowed <----'   opened again as above, without any link
//! ```
//!
//! A check of a path and an `open` of it are two calls, between which a link can change; so nothing
//! is opened by a path that was checked, but by names that are links no more, from a folder that is
//! held. All of this blocks, and runs in the executor.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::folder::{Folder, Symlinks};

/// Why nothing was opened.
#[derive(Debug)]
pub(super) enum OpenFault {
    /// It leads out of the folder, or to a link where there may be none.
    Outside,
    Missing,
    System(io::Error),
}

impl From<Errno> for OpenFault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => Self::Missing,
            errno => Self::System(errno.into()),
        }
    }
}

impl From<io::Error> for OpenFault {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            None => Self::System(error),
        }
    }
}

/// Opens `name`, which has no empty, `.` or `..` segments, for reading.
pub(super) fn open(folder: &Folder, name: &str) -> Result<File, OpenFault> {
    let name = match name.trim_end_matches('/') {
        "" => ".",
        name => name,
    };
    let opened = match folder.symlinks {
        Symlinks::Refused => open_without_links(&folder.root, name),
        Symlinks::Within => open_beneath(&folder.root, name),
    };
    match opened {
        Ok(file) => Ok(file),
        Err(Beneath::Left) if folder.symlinks == Symlinks::Within => open_real(folder, name),
        Err(Beneath::Left) => Err(OpenFault::Outside),
        Err(Beneath::Fault(fault)) => Err(fault),
    }
}

/// Why nothing was opened beneath a folder.
enum Beneath {
    /// A link leads out of it, or perhaps does.
    Left,
    Fault(OpenFault),
}

impl From<Errno> for Beneath {
    fn from(errno: Errno) -> Self {
        Self::Fault(errno.into())
    }
}

/// By the real path, which may be absolute links away. Who has once left the folder is not told
/// whether anything is there.
fn open_real(folder: &Folder, name: &str) -> Result<File, OpenFault> {
    let real = fs::canonicalize(folder.root.join(name)).map_err(|_| OpenFault::Outside)?;
    let allowed = std::iter::once(&folder.root).chain(&folder.links_into);
    let allowed = allowed.filter_map(|root| fs::canonicalize(root).ok());
    for root in allowed {
        let Some(rest) = real.strip_prefix(&root).ok().and_then(Path::to_str) else {
            continue;
        };
        let rest = if rest.is_empty() { "." } else { rest };
        return open_without_links(&root, rest).map_err(|_| OpenFault::Outside);
    }
    Err(OpenFault::Outside)
}

/// How files are opened. Without `NONBLOCK`, opening a pipe would wait for who writes to it.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Folders on the way are only passed through, for which their owner need not let us read them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

fn open_root(root: &Path) -> Result<OwnedFd, Beneath> {
    Ok(rustix::fs::open(root, FOLDER, Mode::empty())?)
}

/// Follows links as long as they stay beneath `root`.
fn open_beneath(root: &Path, name: &str) -> Result<File, Beneath> {
    let root = open_root(root)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(opened) = system::open(&root, name, system::Links::Beneath) {
        return opened;
    }
    walk(root, name)
}

/// Follows no link.
fn open_without_links(root: &Path, name: &str) -> Result<File, Beneath> {
    let root = open_root(root)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(opened) = system::open(&root, name, system::Links::None) {
        return opened;
    }
    walk(root, name)
}

/// Name by name, and none of them a link.
fn walk(root: OwnedFd, name: &str) -> Result<File, Beneath> {
    let mut folder = root;
    let mut names = name.split('/').peekable();
    while let Some(name) = names.next() {
        let is_last = names.peek().is_none();
        let flags = if is_last { FLAGS } else { FOLDER };
        match openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(file) if is_last => return Ok(File::from(file)),
            Ok(file) => folder = file,
            // Systems differ in what they say of a link.
            Err(_) if is_link(&folder, name) => return Err(Beneath::Left),
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::NOENT.into())
}

fn is_link(folder: &impl AsFd, name: &str) -> bool {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    //! `openat2(2)`, of Linux 5.6.

    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::fs::{Mode, ResolveFlags, openat2};
    use rustix::io::Errno;

    use super::{Beneath, FLAGS};

    /// Which links are followed.
    #[derive(Clone, Copy)]
    pub(super) enum Links {
        None,
        Beneath,
    }

    /// How often it is tried again while the folder is being renamed into. Each try is a whole
    /// resolution, so a few are many.
    const TRIES: u32 = 8;

    /// `None` where the system has no such call: it is older, or a sandbox hides it.
    pub(super) fn open(root: &OwnedFd, name: &str, links: Links) -> Option<Result<File, Beneath>> {
        static IS_MISSING: AtomicBool = AtomicBool::new(false);
        if IS_MISSING.load(Ordering::Relaxed) {
            return None;
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let resolve = match links {
            Links::None => resolve | ResolveFlags::NO_SYMLINKS,
            Links::Beneath => resolve,
        };
        for _ in 0..TRIES {
            return Some(match openat2(root, name, FLAGS, Mode::empty(), resolve) {
                Ok(file) => Ok(File::from(file)),
                // Someone renames something on the way, and it was seen neither here nor there.
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(Errno::XDEV | Errno::LOOP) => Err(Beneath::Left),
                Err(Errno::NOSYS | Errno::PERM) => {
                    IS_MISSING.store(true, Ordering::Relaxed);
                    return None;
                }
                Err(errno) => Err(errno.into()),
            });
        }
        Some(Err(Errno::AGAIN.into()))
    }
}

#[cfg(test)]
mod tests;
