//! What happened, in order: the witness that the suites share.

#![allow(dead_code, reason = "no suite needs all of it")]

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use squall_ioloop::{Handle, IoLoop};

#[derive(Clone, Default)]
pub(crate) struct Log {
    names: Rc<RefCell<Vec<&'static str>>>,
}

impl Log {
    pub(crate) fn push(&self, name: &'static str) {
        self.names.borrow_mut().push(name);
    }

    /// All since the last time this was asked.
    pub(crate) fn take(&self) -> Vec<&'static str> {
        self.names.take()
    }

    pub(crate) fn len(&self) -> usize {
        self.names.borrow().len()
    }

    pub(crate) fn pushing(&self, name: &'static str) -> impl FnOnce() + use<> {
        let log = self.clone();
        move || log.push(name)
    }

    pub(crate) fn pushing_future(&self, name: &'static str) -> impl Future<Output = ()> + use<> {
        let log = self.clone();
        async move { log.push(name) }
    }

    /// What another thread may run to have `name` pushed on the loop.
    pub(crate) fn remote(
        &self,
        ioloop: &IoLoop,
        name: &'static str,
    ) -> impl FnOnce() + Send + use<> {
        let kept = self.clone();
        let _kept = ioloop.local(move || kept);
        let remote = ioloop.remote();
        move || {
            remote
                .add_callback(move |ioloop: &Handle| {
                    ioloop.local(Self::default).push(name);
                })
                .expect("the loop is there");
        }
    }
}

/// Pushes its name when it is dropped.
pub(crate) struct OnDrop(pub(crate) Log, pub(crate) &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.push(self.1);
    }
}

/// Panics when it is dropped.
pub(crate) struct PanicOnDrop;

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        panic!("a destructor");
    }
}

/// What the exception handler of the loop is told, from now on.
pub(crate) fn exceptions(ioloop: &IoLoop) -> Rc<RefCell<Vec<String>>> {
    let heard: Rc<RefCell<Vec<String>>> = Rc::default();
    let inner = heard.clone();
    ioloop.set_exception_handler(move |_, exception| {
        let line = format!("{:?}: {}", exception.origin, exception.message());
        inner.borrow_mut().push(line);
    });
    heard
}

/// How often the bell of a loop was rung. It is an eventfd that is never read, so its counter is
/// the number of writes; the poller's table of descriptors tells which one it is, by its token.
#[cfg(target_os = "linux")]
pub(crate) fn rings(ioloop: &IoLoop) -> u64 {
    use std::os::fd::{AsFd, AsRawFd};
    let about = |fd: &str| std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    let poller = about(&ioloop.as_fd().as_raw_fd().to_string());
    let bell = poller
        .lines()
        .find(|line| line.contains("data: ffffffffffffffff"))
        .and_then(|line| line.split_whitespace().nth(1))
        .expect("the bell has the greatest token");
    let about_bell = about(bell);
    let count = about_bell
        .lines()
        .find_map(|line| line.strip_prefix("eventfd-count:"))
        .expect("an eventfd");
    u64::from_str_radix(count.trim(), 16).unwrap()
}
