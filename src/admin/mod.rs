//! The supervisor's floor: starting, accepting, signals, stopping.
//!
//! Absent: anything that touches a client's bytes. It reaches shards only through their mail.

pub mod identity;
mod limits;
mod placing;
pub mod run_error;
mod signals;
mod start;
mod stop;
pub mod supervisor;
