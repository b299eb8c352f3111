//! Whether many sends go to the kernel in one call.
//!
//! Absent: how (`io::volley`).

use std::fmt;

/// What an operator wants of Linux's io_uring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IoUring {
    /// Use it where the system lets us, and say nothing where it does not.
    #[default]
    Auto,
    /// Use it, or do not start.
    On,
    /// Do without.
    Off,
}

impl IoUring {
    /// The wish of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "on" => Some(Self::On),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

impl fmt::Display for IoUring {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        })
    }
}
