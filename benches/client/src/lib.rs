//! The load client behind `fanfare bench`, and the tools `pub`, `sub`, `request` and `reply`.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod cli;
pub mod conductor;
pub mod conn;
pub mod control;
pub mod dialer;
pub mod engine;
pub mod failure;
pub mod figure;
pub mod flow;
pub mod interrupt;
pub mod latency;
pub mod link;
pub mod outcome;
pub mod pacer;
pub mod payload;
pub mod procfs;
pub mod progress;
pub mod publisher;
pub mod receipt;
pub mod report;
pub mod requester;
pub mod run;
pub mod scenario;
pub mod subscriber;
pub mod timings;
pub mod tools;
pub mod url;
pub mod window;
