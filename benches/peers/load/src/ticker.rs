//! A clock for the poller that ticks finer than a poller's timeout, which is in milliseconds.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Ticks at equal distances, however late they are looked at.
pub(crate) struct Ticker {
    timer: OwnedFd,
}

impl Ticker {
    /// Stands still until it is started.
    pub(crate) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let mut source = SourceFd(&timer.as_raw_fd());
        registry.register(&mut source, token, Interest::READABLE)?;
        Ok(Self { timer })
    }

    pub(crate) fn start(&self, interval: Duration) -> io::Result<()> {
        self.set(interval.max(Duration::from_nanos(1)))
    }

    pub(crate) fn stop(&self) -> io::Result<()> {
        self.set(Duration::ZERO)
    }

    fn set(&self, interval: Duration) -> io::Result<()> {
        let interval = Timespec::try_from(interval).map_err(io::Error::other)?;
        let times = Itimerspec {
            it_interval: interval,
            it_value: interval,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &times)?;
        Ok(())
    }

    /// How often it has ticked since this was asked last.
    pub(crate) fn ticks(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        match rustix::io::read(&self.timer, &mut count) {
            Ok(_) => Ok(u64::from_ne_bytes(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
