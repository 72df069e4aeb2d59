//! Static files on a loop: from a name to an entry, by memory or by a look at the disk, and from an
//! entry to an answer.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;
use squall_ioloop::{Handle, JobError};

use super::cache::{Cache, Known};
use super::entry::Entry;
use super::flights::Flights;
use super::folder::Folder;
use super::load::{Found, LoadFault, Loaded, Proof, load};
use super::local_path::{PathFault, local_path};
use crate::error::{HttpError, Result};
use crate::exchange::Exchange;

/// Files that are served: those of a folder, or of the program itself.
pub(crate) struct Served {
    pub(super) source: Source,
}

pub(super) enum Source {
    Folder(Box<FolderSource>),
    Embedded(Embedded),
}

pub(super) struct FolderSource {
    folder: Arc<Folder>,
    cache: RefCell<Cache>,
    flights: Flights<Looked>,
}

pub(super) struct Embedded {
    pub(super) entries: HashMap<&'static str, Rc<Entry>>,
    pub(super) default_filename: Option<String>,
    pub(super) serves_hidden: bool,
}

/// What a look has found, for all who wait for it.
type Looked = Result<Answer, Rc<LookFault>>;

/// What a name is answered with.
#[derive(Clone)]
pub(super) enum Answer {
    File(Rc<Entry>),
    /// The same name with a slash.
    Redirect,
    Page(Rc<str>),
}

#[derive(Debug)]
enum LookFault {
    Load(LoadFault),
    /// There was no thread to look, or it has panicked.
    Executor(JobError),
    /// The loop has ended.
    GivenUp,
}

impl Served {
    pub(super) fn of_folder(folder: Folder) -> Self {
        let cache = RefCell::new(Cache::new(folder.bounds.clone()));
        Self {
            source: Source::Folder(Box::new(FolderSource {
                folder: Arc::new(folder),
                cache,
                flights: Flights::new(),
            })),
        }
    }

    fn serves_hidden(&self) -> bool {
        match &self.source {
            Source::Folder(source) => source.folder.serves_hidden,
            Source::Embedded(embedded) => embedded.serves_hidden,
        }
    }

    /// The name that a path leads to.
    pub(super) fn name<'a>(&self, path: &'a str) -> Result<Cow<'a, str>> {
        local_path(path, self.serves_hidden()).map_err(|fault| match fault {
            PathFault::Outside => outside().into(),
            PathFault::Missing => HttpError::new(StatusCode::NOT_FOUND).into(),
        })
    }

    /// The entry of a name, if it is in memory and believed.
    pub(super) fn find_now(&self, name: &str) -> Option<Rc<Entry>> {
        match &self.source {
            Source::Embedded(embedded) => embedded.entries.get(name).cloned(),
            Source::Folder(source) => {
                let now = Handle::try_current()?.now();
                match source.cache.borrow_mut().get(name, now) {
                    Known::Fresh(entry) => Some(entry),
                    Known::Stale(..) | Known::Nothing => None,
                }
            }
        }
    }

    /// The answer to a name, by a look at the disk if need be.
    pub(super) async fn find(self: &Rc<Self>, name: &str) -> Result<Answer> {
        let Source::Folder(source) = &self.source else {
            return self.find_embedded(name);
        };
        let (flight, is_new) = source.flights.join(name);
        if is_new {
            let (served, name) = (Rc::clone(self), Rc::from(name));
            // A handler runs on a loop.
            Handle::current().spawn_detached(async move { served.look(name).await });
        }
        flight.result().await.map_err(|fault| fault.answer().into())
    }

    /// A look, from its beginning to telling those who wait.
    async fn look(&self, name: Rc<str>) {
        let Source::Folder(source) = &self.source else {
            return;
        };
        let landing = Landing(source, &name);
        let ioloop = Handle::current();
        let known = source.cache.borrow_mut().get(&name, ioloop.now());
        let known = match known {
            Known::Fresh(entry) => return landing.land(Ok(Answer::File(entry))),
            Known::Stale(entry, proof) => Some((entry, proof)),
            Known::Nothing => None,
        };
        let proof = known.as_ref().map(|(_, proof)| proof.clone());
        let (folder, wanted) = (source.folder.clone(), name.to_string());
        let job = ioloop.run_in_executor(move || match proof {
            Some(proof) if proof.holds(&folder) => None,
            _ => Some(load(&folder, &wanted)),
        });
        let looked = match (job.await, known) {
            (Ok(None), Some((entry, proof))) => {
                let mut cache = source.cache.borrow_mut();
                cache.confirm(&name, &entry, proof, ioloop.now());
                Ok(Answer::File(entry))
            }
            (Ok(None), None) => Err(LookFault::GivenUp),
            (Ok(Some(found)), _) => source.keep(&name, found, &ioloop),
            (Err(error), _) => Err(LookFault::Executor(error)),
        };
        landing.land(looked.map_err(Rc::new));
    }

    fn find_embedded(&self, name: &str) -> Result<Answer> {
        let missing = || HttpError::new(StatusCode::NOT_FOUND);
        let Source::Embedded(embedded) = &self.source else {
            return Err(missing())?;
        };
        if let Some(entry) = embedded.entries.get(name) {
            return Ok(Answer::File(entry.clone()));
        }
        let default = embedded.default_filename.as_deref().ok_or_else(missing)?;
        let is_of_folder = name.is_empty() || name.ends_with('/');
        let slash = if is_of_folder { "" } else { "/" };
        let index = format!("{name}{slash}{default}");
        match embedded.entries.get(&*index) {
            Some(entry) if is_of_folder => Ok(Answer::File(entry.clone())),
            Some(_) => Ok(Answer::Redirect),
            None => Err(missing())?,
        }
    }
}

