//! Fanfare, a lightweight publish/subscribe message broker that speaks the NATS client protocol.
//!
//! This crate is the broker; the wire is the crate `fanfare_protocol`. Floors, lower ones first, and
//! a file imports only from below: [`config`] (what an operator may set), [`core`] (the broker as a
//! deterministic value), `io` (sockets, threads, queues), `admin` (start, log, stop), `cli`.
#![forbid(unsafe_code)]

pub mod config;
pub mod core;
