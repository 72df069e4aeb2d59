//! Calls that block, on threads: what comes back, what is cancelled, what is counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorder;

use std::cell::RefCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use squall_ioloop::{
    Executor, ExecutorOptions, IoLoop, Job, JobError, run_on_threads, sleep, with_timeout,
};

/// For what happens soon, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);

fn loop_with(options: ExecutorOptions) -> IoLoop {
    let executor = Executor::new(options);
    IoLoop::builder().executor(&executor).build().unwrap()
}

fn one_thread() -> ExecutorOptions {
    ExecutorOptions::default().threads_max(1)
}

fn wait_until(is_so: impl Fn() -> bool) {
    let begun_at = Instant::now();
    while !is_so() {
        assert!(begun_at.elapsed() < PATIENCE, "it never happens");
        spin_loop();
    }
}

/// Work that ends when it is told to, or when the gate is dropped.
struct Gate {
    job: Job<()>,
    begun: Receiver<()>,
    open: Sender<()>,
}

impl Gate {
    fn queued(ioloop: &IoLoop) -> Self {
        let (is_begun, begun) = mpsc::channel();
        let (open, is_open): (_, Receiver<()>) = mpsc::channel();
        let job = ioloop.run_in_executor(move || {
            is_begun.send(()).unwrap();
            let _ = is_open.recv();
        });
        Self { job, begun, open }
    }

    /// One that a thread stands before.
    fn shut(ioloop: &IoLoop) -> Self {
        let gate = Self::queued(ioloop);
        gate.wait_until_begun();
        gate
    }

    fn wait_until_begun(&self) {
        self.begun.recv_timeout(PATIENCE).unwrap();
    }

    fn open(self) -> Job<()> {
        drop(self.open);
        self.job
    }
}

#[test]
fn the_result_comes_from_another_thread() {
    let ioloop = IoLoop::new().unwrap();
    let here = thread::current().id();
    let work = move || (thread::current().id() != here, String::from("result"));
    let (is_elsewhere, text) = ioloop
        .run_until(ioloop.run_in_executor(work))
        .unwrap()
        .unwrap();
    assert!(is_elsewhere);
    assert_eq!(text, "result");
}

#[test]
fn a_job_is_begun_before_it_is_polled_and_keeps_its_result() {
    let ioloop = IoLoop::new().unwrap();
    let job = ioloop.run_in_executor(|| 7);
    wait_until(|| job.is_finished());
    assert_eq!(ioloop.run_until(job).unwrap().unwrap(), 7);
}

#[test]
fn a_panic_reaches_the_awaiter_and_costs_no_thread() {
    let ioloop = loop_with(one_thread());
    for _ in 0..3 {
        let job = ioloop.run_in_executor(|| panic!("on purpose"));
        let error = ioloop.run_until(job).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the work panicked: on purpose");
        assert!(matches!(error, JobError::Panicked(_)));
    }
    let job = ioloop.run_in_executor(|| "well");
    assert_eq!(ioloop.run_until(job).unwrap().unwrap(), "well");
    let metrics = ioloop.executor().metrics();
    assert_eq!((metrics.threads, metrics.finished), (1, 4));
}

#[test]
fn a_result_whose_destructor_panics_costs_no_thread() {
    let ioloop = loop_with(one_thread());
    let gate = Gate::shut(&ioloop);
    let (begun, has_begun) = mpsc::channel();
    let (open, is_open): (Sender<()>, _) = mpsc::channel();
    let unwanted = ioloop.run_in_executor(move || {
        begun.send(()).unwrap();
        let _ = is_open.recv();
        recorder::PanicOnDrop
    });
    drop(gate);
    has_begun.recv_timeout(PATIENCE).unwrap();
    drop(unwanted);
    drop(open);
    let job = ioloop.run_in_executor(|| "well");
    assert_eq!(ioloop.run_until(job).unwrap().unwrap(), "well");
    assert_eq!(ioloop.executor().metrics().threads, 1);
}

