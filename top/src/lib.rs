//! `fanfare top`: what a running broker does, in a terminal, from its monitoring port.
//!
//! Absent: the broker. Everything here is learnt from `/varz`, `/connz` and, where there is one,
//! `/statusz`, so that it works with any server that has nats-server's monitoring.
//!
//! A [`poll`] thread asks ([`http`]) a [`site`] for a [`snapshot`] again and again; the [`model`]
//! makes rates of two of them and keeps what the person at the terminal has chosen ([`sort`],
//! filter, pause). [`view`] draws it, [`screen`] is the terminal and its keys, and [`batch`] is the
//! same as plain text, once. [`args`] has the options.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod args;
pub mod batch;
pub mod history;
pub mod http;
pub mod keys;
pub mod model;
pub mod poll;
pub mod screen;
pub mod site;
pub mod snapshot;
pub mod sort;
pub mod span;
pub mod table;
pub mod view;
