//! Answers that are kept for a while, so that a name is not looked up for every connection.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall_ioloop::Handle;

use super::name::Host;
use super::{ResolveError, Resolver, Resolving, at_once};

/// Asks another resolver, and keeps what it says for a while. By the loop's clock.
///
/// The system does not say how long an answer is good for, so that is set here, and short: an
/// address that has changed is used for at most that long. Only answers about names are kept, and
/// no failures that are not about the name, such as that there was no thread to ask.
///
/// Clones share what they know, so one cache can serve several clients.
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{CachingResolver, SystemResolver, TcpClient};
/// use std::time::Duration;
///
/// let ioloop = IoLoop::new()?;
/// let resolver = CachingResolver::new(&ioloop, SystemResolver::new(&ioloop))
///     .ttl(Duration::from_secs(60));
/// let client = TcpClient::new(&ioloop).resolver(resolver);
/// # std::io::Result::Ok(())
/// ```
pub struct CachingResolver<R> {
    inner: Rc<R>,
    ioloop: Handle,
    ttl: Duration,
    ttl_negative: Duration,
    entries_max: usize,
    cache: Rc<RefCell<Cache>>,
}

impl<R: Resolver> CachingResolver<R> {
    /// Knows nothing yet.
    pub fn new(ioloop: &Handle, inner: R) -> Self {
        Self {
            inner: Rc::new(inner),
            ioloop: ioloop.clone(),
            ttl: Duration::from_secs(30),
            ttl_negative: Duration::from_secs(3),
            entries_max: 1_000,
            cache: Rc::default(),
        }
    }

    /// How long addresses are kept. Default 30 s: as long as a service is mostly given to move.
    #[must_use]
    pub fn ttl(mut self, time: Duration) -> Self {
        self.ttl = time;
        self
    }

    /// How long is kept that a name is not known or has no address. Default 3 s: enough for a loop
    /// that tries again and again, and no longer than a person waits who has just added it.
    #[must_use]
    pub fn ttl_negative(mut self, time: Duration) -> Self {
        self.ttl_negative = time;
        self
    }

    /// How many answers are kept; with one more, the oldest is forgotten. Default 1,000, each of
    /// some hundred bytes. With 0, none is.
    #[must_use]
    pub fn entries_max(mut self, entries: usize) -> Self {
        self.entries_max = entries;
        self
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.cache.take();
    }

    /// How many answers are kept, with those that have expired and were not asked for since.
    pub fn len(&self) -> usize {
        self.cache.borrow().by_key.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For how long an answer is kept, if it is.
    fn ttl_of(&self, answer: &Answer) -> Option<Duration> {
        match answer {
            Ok(_) => Some(self.ttl),
            Err(ResolveError::Unresolvable { .. } | ResolveError::NoAddresses { .. }) => {
                Some(self.ttl_negative)
            }
            Err(_) => None,
        }
    }
}

impl<R: Resolver> Resolver for CachingResolver<R> {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        // What needs no asking needs no place, and what is no name is of no bounded length.
        let Ok(Host::Name(name)) = Host::parse(host) else {
            return self.inner.resolve(host, port);
        };
        let key = (name.to_ascii_lowercase(), port);
        if let Some(answer) = self.cache.borrow_mut().find(&key, self.ioloop.now()) {
            return at_once(answer);
        }
        Box::pin(async move {
            let answer = self.inner.resolve(host, port).await;
            if let Some(ttl) = self.ttl_of(&answer) {
                // An enormous time is for ever.
                let expires_at = self.ioloop.now().checked_add(ttl);
                let mut cache = self.cache.borrow_mut();
                cache.insert(key, answer.clone(), expires_at, self.entries_max);
            }
            answer
        })
    }
}

type Answer = Result<Vec<SocketAddr>, ResolveError>;
/// With the port, on which the resolver behind may have rules.
type Key = (String, u16);

/// Entries by key, and by age to forget the oldest.
#[derive(Default)]
struct Cache {
    by_key: HashMap<Key, Entry>,
    by_age: BTreeMap<u64, Key>,
    next_number: u64,
}

struct Entry {
    number: u64,
    answer: Answer,
    /// `None`: never.
    expires_at: Option<Instant>,
}

impl Cache {
    fn find(&mut self, key: &Key, now: Instant) -> Option<Answer> {
        let entry = self.by_key.get(key)?;
        if entry.expires_at.is_none_or(|expires_at| now < expires_at) {
            return Some(entry.answer.clone());
        }
        self.remove(key);
        None
    }

    fn insert(&mut self, key: Key, answer: Answer, expires_at: Option<Instant>, max: usize) {
        self.remove(&key);
        while !self.by_key.is_empty() && self.by_key.len() >= max {
            if let Some((_, oldest)) = self.by_age.pop_first() {
                self.by_key.remove(&oldest);
            }
        }
        if max == 0 {
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.by_age.insert(number, key.clone());
        let entry = Entry {
            number,
            answer,
            expires_at,
        };
        self.by_key.insert(key, entry);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_age.remove(&entry.number);
        }
    }
}

impl<R> Clone for CachingResolver<R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            ioloop: self.ioloop.clone(),
            cache: self.cache.clone(),
            ..*self
        }
    }
}

impl<R> fmt::Debug for CachingResolver<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingResolver")
            .field("ttl", &self.ttl)
            .field("ttl_negative", &self.ttl_negative)
            .field("entries_max", &self.entries_max)
            .field("entries", &self.cache.borrow().by_key.len())
            .finish_non_exhaustive()
    }
}
