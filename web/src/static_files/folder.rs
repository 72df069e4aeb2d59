//! What a folder serves, and how: the settings, as the threads that look into it see them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use http::header;
use http::{HeaderName, HeaderValue};

use crate::representation::Representation;

/// A folder, and what of it may be seen.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
    pub(super) symlinks: Symlinks,
    /// Where links may lead beside the folder itself.
    pub(super) links_into: Vec<PathBuf>,
    pub(super) default_filename: Option<String>,
    pub(super) is_precompressed: bool,
    pub(super) lists_folders: bool,
    pub(super) serves_hidden: bool,
    pub(super) fields: Fields,
    pub(super) bounds: Bounds,
}

impl Folder {
    /// A folder with the settings that nobody has changed.
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            symlinks: Symlinks::Within,
            links_into: Vec::new(),
            default_filename: Some("index.html".to_owned()),
            is_precompressed: false,
            lists_folders: false,
            serves_hidden: false,
            fields: Fields::default(),
            bounds: Bounds::default(),
        }
    }
}

/// Which links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symlinks {
    Refused,
    Within,
}

/// What the fields of an answer say beside what the file itself does.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) max_age: Option<Duration>,
    pub(super) content_types: HashMap<String, HeaderValue>,
    pub(super) more: Vec<(HeaderName, HeaderValue)>,
}

impl Fields {
    /// What the application itself says under this name.
    pub(super) fn own(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let mut own = self.more.iter().rev();
        own.find_map(|(known, value)| (known == name).then_some(value))
    }

    pub(super) fn add_to(&self, representation: Representation) -> Representation {
        let max_age = self
            .max_age
            .map(|max_age| format!("max-age={}", max_age.as_secs()));
        // Digits are a value.
        let max_age = max_age.and_then(|value| HeaderValue::try_from(value).ok());
        let cache_control = max_age.map(|value| (header::CACHE_CONTROL, value));
        let fields = cache_control.into_iter().chain(self.more.iter().cloned());
        fields.fold(representation, |representation, (name, value)| {
            representation.with_field(name, value)
        })
    }
}

/// What of files is kept, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) file_bytes_max: u64,
    pub(super) memory_bytes_max: usize,
    pub(super) open_files_max: usize,
    pub(super) hash_bytes_max: u64,
    pub(super) revalidate_after: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            file_bytes_max: 64 * 1024,
            memory_bytes_max: 16 * 1024 * 1024,
            open_files_max: 64,
            hash_bytes_max: 1024 * 1024,
            revalidate_after: Duration::from_secs(1),
        }
    }
}
