//! The system's resolver, `getaddrinfo`, on the executor's threads, since it blocks.
//!
//! Who asks for a name that is being looked up waits for the same answer:
//!
//! ```text
//!   resolve("example.org") --\
//!   resolve("example.org") ---+--> Lookup ---> task ---> Job: getaddrinfo, on a thread
//!   resolve("Example.org") --/     the last who goes takes the task along, and the job
//! ```

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};

use squall_ioloop::{Executor, Handle, JobError, JoinHandle};

use super::name::Host;
use super::{ResolveError, Resolver, Resolving, at_once};

/// Asks the system, whatever it is configured to ask: `/etc/hosts`, DNS, others. Tornado's
/// `DefaultLoopResolver`.
///
/// `getaddrinfo` blocks, so it is called on a thread of the loop's executor
/// ([`Handle::run_in_executor`]). One call serves all who ask for a name while it lasts, and is
/// taken off the queue when all of them have gone. One that has begun cannot be stopped: it holds
/// its thread until the system gives up, which may be half a minute when no server of names
/// answers.
///
/// Nobody is asked for addresses, nor for `localhost` and names below it, which are `::1` and
/// `127.0.0.1` (RFC 6761, section 6.3).
///
/// ```
/// use squall_ioloop::IoLoop;
/// use squall_iostream::{Resolver, SystemResolver};
///
/// let ioloop = IoLoop::new()?;
/// let resolver = SystemResolver::new(&ioloop);
/// let addresses = ioloop.run_until(resolver.resolve("localhost", 80))??;
/// assert_eq!(addresses, ["[::1]:80".parse()?, "127.0.0.1:80".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SystemResolver {
    ioloop: Handle,
    executor: Executor,
    ask: Arc<Ask>,
    lookups: Rc<Lookups>,
}

/// Asks for one name, and blocks.
type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Those under way, by name in lower case.
type Lookups = RefCell<HashMap<String, Weak<Lookup>>>;

type Answer = Result<Rc<[SocketAddr]>, ResolveError>;

impl SystemResolver {
    /// A resolver on the threads of the loop.
    pub fn new(ioloop: &Handle) -> Self {
        Self::with_executor(ioloop, ioloop.executor())
    }

    /// A resolver on other threads: with an [`Executor`] of its own, names that nobody answers for
    /// do not keep files waiting.
    pub fn with_executor(ioloop: &Handle, executor: &Executor) -> Self {
        Self {
            ioloop: ioloop.clone(),
            executor: executor.clone(),
            ask: Arc::new(getaddrinfo),
            lookups: Rc::default(),
        }
    }

    /// The lookup of `name` that is under way, or a new one.
    fn lookup(&self, name: &str) -> Rc<Lookup> {
        let key = name.to_ascii_lowercase();
        let known = self.lookups.borrow().get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| Lookup::begin(self, key))
    }
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        let name = match Host::parse(host) {
            Ok(Host::Name(name)) => name,
            Ok(known) => return at_once(Ok(known.known(port).unwrap_or_default())),
            Err(error) => return at_once(Err(error)),
        };
        // Now and not at the first poll: who asks in one turn shares one lookup.
        let lookup = self.lookup(name);
        Box::pin(async move {
            let mut addresses = lookup.answer().await?.to_vec();
            for address in &mut addresses {
                address.set_port(port);
            }
            Ok(addresses)
        })
    }
}

fn getaddrinfo(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok((name, 0).to_socket_addrs()?.collect())
}

struct Lookup {
    name: String,
    lookups: Weak<Lookups>,
    answer: RefCell<Option<Answer>>,
    /// By number, so that each can leave.
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next_number: Cell<u64>,
    task: RefCell<Option<JoinHandle<()>>>,
}

impl Lookup {
    fn begin(resolver: &SystemResolver, name: String) -> Rc<Self> {
        let lookup = Rc::new(Self {
            name: name.clone(),
            lookups: Rc::downgrade(&resolver.lookups),
            answer: RefCell::default(),
            waiting: RefCell::default(),
            next_number: Cell::new(0),
            task: RefCell::default(),
        });
        let ask = resolver.ask.clone();
        let job = {
            let name = name.clone();
            resolver.executor.run(&resolver.ioloop, move || ask(&name))
        };
        // It must not keep the lookup alive: those who wait do.
        let weak = Rc::downgrade(&lookup);
        let task = resolver.ioloop.spawn(async move {
            let found = job.await;
            if let Some(lookup) = weak.upgrade() {
                lookup.finish(found);
            }
        });
        lookup.task.replace(Some(task));
        let weak = Rc::downgrade(&lookup);
        resolver.lookups.borrow_mut().insert(name, weak);
        lookup
    }

