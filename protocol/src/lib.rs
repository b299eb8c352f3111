//! The NATS client protocol as pure functions over byte slices.
#![forbid(unsafe_code)]
pub mod error;
pub mod limits;
pub mod op;
