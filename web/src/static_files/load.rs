//! Looks up a name in a folder, and makes of what it finds something to answer with. All of this
//! blocks, and runs in the executor.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;
use rustix::io::Errno;

use super::confine::{self, OpenFault};
use super::encoding::Coding;
use super::entry::{ContentHash, Entry, Identity, is_hot, modified, name_by_time, with_tag};
use super::folder::Folder;
use super::listing;
use super::media_types::content_type;
use crate::representation::Representation;

/// What a name leads to.
pub(super) enum Found {
    File(Box<Loaded>),
    /// A folder that was not asked for as one: relative links in its page would lead elsewhere.
    Folder,
    /// A page with the names in a folder.
    Listing(String),
}

/// A file, and what has to be so for it to be still the same.
pub(super) struct Loaded {
    pub(super) entry: Entry,
    pub(super) proof: Proof,
}

/// What was on the disk: the file by its own name and by those of the codings.
pub(super) struct Proof {
    name: String,
    identities: Vec<Option<Identity>>,
    is_hot: bool,
}

/// Why a name leads to nothing that may be served.
#[derive(Debug)]
pub(super) enum LoadFault {
    Missing,
    Outside,
    /// A pipe, a device, or a folder that nobody may look into.
    NotAFile,
    System(io::Error),
}

impl From<OpenFault> for LoadFault {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Outside => Self::Outside,
            OpenFault::Missing => Self::Missing,
            // What Linux says of a socket, which cannot be opened.
            OpenFault::System(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => {
                Self::NotAFile
            }
            OpenFault::System(error) => Self::System(error),
        }
    }
}

impl From<io::Error> for LoadFault {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Looks up `name`, which [`local_path`](super::local_path::local_path) has made.
pub(super) fn load(folder: &Folder, name: &str) -> Result<Found, LoadFault> {
    let is_of_folder = name.is_empty() || name.ends_with('/');
    let file = confine::open(folder, name)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return load_folder(folder, name, is_of_folder);
    }
    if !metadata.is_file() {
        return Err(LoadFault::NotAFile);
    }
    if is_of_folder {
        return Err(LoadFault::Missing);
    }
    load_file(folder, name.to_owned(), file, &metadata)
}

fn load_folder(folder: &Folder, name: &str, is_asked_for: bool) -> Result<Found, LoadFault> {
    if !is_asked_for && (folder.default_filename.is_some() || folder.lists_folders) {
        return Ok(Found::Folder);
    }
    if let Some(default) = &folder.default_filename {
        let name = format!("{name}{default}");
        match confine::open(folder, &name) {
            Ok(file) => {
                let metadata = file.metadata()?;
                if !metadata.is_file() {
                    return Err(LoadFault::NotAFile);
                }
                return load_file(folder, name, file, &metadata);
            }
            Err(OpenFault::Missing) if folder.lists_folders => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    if folder.lists_folders {
        return Ok(Found::Listing(listing::page(folder, name)?));
    }
    Err(LoadFault::NotAFile)
}

fn load_file(
    folder: &Folder,
    name: String,
    file: File,
    metadata: &Metadata,
) -> Result<Found, LoadFault> {
    let now = SystemTime::now();
    let content_type = content_type(&name, &folder.fields.content_types);
    let mut is_hot = is_hot(metadata, now);
    let mut identities = vec![Some(Identity::of(metadata))];
    let (plain, version) = represent(folder, file, metadata, &content_type, now)?;
    let mut coded = Vec::new();
    for coding in codings(folder) {
        let found = open_coded(folder, &name, coding);
        identities.push(found.as_ref().map(|(_, metadata)| Identity::of(metadata)));
        if let Some((file, metadata)) = found {
            is_hot |= self::is_hot(&metadata, now);
            let (representation, _) = represent(folder, file, &metadata, &content_type, now)?;
            coded.push((coding, representation));
        }
    }
    Ok(Found::File(Box::new(Loaded {
        entry: Entry::new(plain, version, coded, &folder.fields),
        proof: Proof {
            name,
            identities,
            is_hot,
        },
    })))
}

fn codings(folder: &Folder) -> impl Iterator<Item = Coding> {
    let count = if folder.is_precompressed {
        Coding::ALL.len()
    } else {
        0
    };
    Coding::ALL.into_iter().take(count)
}

/// The compressed sibling of a file. One that cannot be had is none.
fn open_coded(folder: &Folder, name: &str, coding: Coding) -> Option<(File, Metadata)> {
    let file = confine::open(folder, &format!("{name}{}", coding.suffix())).ok()?;
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some((file, metadata))
}

/// A representation of one file, and the name of its content.
fn represent(
    folder: &Folder,
    file: File,
    metadata: &Metadata,
    content_type: &HeaderValue,
    now: SystemTime,
) -> Result<(Representation, Option<String>), LoadFault> {
    let bounds = &folder.bounds;
    let length = metadata.len();
    let (representation, version) = if length <= bounds.file_bytes_max {
        let content = read(file, length)?;
        let version = ContentHash::of(&content);
        (Representation::new(content), Some(version))
    } else {
        let version = if length <= bounds.hash_bytes_max {
            Some(hash(&file, length)?)
        } else {
            modified(metadata, now).map(|_| name_by_time(metadata))
        };
        (Representation::file(Arc::new(file), length), version)
    };
    let representation = representation.with_content_type(content_type.clone());
    let mut representation = with_tag(representation, version.as_deref());
    if let Some(time) = modified(metadata, now) {
        representation = representation.with_last_modified(time);
    }
    Ok((folder.fields.add_to(representation), version))
}

/// All of a small file; what it has grown by meanwhile will be seen the next time.
fn read(file: File, length: u64) -> io::Result<Bytes> {
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut content)?;
    Ok(content.into())
}

/// The name of a larger one. Its length is promised to clients, so it must not have shrunk.
fn hash(file: &File, length: u64) -> io::Result<String> {
    let mut hash = ContentHash::default();
    let mut piece = vec![0; 64 * 1024];
    let mut at = 0;
    while at < length {
        let wanted = piece
            .len()
            .min(usize::try_from(length - at).unwrap_or(usize::MAX));
        let read = match file.read_at(&mut piece[..wanted], at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hash.add(&piece[..read]);
        at += read as u64;
    }
    Ok(hash.finish())
}

impl Proof {
    /// Of a file that nobody looks for.
    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        Self {
            name: String::new(),
            identities: Vec::new(),
            is_hot: true,
        }
    }

    /// Whether all is as it was. A file that had just changed might have changed again without its
    /// times telling, and is loaded anew.
    pub(super) fn holds(&self, folder: &Folder) -> bool {
        if self.is_hot {
            return false;
        }
        let identity = |suffix: &str| {
            let file = confine::open(folder, &format!("{}{suffix}", self.name)).ok()?;
            let metadata = file.metadata().ok()?;
            metadata.is_file().then(|| Identity::of(&metadata))
        };
        let codings = codings(folder).map(Coding::suffix);
        std::iter::once("")
            .chain(codings)
            .map(identity)
            .eq(self.identities.iter().copied())
    }
}
