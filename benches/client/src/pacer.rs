//! A timer that wakes an event loop to the microsecond; the loop's own time-outs count in
//! milliseconds, which is no good for ten thousand messages a second.
//!
//! Absent: the schedule. On systems without such a timer there is none and the loop's own must do.

#[cfg(target_os = "linux")]
pub use self::linux::Pacer;
#[cfg(not(target_os = "linux"))]
pub use self::other::Pacer;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// A timer of the kernel.
    #[derive(Debug)]
    pub struct Pacer {
        timer: OwnedFd,
        /// What the timer was last set to.
        armed_for_ns: Option<u64>,
    }

    impl Pacer {
        /// A timer that wakes the loop of `registry`. Each expiry is a new event even when the one
        /// before was not read, so the timer is never read.
        pub fn new(registry: &Registry, token: Token) -> io::Result<Option<Self>> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Some(Self { timer, armed_for_ns: None }))
        }

        /// Sets the timer, unless it is set so already, and returns how long the loop should
        /// sleep at most.
        pub fn arm(&mut self, due_ns: u64, now_ns: u64) -> Duration {
            let delay = Duration::from_nanos(due_ns.saturating_sub(now_ns));
            if delay.is_zero() {
                return Duration::ZERO;
            }
            // A millisecond more than the timer, for the case that its event goes astray.
            let at_most = delay + Duration::from_millis(2);
            if self.armed_for_ns == Some(due_ns) {
                return at_most;
            }
            let spec = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec {
                    tv_sec: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: delay.subsec_nanos().into(),
                },
            };
            match timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec) {
                Ok(_) => {
                    self.armed_for_ns = Some(due_ns);
                    at_most
                }
                Err(_) => delay,
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;
    use std::time::Duration;

    use mio::{Registry, Token};

    /// No timer.
    #[derive(Debug)]
    pub struct Pacer;

    impl Pacer {
        /// There is none here.
        pub fn new(_: &Registry, _: Token) -> io::Result<Option<Self>> {
            Ok(None)
        }

        /// Never called, because there is none.
        pub fn arm(&mut self, due_ns: u64, now_ns: u64) -> Duration {
            Duration::from_nanos(due_ns.saturating_sub(now_ns))
        }
    }
}
