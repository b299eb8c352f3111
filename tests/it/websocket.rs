//! WebSocket: requests, frames and packed messages, by raw sockets, client libraries and a browser.
//!
//! Absent: the grammar of frames cut at every place, which the protocol crate tests.

mod client;
mod closing;
mod frames;
mod packed;
mod pages;
mod requests;
mod users;
