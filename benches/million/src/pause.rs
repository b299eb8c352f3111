//! Time that passes while a measurement stands still on purpose.
//!
//! Absent: waiting for an event; that is the crowd's poll.

use std::io;
use std::time::Duration;

use mio::{Events, Poll};

/// A poller that watches nothing.
pub(crate) struct Pause {
    poll: Poll,
    events: Events,
}

impl Pause {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(1) })
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, duration: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(duration)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }
}
