//! The ring of one thread.
//!
//! Absent: any request that could wait, and threads of the kernel that take requests by themselves
//! (SQPOLL): what was not handed over by a call of ours is never looked at.
#![allow(unsafe_code, reason = "the kernel is told addresses; see `Ring::send`")]

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, types};
use rustix::net::SendFlags;

use super::{Outcomes, Send};

/// A ring in which no request is under way.
pub struct Ring {
    /// Nothing once it has failed.
    ring: Option<IoUring>,
}

impl Ring {
    /// Sends that one call takes at most.
    pub const SENDS_MAX: usize = 256;

    /// Asks the kernel for a ring. An old kernel, a setting of the system or a filter of system
    /// calls may refuse it.
    pub fn new() -> io::Result<Self> {
        // INVARIANT: the number of entries is small.
        let entries = u32::try_from(Self::SENDS_MAX).unwrap_or(u32::MAX);
        // All of a call are tried, whatever becomes of one of them.
        let ring = IoUring::builder().setup_submit_all().setup_coop_taskrun().build(entries)?;
        Ok(Self { ring: Some(ring) })
    }

    /// Sends to each socket as much as it takes at once, and says what became of each; nothing
    /// becomes of `None`. More than [`Ring::SENDS_MAX`] are not tried.
    ///
    /// An error says that the ring can be used no more, and that some may not have been tried.
    pub fn send<'a>(
        &mut self,
        sends: impl Iterator<Item = Option<Send<'a>>>,
        outcomes: &mut Outcomes,
    ) -> io::Result<()> {
        outcomes.clear();
        // Taken out, so that requests which were queued when an iterator panicked end with it.
        let Some(mut ring) = self.ring.take() else {
            outcomes.extend(sends.map(|_| Err(io::ErrorKind::Interrupted.into())));
            return Err(io::ErrorKind::NotConnected.into());
        };
        let (mut queue, mut left) = (ring.submission(), 0);
        for (number, send) in (0..).zip(sends) {
            outcomes.push(Err(io::ErrorKind::Interrupted.into()));
            let Some(send) = send else { continue };
            let length = u32::try_from(send.bytes.len()).unwrap_or(u32::MAX);
            let socket = types::Fd(send.socket.as_raw_fd());
            let entry = opcode::Send::new(socket, send.bytes.as_ptr(), length)
                .flags(FLAGS.bits().cast_signed())
                .build()
                .user_data(number);
            // SAFETY: the kernel uses the descriptor and reads at most `length` bytes from the
            // pointer until the request's completion. Both are borrowed for 'a, which is longer
            // than this function runs, and the ring outlives it only without requests: it does
            // not return before every one that the kernel has taken has completed, and drops the
            // ring if it has not taken all.
            left += usize::from(unsafe { queue.push(&entry) }.is_ok());
        }
        drop(queue);
        while left > 0 {
            let entered = ring.submit_and_wait(left);
            left -= reap(&mut ring, outcomes);
            match entered {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    end(ring, left);
                    return Err(error);
                }
                Ok(_) | Err(_) => {}
            }
        }
        self.ring = Some(ring);
        Ok(())
    }
}

/// Gives a ring up, `left` of whose requests have no result.
fn end(mut ring: IoUring, left: usize) {
    // What the kernel has not taken it never will: only a call with this ring could hand it over,
    // and there is none any more.
    if left > ring.submission().len() {
        // A request that does not wait has completed when the call returns that hands it over. If
        // one has not, the kernel may still read memory that will not be ours for much longer.
        std::process::abort();
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Ring").field("works", &self.ring.is_some()).finish()
    }
}

/// Takes the results that are there; says how many.
fn reap(ring: &mut IoUring, outcomes: &mut Outcomes) -> usize {
    let mut taken = 0;
    for completion in ring.completion() {
        let result = completion.result();
        let place = usize::try_from(completion.user_data()).ok();
        if let Some(outcome) = place.and_then(|place| outcomes.get_mut(place)) {
            *outcome = match usize::try_from(result) {
                Ok(bytes) => Ok(bytes),
                Err(_) => Err(io::Error::from_raw_os_error(-result)),
            };
        }
        taken += 1;
    }
    taken
}

/// A request with `MSG_DONTWAIT` completes within the call that hands it over.
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

#[cfg(test)]
mod tests;
