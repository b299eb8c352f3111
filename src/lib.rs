//! Fanfare, a lightweight publish/subscribe message broker that speaks the NATS client protocol.
//!
//! This crate is the broker; the wire is the crate `fanfare_protocol`. Floors, lower ones first,
//! and a file imports only from below: [`config`] (what an operator may set), [`core`] (the broker
//! as a deterministic value), [`io`] (sockets, TLS, threads, queues), [`admin`] (start, accept,
//! reload, stop), [`cli`] (the command line).
#![forbid(unsafe_code)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a poller's token carries a slot and a generation and needs 64 bits");

pub mod admin;
pub mod cli;
pub mod config;
pub mod core;
pub mod io;