impl FolderSource {
    /// Keeps what was found.
    fn keep(
        &self,
        name: &str,
        found: Result<Found, LoadFault>,
        ioloop: &Handle,
    ) -> Result<Answer, LookFault> {
        let mut cache = self.cache.borrow_mut();
        match found {
            Ok(Found::File(loaded)) => {
                let Loaded { entry, proof } = *loaded;
                let entry = Rc::new(entry);
                let proof: Arc<Proof> = Arc::new(proof);
                cache.insert(name, &entry, proof, ioloop.now());
                Ok(Answer::File(entry))
            }
            Ok(other) => {
                cache.remove(name);
                Ok(match other {
                    Found::Listing(page) => Answer::Page(page.into()),
                    _ => Answer::Redirect,
                })
            }
            Err(fault) => {
                cache.remove(name);
                Err(LookFault::Load(fault))
            }
        }
    }
}

/// Whatever becomes of a look, those who wait are told: a loop that ends drops its tasks.
struct Landing<'a>(&'a FolderSource, &'a str);

impl Landing<'_> {
    fn land(self, looked: Looked) {
        self.0.flights.finish(self.1, looked);
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0
            .flights
            .finish(self.1, Err(Rc::new(LookFault::GivenUp)));
    }
}

impl LookFault {
    fn answer(&self) -> HttpError {
        let forbidden = || HttpError::new(StatusCode::FORBIDDEN);
        match self {
            Self::Load(LoadFault::Missing) => HttpError::new(StatusCode::NOT_FOUND),
            Self::Load(LoadFault::Outside) => outside(),
            Self::Load(LoadFault::NotAFile) => forbidden(),
            Self::Load(LoadFault::System(error)) => {
                let refused = match error.kind() {
                    io::ErrorKind::PermissionDenied => forbidden(),
                    _ => HttpError::new(StatusCode::INTERNAL_SERVER_ERROR),
                };
                refused.with_log_message(error.to_string())
            }
            Self::Executor(error @ JobError::Panicked(_)) => {
                HttpError::new(StatusCode::INTERNAL_SERVER_ERROR)
                    .with_log_message(error.to_string())
            }
            Self::Executor(error) => {
                HttpError::new(StatusCode::SERVICE_UNAVAILABLE).with_log_message(error.to_string())
            }
            Self::GivenUp => HttpError::new(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

fn outside() -> HttpError {
    HttpError::new(StatusCode::FORBIDDEN).with_log_message("not in the static folder")
}

/// From an entry to an answer.
impl Served {
    /// Answers without waiting, if that can be; gives false back, and has done nothing, if not.
    pub(super) fn answer_now(&self, http: &Exchange, path: &str) -> Result<bool> {
        match self.find_now(&self.name(path)?) {
            Some(entry) => http.serve_content_now(entry.select(http.head())),
            None => Ok(false),
        }
    }

    pub(super) async fn answer(self: &Rc<Self>, http: &Exchange, path: &str) -> Result {
        let name = self.name(path)?;
        let found = match self.find_now(&name) {
            Some(entry) => Answer::File(entry),
            None => self.find(&name).await?,
        };
        match found {
            Answer::File(entry) => http.serve_content(entry.select(http.head())).await,
            Answer::Redirect => redirect_to_folder(http),
            Answer::Page(page) => http.write(&*page),
        }
    }
}

/// To the same path with a slash, and the same query. A browser takes what begins with two slashes,
/// or with one and a backslash, for the address of another host (CVE-2023-28370).
fn redirect_to_folder(http: &Exchange) -> Result {
    let path = http.head().path();
    if path.starts_with("//") || path.starts_with("/\\") {
        return Err(outside().into());
    }
    let location = match http.head().query() {
        Some(query) => format!("{path}/?{query}"),
        None => format!("{path}/"),
    };
    http.redirect_permanently(&location)
}
