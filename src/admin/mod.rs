//! The supervisor's floor: starting, accepting, signals, stopping.
//!
//! Absent: anything that touches a client's bytes. It reaches shards only through their mail.

mod identity;
mod limits;
pub mod supervisor;