    fn finish(&self, found: Result<io::Result<Vec<SocketAddr>>, JobError>) {
        let host = self.name.clone();
        let answer = match found {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(ResolveError::NoAddresses { host }),
            Ok(Ok(addresses)) => Ok(addresses.into()),
            Ok(Err(error)) => Err(ResolveError::Unresolvable {
                host,
                cause: Some(Arc::new(error)),
            }),
            Err(error) => Err(ResolveError::NotAsked {
                host,
                cause: Arc::new(error.into()),
            }),
        };
        self.answer.replace(Some(answer));
        // Who asks from now on asks anew: an answer is not kept.
        self.leave_table();
        for (_, waker) in self.waiting.take() {
            waker.wake();
        }
    }

    async fn answer(self: Rc<Self>) -> Answer {
        let place = Place::new(&self);
        poll_fn(|cx| match &*self.answer.borrow() {
            Some(answer) => Poll::Ready(answer.clone()),
            None => {
                place.wait(cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    fn leave_table(&self) {
        let Some(lookups) = self.lookups.upgrade() else {
            return;
        };
        let mut lookups = lookups.borrow_mut();
        // There may be a newer one of the same name.
        let is_ours = |known: &Weak<Self>| std::ptr::eq(known.as_ptr(), self);
        if lookups.get(&self.name).is_some_and(is_ours) {
            lookups.remove(&self.name);
        }
    }
}

/// Nobody waits any more.
impl Drop for Lookup {
    fn drop(&mut self) {
        self.leave_table();
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// One who waits, until dropped.
struct Place<'a> {
    lookup: &'a Lookup,
    number: u64,
}

impl<'a> Place<'a> {
    fn new(lookup: &'a Lookup) -> Self {
        let number = lookup.next_number.get();
        lookup.next_number.set(number + 1);
        Self { lookup, number }
    }

    fn wait(&self, waker: &Waker) {
        let before = self
            .lookup
            .waiting
            .borrow_mut()
            .insert(self.number, waker.clone());
        drop(before);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let waker = self.lookup.waiting.borrow_mut().remove(&self.number);
        drop(waker);
    }
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolver")
            .field("under_way", &self.lookups.borrow().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{self, Sender};

    use squall_ioloop::{ExecutorOptions, IoLoop};

    use super::*;

    /// A system that counts what it is asked, and answers when it is let, or when the test is over.
    struct System {
        resolver: SystemResolver,
        asked: Arc<AtomicUsize>,
        answer: Sender<()>,
    }

    fn one_thread(queued_max: usize) -> IoLoop {
        let options = ExecutorOptions::default();
        let executor = Executor::new(options.threads_max(1).queued_max(queued_max));
        IoLoop::builder().executor(&executor).build().unwrap()
    }

    fn system(ioloop: &Handle) -> System {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let (answer, may_answer) = mpsc::channel();
        let may_answer = std::sync::Mutex::new(may_answer);
        let mut resolver = SystemResolver::new(ioloop);
        resolver.ask = Arc::new(move |name| {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = may_answer.lock().unwrap().recv();
            match name {
                "empty.example" => Ok(Vec::new()),
                "bad.example" => Err(io::Error::other("no such name")),
                _ => Ok(vec![([192, 0, 2, 1], 0).into()]),
            }
        });
        System {
            resolver,
            asked,
            answer,
        }
    }

    #[test]
    fn who_asks_for_the_same_name_meanwhile_gets_the_same_answer() {
        let ioloop = one_thread(9);
        let system = system(&ioloop);
        let first = system.resolver.resolve("www.example", 1);
        let second = system.resolver.resolve("WWW.example", 2);
        // A clone shares.
        let clone = system.resolver.clone();
        let third = clone.resolve("www.example", 3);
        drop(system.answer);
        let answers = async { [first.await, second.await, third.await] };
        let answers = ioloop.run_until(answers).unwrap();
        for (answer, port) in answers.into_iter().zip(1_u16..) {
            assert_eq!(answer.unwrap(), [([192, 0, 2, 1], port).into()]);
        }
        assert_eq!(system.asked.load(Ordering::SeqCst), 1);
        assert!(system.resolver.lookups.borrow().is_empty());
    }

    #[test]
    fn an_answer_is_not_kept_even_while_somebody_has_not_fetched_it() {
        let ioloop = one_thread(9);
        let system = system(&ioloop);
        drop(system.answer);
        let slow = system.resolver.resolve("www.example", 1);
        for asked in 1..3 {
            let resolving = system.resolver.resolve("www.example", 2);
            ioloop.run_until(resolving).unwrap().unwrap();
            assert_eq!(system.asked.load(Ordering::SeqCst), asked);
        }
        ioloop.run_until(slow).unwrap().unwrap();
        assert_eq!(system.asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn the_end_of_an_old_lookup_does_not_hide_a_new_one_of_the_same_name() {
        let ioloop = one_thread(9);
        let system = system(&ioloop);
        let resolve = || system.resolver.resolve("www.example", 1);
        let (slow, first) = (resolve(), resolve());
        system.answer.send(()).unwrap();
        ioloop.run_until(first).unwrap().unwrap();
        let second = resolve();
        drop(slow);
        let third = resolve();
        drop(system.answer);
        for resolving in [second, third] {
            ioloop.run_until(resolving).unwrap().unwrap();
        }
        assert_eq!(system.asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn who_goes_leaves_the_others_waiting_and_the_last_takes_the_lookup_along() {
        let ioloop = one_thread(9);
        let system = system(&ioloop);
        let busy = system.resolver.resolve("busy.example", 1);
        let one = system.resolver.resolve("www.example", 1);
        let mut other = system.resolver.resolve("www.example", 2);
        ioloop
            .run_until(poll_fn(|cx| {
                assert!(other.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            }))
            .unwrap();
        drop(one);
        let metrics = || ioloop.executor().metrics();
        assert_eq!(
            (metrics().queued + metrics().running, metrics().cancelled),
            (2, 0)
        );
        drop(other);
        assert_eq!(metrics().cancelled, 1);
        assert_eq!(system.resolver.lookups.borrow().len(), 1);
        drop(system.answer);
        ioloop.run_until(busy).unwrap().unwrap();
        assert_eq!(system.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn each_failure_has_its_name() {
        let ioloop = one_thread(1);
        let system = system(&ioloop);
        let resolve = |host| system.resolver.resolve(host, 1);
        let empty = resolve("empty.example");
        while system.asked.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        // The thread is taken, and so is the one place in the queue.
        let queued = resolve("one.example");
        let error = ioloop
            .run_until(resolve("two.example"))
            .unwrap()
            .unwrap_err();
        assert!(matches!(error, ResolveError::NotAsked { .. }), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("\"two.example\" was not looked up")
        );
        drop(queued);
        drop(system.answer);
        let error = ioloop.run_until(empty).unwrap().unwrap_err();
        assert!(
            matches!(error, ResolveError::NoAddresses { .. }),
            "{error:?}"
        );
        let bad = system.resolver.resolve("bad.example", 1);
        let error = ioloop.run_until(bad).unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"bad.example\" cannot be resolved: no such name"
        );
    }

    #[test]
    fn nobody_is_asked_for_what_is_known_or_is_no_name() {
        let ioloop = one_thread(0);
        let system = system(&ioloop);
        for host in [
            "127.0.0.1",
            "::1",
            "[::1]",
            "localhost",
            "a.localhost.",
            "",
            "a\0",
            "1",
        ] {
            let resolving = system.resolver.resolve(host, 1);
            let answer = ioloop.run_until(resolving).unwrap();
            assert!(
                !matches!(answer, Err(ResolveError::NotAsked { .. })),
                "{host:?}"
            );
        }
        assert_eq!(ioloop.executor().metrics().threads, 0);
    }

    #[test]
    fn dropping_the_loop_while_a_name_is_looked_up_waits_for_nobody() {
        let ioloop = one_thread(9);
        let system = system(&ioloop);
        let resolver = system.resolver.clone();
        ioloop.spawn_detached(async move {
            let _ = resolver.resolve("www.example", 1).await;
        });
        ioloop.run_once(Some(std::time::Duration::ZERO)).unwrap();
        assert_eq!(system.resolver.lookups.borrow().len(), 1);
        drop(ioloop);
        assert!(system.resolver.lookups.borrow().is_empty());
    }
}
