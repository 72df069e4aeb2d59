//! A file as it is served: its representations, one for each coding there is, and what it was on
//! the disk, so that a look can tell whether it still is that.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderValue};
use sha2::{Digest, Sha512};
use squall_http1::RequestHead;

use super::encoding::{Coding, choose};
use super::folder::Fields;
use crate::conditional::EntityTag;
use crate::representation::Representation;

/// A file, ready to be answered with. Made in the executor, so that what is made once for many
/// requests takes no time of the loop.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Without a coding, and for URLs with the version of it in them.
    plain: Representation,
    plain_versioned: Option<Representation>,
    /// The same for each coding.
    coded: Vec<(Coding, Representation, Option<Representation>)>,
    codings: Vec<Coding>,
    /// What names the content of the file, as `v` of a URL does.
    version: Option<String>,
}

/// A year, which is as long as RFC 9111 lets a cache believe in; Tornado says ten.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");

impl Entry {
    pub(super) fn new(
        plain: Representation,
        version: Option<String>,
        coded: Vec<(Coding, Representation)>,
        fields: &Fields,
    ) -> Self {
        let has_codings = !coded.is_empty();
        // Who has an opinion of its own, `private` or `no-store`, has it of all URLs.
        let is_versioned = version.is_some() && fields.own(&header::CACHE_CONTROL).is_none();
        let finish = |representation: Representation| {
            let mut whole = representation.with_field(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
            if has_codings {
                whole = whole.with_field(header::VARY, vary(fields.own(&header::VARY)));
            }
            let versioned =
                is_versioned.then(|| whole.clone().with_field(header::CACHE_CONTROL, IMMUTABLE));
            (whole, versioned)
        };
        let codings = coded.iter().map(|(coding, _)| *coding).collect();
        let (plain, plain_versioned) = finish(plain);
        let coded = coded.into_iter().map(|(coding, representation)| {
            let value = coding.value();
            let representation = representation.with_field(header::CONTENT_ENCODING, value);
            let (representation, versioned) = finish(representation);
            (coding, representation, versioned)
        });
        let coded = coded.collect();
        Self {
            plain,
            plain_versioned,
            coded,
            codings,
            version,
        }
    }

    /// What `?v=` is to be.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The representation that a request is to get.
    pub(super) fn select(&self, head: &RequestHead) -> &Representation {
        let (plain, versioned) = self
            .coded(head)
            .unwrap_or((&self.plain, &self.plain_versioned));
        match versioned {
            Some(versioned) if self.is_asked_for_by_version(head) => versioned,
            _ => plain,
        }
    }

    fn coded(&self, head: &RequestHead) -> Option<(&Representation, &Option<Representation>)> {
        if self.codings.is_empty() {
            return None;
        }
        let chosen = choose(head, &self.codings)?;
        let mut coded = self.coded.iter();
        let (_, plain, versioned) = coded.find(|(coding, ..)| *coding == chosen)?;
        Some((plain, versioned))
    }

    /// Whether the query names the version that this is. Of another version nobody may believe that
    /// this is it for ever: during an update, new pages ask servers that have the old file.
    fn is_asked_for_by_version(&self, head: &RequestHead) -> bool {
        let (Some(query), Some(version)) = (head.query(), &self.version) else {
            return false;
        };
        query
            .split('&')
            .any(|argument| argument.strip_prefix("v=") == Some(version))
    }

    pub(super) fn representations(&self) -> impl Iterator<Item = &Representation> {
        let coded = self.coded.iter().map(|(_, plain, _)| plain);
        std::iter::once(&self.plain).chain(coded)
    }
}

/// `Vary` of a file that has codings, beside what else the application says that it varies by.
fn vary(own: Option<&HeaderValue>) -> HeaderValue {
    match own {
        None => ACCEPT_ENCODING,
        Some(own) => {
            let both = [own.as_bytes(), b", ", ACCEPT_ENCODING.as_bytes()].concat();
            // Two values and a comma are a value.
            HeaderValue::try_from(both).unwrap_or(ACCEPT_ENCODING)
        }
    }
}

/// Which file it was, and in what state: who writes to a file, or puts another in its place,
/// changes one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// For how long after a change another one might bear the same time: HTTP's times are seconds, and
/// a file system's are ticks of its clock.
const HOT: Duration = Duration::from_secs(2);

/// When a file was last modified, if that says anything: `None` while it may still be written to in
/// the same second, and where the time is one that tools write who want none (0 and 1, as in the
/// store of Nix), for it will not change when the file does.
pub(super) fn modified(metadata: &Metadata, now: SystemTime) -> Option<SystemTime> {
    let modified = metadata.modified().ok()?;
    let since_1970 = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let is_over = now.duration_since(modified).is_ok_and(|age| age >= HOT);
    (since_1970.as_secs() > 1 && is_over).then_some(modified)
}

/// Whether a file has changed so lately that it may change again without looking different.
pub(super) fn is_hot(metadata: &Metadata, now: SystemTime) -> bool {
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    // The later one: the first can be set by whoever writes.
    metadata.mtime().max(metadata.ctime()) > now - HOT.as_secs() as i64
}

/// The name of a content: the first 32 digits of what Tornado has, which are 128 bits of SHA-512.
#[derive(Default)]
pub(super) struct ContentHash(Sha512);

impl ContentHash {
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub(super) fn finish(self) -> String {
        let digest = self.0.finalize();
        let digits = |byte: &u8| {
            let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
            [digit(byte >> 4), digit(byte & 15)]
        };
        digest.iter().take(16).flat_map(digits).collect()
    }

    pub(super) fn of(content: &[u8]) -> String {
        let mut hash = Self::default();
        hash.add(content);
        hash.finish()
    }
}

/// A name for a file that is too large to be read for it: its time and its length, as nginx has
/// them.
pub(super) fn name_by_time(metadata: &Metadata) -> String {
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    format!("{seconds:x}.{nanoseconds:x}-{:x}", metadata.size())
}

/// The tag of a version.
pub(super) fn with_tag(representation: Representation, version: Option<&str>) -> Representation {
    match version.map(EntityTag::strong) {
        Some(Ok(tag)) => representation.with_entity_tag(tag),
        _ => representation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_called_as_tornado_calls_it() {
        assert_eq!(ContentHash::of(b""), "cf83e1357eefb8bdf1542850d66d8007");
        let robots = ContentHash::of(b"User-agent: *\nDisallow: /\n");
        assert_eq!(robots, "63a36e950e134b5217e33c763e88840c");
        let hello = ContentHash::of(b"Hello, world");
        assert!(hello.starts_with("f986313ffca1a20c"), "{hello}");
    }
}
