//! The only floor with system calls: sockets, threads, the queues between shards, the log's file.
//!
//! Absent: decisions. What a message means and who gets it is `core`'s; this floor carries bytes
//! and batches in the order that `core::turn` prescribes.

pub(crate) mod accept;
pub(crate) mod account_files;
pub mod bell;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod desk;
pub(crate) mod disk;
pub(crate) mod doorkeeper;
mod ebb;
pub(crate) mod errno;
pub(crate) mod exchange;
mod fault;
pub(crate) mod gate;
pub(crate) mod handover;
pub(crate) mod heap;
pub(crate) mod http;
mod layer;
pub(crate) mod ledger;
mod lobby;
pub mod log;
mod log_file;
pub mod log_line;
pub mod log_sink;
pub(crate) mod meter;
pub(crate) mod moving;
pub(crate) mod peak;
pub(crate) mod reactor;
pub(crate) mod resolver;
mod sleep_timer;
mod sleeping;
mod socket;
mod sparse;
mod spin;
pub(crate) mod stream;
mod syslog;
pub(crate) mod tls;
pub(crate) mod volley;
pub(crate) mod web;
pub(crate) mod websocket;
mod who;
pub(crate) mod worker;
