//! When a shard's sleep ends by itself: one timer of the system, set again only for earlier times.
//!
//! Absent: what is due (`core::timer`). A timeout given to each poll is a timer made and taken away
//! for each message at a low rate; nearly every one is for the same distant moment. A sleep that
//! ends too early costs one empty turn.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::core::time::Instant;

/// See the module's head.
#[derive(Debug)]
pub(super) struct SleepTimer {
    timer: OwnedFd,
    /// When it goes off; `None` when it has gone off.
    set_for: Option<Instant>,
}

impl SleepTimer {
    /// The token of its event.
    pub(super) const TOKEN: Token = Token(usize::MAX - 1);

    /// A timer that ends a poller's sleep.
    pub(super) fn new(poll: &Poll) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let (source, interest) = (timer.as_fd().as_raw_fd(), Interest::READABLE);
        poll.registry().register(&mut SourceFd(&source), Self::TOKEN, interest)?;
        Ok(Self { timer, set_for: None })
    }

    /// Whether it goes off at this time or before, as it is set.
    #[inline]
    pub(super) fn is_set_for(&self, at: Instant) -> bool {
        self.set_for.is_some_and(|set_for| set_for <= at)
    }

    /// Sets it for a time that is still to come.
    pub(super) fn set(&mut self, at: Instant, now: Instant) -> io::Result<()> {
        let left = at.since_ns(now).max(1);
        let it_value = Timespec {
            // INVARIANT: a count of nanoseconds has fewer seconds than fit.
            tv_sec: i64::try_from(left / NS_PER_S).unwrap_or(i64::MAX),
            tv_nsec: (left % NS_PER_S).try_into().unwrap_or(0),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.set_for = Some(at);
        Ok(())
    }

    /// Notes that it has gone off.
    pub(super) fn note_gone_off(&mut self) {
        self.set_for = None;
    }
}

const NS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use mio::Events;

    use super::*;
    use crate::io::clock::Clock;

    fn timer() -> (SleepTimer, Poll, Clock) {
        let poll = Poll::new().expect("a poller");
        let timer = SleepTimer::new(&poll).expect("a timer");
        (timer, poll, Clock::from(Instant::default()))
    }

    #[test]
    fn a_sleep_ends_when_it_goes_off_and_again_when_it_is_set_again() {
        let (mut timer, mut poll, clock) = timer();
        let mut events = Events::with_capacity(4);
        for _ in 0..3 {
            let now = clock.now();
            let at = now.after_ns(2_000_000);
            timer.set(at, now).expect("a timer");
            assert!(timer.is_set_for(at) && !timer.is_set_for(now));
            events.clear();
            while events.is_empty() {
                poll.poll(&mut events, None).expect("a poller");
            }
            assert_eq!(events.iter().next().map(mio::event::Event::token), Some(SleepTimer::TOKEN));
            assert!(clock.now() >= at);
            timer.note_gone_off();
            assert!(!timer.is_set_for(at));
        }
    }

    #[test]
    fn an_earlier_time_takes_the_place_of_a_later_one() {
        let (mut timer, mut poll, clock) = timer();
        let now = clock.now();
        timer.set(now.after_ns(3_600 * NS_PER_S), now).expect("a timer");
        let at = now.after_ns(1);
        assert!(!timer.is_set_for(at));
        timer.set(at, clock.now()).expect("a timer");
        let mut events = Events::with_capacity(4);
        while events.is_empty() {
            poll.poll(&mut events, None).expect("a poller");
        }
        assert!(timer.is_set_for(at), "who looks at the events notes that it has gone off");
    }
}
