//! The simulator: real shards, virtual sockets, rings, clients and time, one seed, one thread.
//!
//! Absent: threads inside a world, sleeps, real sockets. `FANFARE_SIM_SECONDS` or
//! `FANFARE_SIM_SEEDS` say how long it runs, `FANFARE_SIM_START` from which seed, and
//! `FANFARE_SIM_SEED` replays one seed with everything that happens in it.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and says where"
)]

mod access_oracle;
mod access_subjects;
mod access_table;
mod answers;
mod checks;
mod clients;
mod dice;
mod faults;
mod hearing;
mod hosts;
mod journal;
mod model_turn;
mod moves;
mod mutations;
mod network;
mod oracle;
mod realm;
mod runs;
mod scenarios;
mod waking;
mod workload;
mod world;
mod writing;