#[test]
fn threads_are_started_when_there_is_work_and_up_to_the_maximum() {
    let ioloop = loop_with(ExecutorOptions::default().threads_max(3));
    assert_eq!(ioloop.executor().metrics().threads, 0);
    let together = Arc::new(Barrier::new(4));
    let jobs: Vec<_> = (0..3)
        .map(|_| {
            let together = together.clone();
            ioloop.run_in_executor(move || {
                together.wait(); // All three are running.
                together.wait();
            })
        })
        .collect();
    together.wait();
    let queued: Vec<_> = (0..2)
        .map(|at| ioloop.run_in_executor(move || at))
        .collect();
    let metrics = ioloop.executor().metrics();
    assert_eq!(
        (metrics.threads, metrics.running, metrics.queued),
        (3, 3, 2)
    );
    together.wait();
    for job in jobs {
        ioloop.run_until(job).unwrap().unwrap();
    }
    for (at, job) in queued.into_iter().enumerate() {
        assert_eq!(ioloop.run_until(job).unwrap().unwrap(), at);
    }
    let metrics = ioloop.executor().metrics();
    assert_eq!(
        (metrics.threads, metrics.running, metrics.queued),
        (3, 0, 0)
    );
    assert_eq!(metrics.finished, 5);
}

#[test]
fn an_idle_thread_is_used_again() {
    let ioloop = IoLoop::new().unwrap();
    for _ in 0..20 {
        let job = ioloop.run_in_executor(|| ());
        ioloop.run_until(job).unwrap().unwrap();
    }
    assert_eq!(ioloop.executor().metrics().threads, 1);
}

#[test]
fn work_does_not_wait_for_the_destructor_of_a_result_that_nobody_wants() {
    struct Slow(Sender<()>, Receiver<()>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.send(()).expect("the test waits");
            // Until the test has seen that other work is done.
            let _ = self.1.recv();
        }
    }
    let ioloop = loop_with(ExecutorOptions::default().threads_max(2));
    let (begun, has_begun) = mpsc::channel();
    let (dropping, is_dropping) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let unwanted = ioloop.run_in_executor(move || {
        begun.send(()).expect("the test waits");
        let _ = may_go.recv();
        Slow(dropping, released)
    });
    has_begun.recv().unwrap();
    drop(unwanted);
    drop(go);
    is_dropping.recv().unwrap();
    let other = ioloop.run_in_executor(|| "other");
    assert_eq!(ioloop.run_until(other).unwrap().unwrap(), "other");
    assert_eq!(ioloop.executor().metrics().threads, 2);
    drop(release);
}

#[test]
fn a_queue_of_nothing_refuses_only_what_would_wait() {
    let ioloop = loop_with(ExecutorOptions::default().threads_max(1).queued_max(0));
    for _ in 0..3 {
        let gate = Gate::shut(&ioloop);
        let refused = ioloop.run_until(ioloop.run_in_executor(|| ())).unwrap();
        assert!(matches!(
            refused,
            Err(JobError::QueueFull { queued_max: 0 })
        ));
        ioloop.run_until(gate.open()).unwrap().unwrap();
    }
    let metrics = ioloop.executor().metrics();
    assert_eq!((metrics.finished, metrics.refused), (3, 3));
}

#[test]
fn queued_work_whose_job_is_dropped_never_starts_and_is_dropped_at_once() {
    let ioloop = loop_with(one_thread());
    let gate = Gate::shut(&ioloop);
    let has_started = Arc::new(AtomicBool::new(false));
    let inner = has_started.clone();
    let job = ioloop.run_in_executor(move || inner.store(true, Ordering::SeqCst));
    let behind = ioloop.run_in_executor(|| "behind");
    assert_eq!(Arc::strong_count(&has_started), 2);
    assert_eq!(ioloop.executor().metrics().queued, 2);
    drop(job);
    assert_eq!(Arc::strong_count(&has_started), 1);
    assert_eq!(ioloop.executor().metrics().queued, 1);
    ioloop.run_until(gate.open()).unwrap().unwrap();
    assert_eq!(ioloop.run_until(behind).unwrap().unwrap(), "behind");
    assert!(!has_started.load(Ordering::SeqCst));
    let metrics = ioloop.executor().metrics();
    assert_eq!((metrics.cancelled, metrics.finished), (1, 2));
}

#[test]
fn a_timeout_takes_work_off_the_queue() {
    let ioloop = loop_with(one_thread());
    let gate = Gate::shut(&ioloop);
    let job = ioloop.run_in_executor(|| unreachable!("it is cancelled"));
    let result: Result<Result<(), _>, _> = ioloop
        .run_until(with_timeout(Duration::from_millis(1), job))
        .unwrap();
    assert!(result.is_err());
    assert_eq!(ioloop.executor().metrics().queued, 0);
    ioloop.run_until(gate.open()).unwrap().unwrap();
}

