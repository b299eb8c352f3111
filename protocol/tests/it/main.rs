//! The protocol crate held to its tables, its properties and its promise to reach no machine.
//!
//! Absent: sockets. What a broker does with an operation is tested where the broker is.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod connect_table;
mod decode_table;
mod encode_table;
mod error_table;
mod header_table;
mod no_io;
mod outcome;
mod proxy_table;
mod round_trips;
mod server_table;
mod splits;
mod streams;
mod subject_model;
