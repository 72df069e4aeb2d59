//! Workers by thread: each with a loop, a server and listeners of its own, and one thread that
//! watches over them.
//!
//! ```text
//!    the calling thread                       squall-worker-0, -1, ...
//!      SIGTERM, SIGINT ---- order: drain --->   setup -> serve -> drain -> end
//!      stop()                                     ^         |
//!                                                 '---------'  it has failed: again, later
//! ```
//! How a worker is told to end is in `orders.rs`.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use squall_ioloop::{Executor, Handle, IoLoop, Remote};

use crate::orders::{Mailbox, at_once};
use crate::{DrainDeadlines, DrainReport, HttpServer, TerminationSignals};

/// Servers that share nothing, one on each of several threads, from their start to a graceful end
/// (Tornado's `fork_processes`, with threads).
///
/// Each worker listens by itself. Sockets of their own that share a port
/// ([`with_reuse_port`](crate::Config::with_reuse_port)) have the system spread connections among
/// them. One socket for all, bound before, works for Unix sockets and inherited ones too, and lets
/// whoever is free accept:
///
/// ```
/// use squall_httpserver::{DrainDeadlines, Exchange, HttpServer, Workers};
/// use squall_iostream::Listener;
/// use std::net::TcpListener;
///
/// let socket = TcpListener::bind("127.0.0.1:0")?;
/// let workers = Workers::new(2);
/// # workers.handle().stop(DrainDeadlines::default());
/// let report = workers.run(|ioloop, _worker| {
///     let server = HttpServer::new(ioloop, |http: Exchange| async move { http.finish() });
///     server.add_listener(Listener::from_std(socket.try_clone()?)?)?;
///     Ok(server)
/// })?;
/// println!("{} requests were cut", report.cut);
/// # std::io::Result::Ok(())
/// ```
///
/// The process's first `SIGTERM` or `SIGINT` has all of them stop gracefully, a second one at once.
pub struct Workers {
    count: usize,
    deadlines: DrainDeadlines,
    restarts_max: usize,
    ends_on_panic: bool,
    heeds_signals: bool,
    crew: Arc<Crew>,
}

/// Between two starts of a worker that fails: short at first, since most failures are single ones.
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

impl Workers {
    /// So many; zero counts as the number of processors.
    pub fn new(count: usize) -> Self {
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        Self {
            count: if count == 0 { processors() } else { count },
            deadlines: DrainDeadlines::default(),
            restarts_max: 100,
            ends_on_panic: false,
            heeds_signals: true,
            crew: Arc::default(),
        }
    }

    /// How long connections have when a signal asks for the end.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: DrainDeadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// How often workers may be started again, all together, when they have ended without having
    /// been asked. One failure more stops all of them, gracefully, and is an error. Default 100,
    /// as Tornado's.
    #[must_use]
    pub fn with_restarts_max(mut self, restarts: usize) -> Self {
        self.restarts_max = restarts;
        self
    }

    /// Whether a panic that the loop catches ends its worker, which is then started again, with
    /// fresh state. Panics of a service are not among them: these cost one request in any case.
    /// Default off: what has panicked is gone, and the worker goes on.
    #[must_use]
    pub fn with_end_on_panic(mut self, on: bool) -> Self {
        self.ends_on_panic = on;
        self
    }

    /// Whether `SIGTERM` and `SIGINT` stop the workers. Default on. Off for a program that has
    /// handlers of its own, and a [`WorkersHandle`].
    #[must_use]
    pub fn with_signals(mut self, on: bool) -> Self {
        self.heeds_signals = on;
        self
    }

    /// With it another thread can stop them.
    pub fn handle(&self) -> WorkersHandle {
        WorkersHandle {
            crew: self.crew.clone(),
        }
    }

