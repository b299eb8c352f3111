//! Tests of operator mode: the chain as it should be, and each known way to break it.

mod attacks;
mod chain;
pub(crate) mod fixtures;
mod sharing;
mod start;
