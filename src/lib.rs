//! Fanfare, the broker.
#![forbid(unsafe_code)]