#[test]
fn a_full_queue_refuses_and_says_so() {
    let ioloop = loop_with(one_thread().queued_max(2));
    let gate = Gate::shut(&ioloop);
    let kept = [ioloop.run_in_executor(|| 0), ioloop.run_in_executor(|| 1)];
    let refused = ioloop.run_until(ioloop.run_in_executor(|| 2)).unwrap();
    assert!(matches!(
        refused,
        Err(JobError::QueueFull { queued_max: 2 })
    ));
    assert_eq!(ioloop.executor().metrics().refused, 1);
    ioloop.run_until(gate.open()).unwrap().unwrap();
    for (at, job) in kept.into_iter().enumerate() {
        assert_eq!(ioloop.run_until(job).unwrap().unwrap(), at);
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn work_that_no_thread_can_be_started_for_is_refused() {
    // A stack that no address space has room for.
    let ioloop = loop_with(ExecutorOptions::default().stack_bytes(1 << 50));
    for refused in 1..3 {
        let job = ioloop.run_in_executor(|| ());
        let error = ioloop.run_until(job).unwrap().unwrap_err();
        assert!(matches!(error, JobError::NoThread(_)), "{error}");
        let metrics = ioloop.executor().metrics();
        assert_eq!(
            (metrics.refused, metrics.queued, metrics.threads),
            (refused, 0, 0)
        );
    }
    let roomy = loop_with(ExecutorOptions::default().stack_bytes(1 << 25));
    let job = roomy.run_in_executor(|| {
        let large = [1_u8; 1 << 22];
        std::hint::black_box(&large).len()
    });
    assert_eq!(roomy.run_until(job).unwrap().unwrap(), 1 << 22);
}

#[test]
fn idle_threads_end() {
    let ioloop = loop_with(ExecutorOptions::default().idle_time(Duration::ZERO));
    let job = ioloop.run_in_executor(|| ());
    ioloop.run_until(job).unwrap().unwrap();
    wait_until(|| ioloop.executor().metrics().threads == 0);
    // And are started again.
    let job = ioloop.run_in_executor(|| 1);
    assert_eq!(ioloop.run_until(job).unwrap().unwrap(), 1);
}

/// Tells when its thread ends.
struct AtThreadEnd(Sender<()>);

impl Drop for AtThreadEnd {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

thread_local! {
    static AT_THREAD_END: RefCell<Option<AtThreadEnd>> = const { RefCell::new(None) };
}

#[test]
fn idle_threads_end_at_once_when_their_executor_is_dropped() {
    let ioloop = loop_with(ExecutorOptions::default().idle_time(HOUR));
    let (ended, has_ended) = mpsc::channel();
    let job = ioloop.run_in_executor(move || {
        AT_THREAD_END.set(Some(AtThreadEnd(ended)));
    });
    ioloop.run_until(job).unwrap().unwrap();
    drop(ioloop);
    has_ended.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn dropping_the_loop_waits_for_nobody_and_cancels_what_its_tasks_wait_for() {
    let ioloop = loop_with(one_thread());
    let gate = Gate::shut(&ioloop);
    let has_started = Arc::new(AtomicBool::new(false));
    let inner = has_started.clone();
    let job = ioloop.run_in_executor(move || inner.store(true, Ordering::SeqCst));
    ioloop.spawn_detached(async move {
        let _ = job.await;
    });
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    drop(ioloop);
    assert_eq!(Arc::strong_count(&has_started), 1);
    drop(gate);
}

#[test]
fn what_outlives_the_loop_is_done_all_the_same() {
    let ioloop = loop_with(one_thread());
    let gate = Gate::shut(&ioloop);
    let job = ioloop.run_in_executor(|| "done");
    drop(ioloop);
    drop(gate);
    let other = IoLoop::new().unwrap();
    assert_eq!(other.run_until(job).unwrap().unwrap(), "done");
}

#[test]
fn jobs_cross_threads_if_their_results_can() {
    fn assert_send<T: Send>(_: &T) {}
    let ioloop = IoLoop::new().unwrap();
    assert_send(&ioloop.run_in_executor(|| ()));
    assert_send(ioloop.executor());
}

#[test]
#[cfg(target_os = "linux")]
fn results_for_a_loop_that_is_awake_cost_no_system_call() {
    let ioloop = loop_with(one_thread());
    let done = std::rc::Rc::new(std::cell::Cell::new(0));
    let gate = Gate::shut(&ioloop);
    for _ in 0..100 {
        let job = ioloop.run_in_executor(|| ());
        let done = done.clone();
        ioloop.spawn_detached(async move {
            job.await.unwrap();
            done.set(done.get() + 1);
        });
    }
    // All are waiting.
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    let last = Gate::queued(&ioloop);
    let before = recorder::rings(&ioloop);
    let job = gate.open();
    last.wait_until_begun();
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(done.get(), 100);
    assert_eq!(recorder::rings(&ioloop) - before, 0);
    drop((job, last));
}

#[test]
fn on_a_virtual_clock_time_stands_still_while_work_is_under_way() {
    let ioloop = IoLoop::builder().virtual_clock().build().unwrap();
    let remote = ioloop.remote();
    let begun_at = ioloop.now();
    // The loop is idle fifty times before the work ends.
    let job = ioloop.run_in_executor(move || {
        for _ in 0..50 {
            let (turned, has_turned) = mpsc::channel();
            remote
                .add_callback(move |_| turned.send(()).unwrap())
                .unwrap();
            has_turned.recv_timeout(PATIENCE).unwrap();
        }
        "in time"
    });
    let result = ioloop
        .run_until(with_timeout(Duration::from_millis(1), job))
        .unwrap();
    assert_eq!(result.unwrap().unwrap(), "in time");
    assert_eq!(ioloop.now(), begun_at);
    // And goes on after it.
    ioloop.run_until(sleep(HOUR)).unwrap();
    assert_eq!(ioloop.now() - begun_at, HOUR);
}

#[test]
fn cancelled_work_holds_no_virtual_time() {
    let ioloop = IoLoop::builder()
        .virtual_clock()
        .executor(&Executor::new(one_thread()))
        .build()
        .unwrap();
    let other = IoLoop::builder()
        .executor(ioloop.executor())
        .build()
        .unwrap();
    let gate = Gate::shut(&other);
    drop(ioloop.run_in_executor(|| ()));
    ioloop.run_once(Some(Duration::ZERO)).unwrap();
    // While time was held, it would go on waiting for what holds it.
    let wait = catch_unwind(AssertUnwindSafe(|| ioloop.run_once(None)));
    assert!(wait.is_err(), "nothing is left that could happen");
    other.run_until(gate.open()).unwrap().unwrap();
}

#[test]
fn the_loops_of_one_process_share_their_threads() {
    let started = AtomicUsize::new(0);
    run_on_threads(3, |ioloop, _| {
        let executor = ioloop.executor().clone();
        let job = ioloop.run_in_executor(|| ());
        let handle = ioloop.handle().clone();
        started.fetch_add(1, Ordering::SeqCst);
        ioloop.spawn_detached(async move {
            job.await.unwrap();
            while executor.metrics().finished < 3 {
                sleep(Duration::from_millis(1)).await;
            }
            handle.stop();
        });
        Ok(())
    })
    .unwrap();
    assert_eq!(started.into_inner(), 3);
}

#[test]
fn whatever_is_dropped_meanwhile_all_else_is_done_once() {
    const JOBS: u64 = 2_000;
    let ioloop = loop_with(
        ExecutorOptions::default()
            .threads_max(3)
            .idle_time(Duration::ZERO),
    );
    let runs = Arc::new(AtomicUsize::new(0));
    let mut kept = Vec::new();
    for at in 0..JOBS {
        let runs = runs.clone();
        let job = ioloop.run_in_executor(move || {
            runs.fetch_add(1, Ordering::SeqCst);
            at
        });
        if at.wrapping_mul(2_654_435_761) % 3 > 0 {
            kept.push((at, job));
        }
    }
    for (at, job) in kept {
        assert_eq!(ioloop.run_until(job).unwrap().unwrap(), at);
    }
    wait_until(|| ioloop.executor().metrics().threads == 0);
    let metrics = ioloop.executor().metrics();
    assert_eq!(metrics.finished + metrics.cancelled, JOBS);
    assert_eq!(runs.load(Ordering::SeqCst) as u64, metrics.finished);
}
