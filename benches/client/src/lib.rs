//! The load client behind `fanfare bench`, and the tools `pub`, `sub`, `request` and `reply`.
#![forbid(unsafe_code)]
pub mod figure;
pub mod latency;
pub mod payload;
pub mod procfs;
pub mod url;
