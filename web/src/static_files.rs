//! Static files: a folder, or what the program has in itself, as answers (Tornado's
//! `StaticFileHandler`).
//!
//! ```text
//!   target.rs         the end of the route
//!       |  path
//!   local_path.rs     which name?  no `..` above the folder, nothing hidden          pure
//!       |  name
//!   served.rs         known?   cache.rs: small files whole, large ones open, for a second
//!       |                 |
//!       |                 '- no: flights.rs, one look at the disk for all who wait
//!       |                        |
//!       |   in the executor:     load.rs      what is it?  hash, media_types.rs, listing.rs
//!       |                        confine.rs   opened beneath the folder, or not at all
//!       |  entry.rs
//!   encoding.rs       which coding?                                                  pure
//!       |
//!   conditional.rs    which part?  304, 412, 416                                     pure
//!       |
//!   representation.rs sent: from memory, or by the system from the file
//! ```

mod cache;
mod confine;
mod embedded;
mod encoding;
mod entry;
mod flights;
mod folder;
mod listing;
mod load;
mod local_path;
mod media_types;
mod served;
mod target;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use percent_encoding::utf8_percent_encode;

pub use embedded::Asset;
use folder::{Folder, Symlinks};
use listing::PATH;
use served::Answer;
pub(crate) use served::Served;
pub(crate) use target::StaticTarget;

use crate::error::{HttpError, Result};
use crate::exchange::Exchange;

/// A folder of files to serve, and how.
///
/// Given to [`Application::static_files`](crate::Application::static_files) or
/// [`Route::static_files`](crate::Route::static_files):
///
/// ```
/// use squall_web::{Application, StaticFiles};
///
/// let application = Application::new().static_files("/static/", StaticFiles::new("static"));
/// # let _ = application;
/// ```
///
/// Answers have `ETag`, `Last-Modified` and `X-Content-Type-Options: nosniff`; conditions and
/// ranges are honoured as [`select`](crate::select) says. Text is UTF-8. Only files are served:
/// pipes and devices are refused (403), and so is what leads out of the folder, by its path (403)
/// or by a link. They are opened to be seen for what they are, which wakes who waits to write to a
/// pipe: keep them elsewhere. A folder is its `index.html`; without a slash at its end it is
/// redirected to (301). Names that begin with a dot are hidden (404), but for `.well-known`.
///
/// Opening and reading is done in the loop's executor. Then a file is known for a second: a small
/// one is answered from memory, a large one is sent by `sendfile(2)`, and neither costs another
/// call to the system. After that second the next request looks whether the file is still the same.
/// Each loop knows its own files.
///
/// What of a large file is not in the system's memory is read from the disk when it is sent, and
/// the loop waits for it, as in nginx.
///
/// A file that is written to while it is sent may reach a client half old, half new, and one that
/// shrinks resets the connection: put new files in place by renaming.
#[derive(Clone, Debug)]
#[must_use = "files are served when they are given to an application"]
pub struct StaticFiles {
    from: From,
    folder: Folder,
}

#[derive(Clone, Debug)]
enum From {
    Folder,
    Embedded(Vec<Asset>),
}