    /// Runs them until they have stopped. `setup` is called on each worker's thread, with its loop
    /// and its number, and again when a worker is started again. Returns how all connections ended.
    ///
    /// # Errors
    /// The first failure of a `setup` at the start; then all others are stopped at once. The
    /// failure with which a worker has used up the restarts.
    ///
    /// # Panics
    /// When a `setup` panics at the start.
    pub fn run(
        self,
        setup: impl Fn(&IoLoop, usize) -> io::Result<HttpServer> + Sync,
    ) -> io::Result<DrainReport> {
        let ioloop = IoLoop::new()?;
        let signals = match self.heeds_signals {
            true => Some(TerminationSignals::of_process(&ioloop)?),
            false => None,
        };
        let executor = Executor::default();
        thread::scope(|scope| {
            let spawn = |number: usize| {
                let (workers, setup, executor) = (&self, &setup, &executor);
                let supervisor = ioloop.remote();
                let work = move || {
                    let _ended = TellEnd(supervisor);
                    workers.work(number, setup, executor)
                };
                let builder = thread::Builder::new().name(format!("squall-worker-{number}"));
                builder.spawn_scoped(scope, work)
            };
            let mut threads = Vec::with_capacity(self.count);
            let mut result = Ok(DrainReport::default());
            for number in 0..self.count {
                match spawn(number) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        self.crew.order(at_once());
                        result = Err(error);
                        break;
                    }
                }
            }
            let watched = ioloop.run_until(self.watch(&ioloop, signals, threads.len()));
            if let Err(error) = watched {
                self.crew.order(at_once());
                result = Err(error);
            }
            for thread in threads {
                let ended = thread
                    .join()
                    .unwrap_or_else(|payload| resume_unwind(payload));
                result = sum(result, ended);
            }
            result
        })
    }

    /// Passes orders on until all workers have ended.
    async fn watch(&self, ioloop: &Handle, signals: Option<TerminationSignals>, count: usize) {
        let all_ended = async {
            let ended = Mailbox::<Ended>::of(ioloop);
            for _ in 0..count {
                ended.next().await;
            }
        };
        let signalled = async {
            let Some(mut signals) = signals else {
                return std::future::pending().await;
            };
            let mut deadlines = self.deadlines;
            while signals.next().await.is_ok() {
                self.crew.order(deadlines);
                deadlines = at_once();
            }
            std::future::pending().await
        };
        let (mut all_ended, mut signalled) = (pin!(all_ended), pin!(signalled));
        poll_fn(|cx| {
            let _: Poll<()> = signalled.as_mut().poll(cx);
            all_ended.as_mut().poll(cx)
        })
        .await;
    }

    // ---- on the worker's thread

    fn work(
        &self,
        number: usize,
        setup: &(impl Fn(&IoLoop, usize) -> io::Result<HttpServer> + Sync),
        executor: &Executor,
    ) -> io::Result<DrainReport> {
        let mut back_off = BACK_OFF_MIN;
        let mut has_served = false;
        loop {
            let ended = catch_unwind(AssertUnwindSafe(|| {
                self.serve(number, setup, executor, &mut has_served)
            }));
            let failure = match ended {
                Ok(Ok(report)) => return Ok(report),
                // It could not begin: nobody would know why if it were tried again and again.
                Ok(Err(error)) if !has_served => {
                    self.crew.order(at_once());
                    return Err(error);
                }
                Err(payload) if !has_served => {
                    self.crew.order(at_once());
                    resume_unwind(payload);
                }
                Ok(Err(error)) => error,
                Err(payload) => io::Error::other(panic_text(&*payload).to_owned()),
            };
            if !self.crew.may_restart(self.restarts_max) {
                self.crew.order(self.deadlines);
                return Err(failure);
            }
            tracing::error!(
                target: "squall::httpserver",
                worker = number,
                error = ?failure.to_string(),
                "a worker has failed, and is started again"
            );
            if self.crew.is_stopping_within(back_off) {
                return Ok(DrainReport::default());
            }
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    fn serve(
        &self,
        number: usize,
        setup: &(impl Fn(&IoLoop, usize) -> io::Result<HttpServer> + Sync),
        executor: &Executor,
        has_served: &mut bool,
    ) -> io::Result<DrainReport> {
        let ioloop = IoLoop::builder().executor(executor).build()?;
        if self.ends_on_panic {
            ioloop.set_exception_handler(|ioloop, exception| {
                tracing::error!(
                    target: "squall::httpserver",
                    message = ?exception.message(),
                    "uncaught panic: the worker ends"
                );
                ioloop.stop();
            });
        }
        let server = setup(&ioloop, number)?;
        *has_served = true;
        self.crew.enrol(&ioloop);
        let orders = Mailbox::<DrainDeadlines>::of(&ioloop);
        ioloop.run_until(async {
            let first = orders.next().await;
            server
                .drain_in_order(first, async || orders.next().await)
                .await
        })
    }
}

/// A worker's thread has come to its end.
struct Ended;

/// Tells the supervisor, also when the thread panics.
struct TellEnd(Remote);

impl Drop for TellEnd {
    fn drop(&mut self) {
        // Fails when the supervisor has gone, which waits for this thread anyway.
        let _ = self.0.add_callback(|ioloop| Mailbox::of(ioloop).put(Ended));
    }
}

/// The first failure, or all reports in one.
fn sum(all: io::Result<DrainReport>, one: io::Result<DrainReport>) -> io::Result<DrainReport> {
    let mut all = all?;
    all.add(&one?);
    Ok(all)
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text")
}

/// Stops [`Workers`], from any thread.
///
/// ```
/// use squall_httpserver::{DrainDeadlines, Workers};
/// let workers = Workers::new(4);
/// let handle = workers.handle();
/// std::thread::spawn(move || {
///     // When it is time:
///     handle.stop(DrainDeadlines::default());
/// });
/// ```
#[derive(Clone)]
pub struct WorkersHandle {
    crew: Arc<Crew>,
}

impl WorkersHandle {
    /// Has all workers stop gracefully. Calling it again, with shorter deadlines, hurries them.
    pub fn stop(&self, deadlines: DrainDeadlines) {
        self.crew.order(deadlines);
    }
}

/// Who works, and what they were told.
#[derive(Default)]
struct Crew {
    roll: Mutex<Roll>,
    /// Told when there is an order.
    ordered: Condvar,
}

#[derive(Default)]
struct Roll {
    remotes: Vec<Remote>,
    order: Option<DrainDeadlines>,
    restarts: usize,
}

impl Crew {
    /// Orders are for those who come later, too.
    fn order(&self, deadlines: DrainDeadlines) {
        let mut roll = self.roll();
        roll.order = Some(deadlines);
        // Those whose loop is gone need no orders any more.
        roll.remotes.retain(|remote| tell(remote, deadlines));
        self.ordered.notify_all();
    }

    fn enrol(&self, ioloop: &Handle) {
        let mut roll = self.roll();
        let remote = ioloop.remote();
        if let Some(order) = roll.order {
            tell(&remote, order);
        }
        roll.remotes.push(remote);
    }

    fn may_restart(&self, restarts_max: usize) -> bool {
        let mut roll = self.roll();
        let may = roll.order.is_none() && roll.restarts < restarts_max;
        roll.restarts += usize::from(may);
        may
    }

    fn is_stopping_within(&self, time: Duration) -> bool {
        let waited = self
            .ordered
            .wait_timeout_while(self.roll(), time, |roll| roll.order.is_none());
        let (roll, _) = waited.unwrap_or_else(PoisonError::into_inner);
        roll.order.is_some()
    }

    fn roll(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(remote: &Remote, deadlines: DrainDeadlines) -> bool {
    let told = remote.add_callback(move |ioloop| Mailbox::of(ioloop).put(deadlines));
    told.is_ok()
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("count", &self.count)
            .field("deadlines", &self.deadlines)
            .field("restarts_max", &self.restarts_max)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WorkersHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkersHandle").finish_non_exhaustive()
    }
}
