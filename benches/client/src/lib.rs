//! The load client behind `fanfare bench`, and the tools `pub`, `sub`, `request` and `reply`.
//!
//! Absent: the broker. Everything here works against any server that speaks the NATS protocol, and
//! knows no more of it than a client does. Most scenarios load Redis and MQTT brokers as well: what
//! differs is behind [`wire`].
//!
//! A load run is a plan of connections with roles ([`scenario`]). The [`conductor`] opens them
//! ([`target`]), starts threads with an event loop each ([`engine`]), measures a [`window`] and
//! ends the run in good order; what the threads share is in [`run`] and [`flow`]. A role is a
//! [`publisher`], a [`subscriber`] or a [`requester`]; what each message carries is in [`payload`],
//! what a receiver makes of it in [`receipt`] and [`timings`]. The result is an [`outcome`], and
//! [`report`] shows it. Scenarios about connections alone use the [`dialer`] instead.
//!
//! What the machine itself costs is told by the [`relay`].
//!
//! A connection is a [`channel`], in clear or over [`tls`]; who we are to the server is in
//! [`credentials`]. The tools hold a blocking conversation each ([`tools`], over a [`link`]).
//! [`cli`] has the options of all.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod channel;
pub mod cli;
pub mod conductor;
pub mod conn;
pub mod control;
pub mod credentials;
pub mod denied;
pub mod dialer;
pub mod engine;
pub mod failure;
pub mod figure;
pub mod flow;
pub mod framing;
pub mod interrupt;
pub mod latency;
pub mod link;
pub mod link_error;
pub mod named_file;
pub mod outcome;
pub mod pacer;
pub mod payload;
pub mod procfs;
pub mod progress;
pub mod publisher;
pub mod receipt;
pub mod relay;
pub mod report;
pub mod requester;
pub mod run;
pub mod scenario;
pub mod secret;
pub mod subscriber;
pub mod target;
pub mod timings;
pub mod tls;
pub mod tools;
pub mod url;
pub mod window;
pub mod wire;
