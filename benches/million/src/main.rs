//! What runs in the guest beside a broker: `load` opens the connections and measures, `floor` is
//! the least server that could serve them.
//!
//! Absent: the guest itself, which `benches/million/run` builds and boots; and any tuning of the
//! system, which the guest's `init` does. Neither program is of use to a user of the broker.
//!
//! The [`crowd`] has all connections and what each is waiting for, the [`speaker`] is the one
//! publisher, the [`course`] is the order of what is measured, by [`reading`] what the kernel says
//! of memory and time. Every result is one line of JSON behind `@@ `, so that it can be told from
//! whatever else a guest's console shows.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod course;
mod crowd;
mod failure;
mod floor;
mod pause;
mod reading;
mod speaker;
mod spread;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The programs of the guest.
#[derive(Parser)]
struct Programs {
    #[command(subcommand)]
    which: Which,
}

#[derive(Subcommand)]
enum Which {
    /// Opens connections to a server of this machine and measures it.
    Load(Load),
    /// A bare epoll server: what the kernel alone costs.
    Floor {
        /// Where to listen.
        #[arg(long, default_value_t = 4222)]
        port: u16,
    },
}

/// What the load client is told.
#[derive(Args)]
struct Load {
    /// How many connections.
    #[arg(long, default_value_t = 1000)]
    connections: u32,
    /// Where the server listens, at every address of 127.0.0.0/8.
    #[arg(long, default_value_t = 4222)]
    port: u16,
    /// The server's process, whose memory and CPU time are read.
    #[arg(long)]
    server_pid: u32,
    /// Connections that may be on their way at once.
    #[arg(long, default_value_t = 256)]
    connect_window: u32,
    /// PINGs that may be unanswered at once.
    #[arg(long, default_value_t = 4096)]
    ping_window: u32,
    /// Messages of the measurement of latency.
    #[arg(long, default_value_t = 2000)]
    messages: u32,
    /// How long one phase may last.
    #[arg(long, default_value_t = 1800)]
    phase_seconds_max: u64,
}

fn main() -> ExitCode {
    let done = match Programs::parse().which {
        Which::Load(load) => course::run(&load),
        Which::Floor { port } => floor::serve(port),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("@@ {}", serde_json::json!({"phase": "failed", "why": failure.to_string()}));
            ExitCode::FAILURE
        }
    }
}