impl StaticFiles {
    /// The files of a folder (Tornado's `static_path`). It is looked for with each file that is
    /// loaded, so it may come later, and be a link that is changed to another folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            from: From::Folder,
            folder: Folder::new(root.into()),
        }
    }

    /// Files that are part of the program; nothing is read from a disk.
    ///
    /// ```
    /// use squall_web::{Application, Asset, StaticFiles};
    ///
    /// let assets = StaticFiles::embedded([
    ///     Asset::new("index.html", b"<p>Hello"),
    ///     Asset::new("src/lib.rs", include_bytes!("lib.rs")),
    /// ]);
    /// let application = Application::new().static_files("/", assets);
    /// # let _ = application;
    /// ```
    pub fn embedded(assets: impl IntoIterator<Item = Asset>) -> Self {
        Self {
            from: From::Embedded(assets.into_iter().collect()),
            ..Self::new("")
        }
    }

    /// What a folder is answered with (Tornado's `default_filename`, which is none there). Default:
    /// `index.html`.
    pub fn default_filename(mut self, name: impl Into<String>) -> Self {
        self.folder.default_filename = Some(name.into());
        self
    }

    /// A folder is refused (403), unless its names are listed.
    pub fn without_default_filename(mut self) -> Self {
        self.folder.default_filename = None;
        self
    }

    /// A folder without a default file is answered with a page of the names in it. Default: no, for
    /// names may say what is not meant to be known.
    pub fn list_folders(mut self) -> Self {
        self.folder.lists_folders = true;
        self
    }

    /// Names that begin with a dot are served, as Tornado does. Default: no; they are what editors
    /// and version control leave behind.
    pub fn serve_hidden_files(mut self) -> Self {
        self.folder.serves_hidden = true;
        self
    }

    /// No link is followed, wherever it leads (403); the folder itself may be one. Default: links
    /// are followed as long as they end in the folder.
    pub fn refuse_symlinks(mut self) -> Self {
        self.folder.symlinks = Symlinks::Refused;
        self
    }

    /// Links may also end in this folder (Tornado's `allowed_symlink_directory`).
    pub fn allow_symlinks_into(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder.links_into.push(folder.into());
        self
    }

    /// Where there is a `site.css.br`, `.zst` or `.gz` beside `site.css`, clients that accept such
    /// a coding get it, and `Vary` tells caches so. What belongs together is for the build to say:
    /// that the one is made of the other is not checked. Default: no.
    pub fn precompressed(mut self) -> Self {
        self.folder.is_precompressed = true;
        self
    }

    /// Caches may use a file for so long without asking again (Tornado's `get_cache_time`), in
    /// whole seconds. Default: nothing is said. URLs of [`Exchange::static_url`] can be used for a
    /// year.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.folder.fields.max_age = Some(max_age);
        self
    }

    /// Files whose names end in a dot and this extension, in any case, have this `Content-Type`
    /// (Tornado's `get_content_type`). Default: as `mime_guess` knows them, text with
    /// `charset=utf-8`; `application/octet-stream` for all others.
    pub fn content_type(mut self, extension: &str, value: HeaderValue) -> Self {
        let extension = extension.to_ascii_lowercase();
        self.folder.fields.content_types.insert(extension, value);
        self
    }

    /// A field for all answers with files, in place of any of that name (Tornado's
    /// `set_extra_headers`). A `Cache-Control` is then also that of URLs with a version in them,
    /// and a `Vary` is added to where there are codings.
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.folder.fields.more.push((name, value));
        self
    }

    /// How large a file may be that is kept in memory, in bytes; larger ones are kept open, and
    /// sent without being copied. Default: 64 KiB, of which 16 MiB hold two hundred and more.
    pub fn memory_file_bytes_max(mut self, bytes: u64) -> Self {
        self.folder.bounds.file_bytes_max = bytes;
        self
    }

    /// How much memory all kept files may take, in bytes, on each loop. Default: 16 MiB.
    pub fn memory_bytes_max(mut self, bytes: usize) -> Self {
        self.folder.bounds.memory_bytes_max = bytes;
        self
    }

    /// How many large files are kept open on each loop. Default: 64, of the 1,024 descriptors that
    /// a process mostly has.
    pub fn open_files_max(mut self, files: usize) -> Self {
        self.folder.bounds.open_files_max = files;
        self
    }

    /// Up to which length a file is read for its `ETag` and version, in bytes: these then are the
    /// same on all servers, whatever the file's time. Larger ones are named by time and length.
    /// Default: 1 MiB, read in a few thousandths of a second, and in less than one by a program
    /// that is built without optimisation; in Tornado 64 MiB.
    pub fn hash_bytes_max(mut self, bytes: u64) -> Self {
        self.folder.bounds.hash_bytes_max = bytes;
        self
    }

    /// For how long a file is believed to be the same without a look; at most a year. Default: one
    /// second.
    pub fn revalidate_after(mut self, time: Duration) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.folder.bounds.revalidate_after = time.min(YEAR);
        self
    }

    pub(crate) fn into_served(self) -> Served {
        match self.from {
            From::Folder => Served::of_folder(self.folder),
            From::Embedded(assets) => Served::of_assets(assets, self.folder),
        }
    }
}

impl StaticTarget {
    pub(crate) fn folder(files: Rc<Served>) -> Self {
        Self { files, only: None }
    }

    pub(crate) fn file(files: StaticFiles, path: &str) -> Self {
        Self {
            files: Rc::new(files.into_served()),
            // It is decoded as what clients ask for is.
            only: Some(utf8_percent_encode(path, PATH).to_string().into()),
        }
    }
}

impl Exchange {
    /// The URL of a static file with its version in it, `/static/site.css?v=…` (Tornado's
    /// `static_url`). Caches may keep what they get there for ever: when the file changes, so does
    /// its URL. `path` is below the first [`static_files`](crate::Application::static_files) of the
    /// application, and is not encoded. A file that is not there has a URL without a version.
    ///
    /// ```
    /// use squall_web::{Application, Exchange, Result, StaticFiles};
    ///
    /// async fn page(http: &Exchange) -> Result {
    ///     let style = http.static_url("site.css").await?;
    ///     http.write(format!("<link rel=stylesheet href=\"{style}\">"))
    /// }
    ///
    /// let application = Application::new()
    ///     .static_files("/static/", StaticFiles::new("static"))
    ///     .get("/", page);
    /// # let _ = application;
    /// ```
    ///
    /// # Errors
    ///
    /// 403 when the path leads out of the folder; 500 when the application has no static files, or
    /// when the file cannot be read.
    pub async fn static_url(&self, path: &str) -> Result<String> {
        let application = self.application();
        let Some((prefix, files)) = application.static_prefix() else {
            let error = HttpError::new(http::StatusCode::INTERNAL_SERVER_ERROR);
            return Err(error.with_log_message("the application has no static files"))?;
        };
        let path = utf8_percent_encode(path, PATH).to_string();
        let name = files.name(&path)?;
        let found = match files.find_now(&name) {
            Some(entry) => Some(entry),
            None => match files.find(&name).await {
                Ok(Answer::File(entry)) => Some(entry),
                Ok(_) => None,
                Err(error) if error.status() == http::StatusCode::NOT_FOUND => None,
                Err(error) => return Err(error),
            },
        };
        Ok(match found.as_ref().and_then(|entry| entry.version()) {
            Some(version) => format!("{prefix}{path}?v={version}"),
            None => format!("{prefix}{path}"),
        })
    }
}
