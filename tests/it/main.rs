//! The broker's binary over real sockets: wire transcripts, limits, lifecycle, real clients.
//!
//! Absent: sleeps, retries and fixed ports. A test waits for an event (a line of the log, bytes on
//! a socket, the end of a process) and gives up at one generous deadline. The binary under test is
//! the one cargo built, or the one that `FANFARE_TEST_SERVER` names: a real nats-server there
//! checks that these tests ask for what the protocol's reference does.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and says where"
)]

mod accounts;
mod auth_matrix;
mod broker;
mod bursts;
mod command_line;
mod configurations;
mod crowd;
mod descriptors;
mod files;
mod foreign;
mod health;
mod io_uring;
mod json_log;
mod lame_duck;
mod lifecycle;
mod limits;
mod listeners;
mod log;
mod malformed;
mod message_traces;
mod monitored;
mod monitoring;
mod monitoring_metrics;
mod monitoring_schema;
mod operator;
mod parity;
mod parity_scenarios;
mod proxy;
mod reload_command;
mod reload_load;
mod resolvers;
mod rust_client;
mod secure;
mod secure_tools;
mod service_manager;
mod signals;
mod slow;
mod status_page;
mod system;
mod system_events;
mod system_flood;
mod system_requests;
mod tls;
mod tls_faults;
mod tls_files;
mod tools;
mod top;
mod transcript;
mod transcripts;
mod upgrade;
mod upgrade_changes;
mod upgrade_faults;
mod upgrade_load;
mod upgrade_strangers;
mod vanish;
mod websocket;
mod wire;
