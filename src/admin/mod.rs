//! The supervisor's floor: starting, accepting, signals, stopping.
//!
//! Absent: anything that touches a client's bytes. It reaches shards only through their mail.

mod apply;
mod fetching;
mod files;
mod handing_over;
pub mod identity;
mod lame_duck;
mod limits;
mod listeners;
pub(crate) mod monitor;
mod notify;
mod placing;
mod policy;
mod premises;
mod reload;
pub mod run_error;
mod shards;
mod signals;
pub(crate) mod source;
mod start;
mod stop;
pub mod supervisor;
pub(crate) mod taking_over;
mod upgrade;
pub(crate) mod verify;
mod watch;
mod welcome;
