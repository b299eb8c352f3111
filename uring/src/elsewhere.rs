//! What stands for the ring where there is none.
//!
//! Absent: sending. A ring cannot be had here.

use std::io;

use super::{Outcomes, Send};

/// A ring that nobody can have.
#[derive(Debug)]
pub struct Ring(std::convert::Infallible);

impl Ring {
    /// Sends that one call takes at most.
    pub const SENDS_MAX: usize = 256;

    /// Says that this system has no io_uring.
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Is never called.
    pub fn send<'a>(
        &mut self,
        _: impl Iterator<Item = Option<Send<'a>>>,
        _: &mut Outcomes,
    ) -> io::Result<()> {
        match self.0 {}
    }
}
