//! Files that are part of the program.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use super::encoding::Coding;
use super::entry::{ContentHash, Entry, with_tag};
use super::folder::Folder;
use super::media_types::content_type;
use super::served::{Embedded, Served, Source};
use crate::representation::Representation;

/// A file in the program: its path below the prefix, and its content.
///
/// ```
/// use squall_web::Asset;
///
/// const LOGO: Asset = Asset::new("img/dot.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>");
/// # let _ = LOGO;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    path: &'static str,
    content: &'static [u8],
}

impl Asset {
    /// A file of this path, without a `/` at its beginning, and this content: mostly
    /// `include_bytes!("…")`. The type goes by the end of the path, as in a folder.
    #[must_use]
    pub const fn new(path: &'static str, content: &'static [u8]) -> Self {
        Self { path, content }
    }
}

impl Served {
    /// The settings are those of a folder, as far as they say something of files that are there.
    pub(super) fn of_assets(assets: Vec<Asset>, settings: Folder) -> Self {
        let by_path: HashMap<_, _> = assets.iter().map(|asset| (asset.path, *asset)).collect();
        let entry = |asset: &Asset| {
            let (plain, version) = represent(asset, &settings, asset.path);
            let mut coded = Vec::new();
            if settings.is_precompressed {
                for coding in Coding::ALL {
                    let sibling = format!("{}{}", asset.path, coding.suffix());
                    if let Some(sibling) = by_path.get(&*sibling) {
                        coded.push((coding, represent(sibling, &settings, asset.path).0));
                    }
                }
            }
            Rc::new(Entry::new(plain, Some(version), coded, &settings.fields))
        };
        let entries = by_path.values().map(|asset| (asset.path, entry(asset)));
        Self {
            source: Source::Embedded(Embedded {
                entries: entries.collect(),
                default_filename: settings.default_filename.clone(),
                serves_hidden: settings.serves_hidden,
            }),
        }
    }
}

/// What `asset` is as the file called `name`, and the name of its content.
fn represent(asset: &Asset, settings: &Folder, name: &str) -> (Representation, String) {
    let version = ContentHash::of(asset.content);
    let representation = Representation::new(Bytes::from_static(asset.content))
        .with_content_type(content_type(name, &settings.fields.content_types));
    let representation = with_tag(representation, Some(&version));
    (settings.fields.add_to(representation), version)
}
