//! Gives free memory back to the system, where the C library's allocator would keep it.
//!
//! Absent: allocating, and when it is worthwhile. Only glibc has what this needs; elsewhere the
//! function does nothing, because allocators elsewhere give memory back by themselves or never.

#![deny(unsafe_code)]

#[cfg_attr(not(all(target_os = "linux", target_env = "gnu")), path = "elsewhere.rs")]
mod glibc;

pub use glibc::give_back;
