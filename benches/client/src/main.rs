//! The load client and the tools as a program of their own, without the broker.
//!
//! Absent: everything but the choice of the command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fanfare_bench::cli::{self, BenchArgs, PubArgs, ReplyArgs, RequestArgs, SubArgs};

/// Load a NATS server, or talk to it.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load a server and measure it.
    Bench(BenchArgs),
    /// Publish a message.
    Pub(PubArgs),
    /// Subscribe, and print what arrives.
    Sub(SubArgs),
    /// Send a request and print the reply.
    Request(RequestArgs),
    /// Answer requests.
    Reply(ReplyArgs),
    /// Serve the load client with the least that passes messages on: what the machine costs.
    ///
    /// It knows literal subjects and those that end in .*, checks nothing, and listens on 127.0.0.1
    /// only. Load it as any server of NATS: `fanfare-bench bench latency --server 127.0.0.1:4222`.
    Relay {
        /// The port to listen on; 0 for any free one, which is told.
        #[arg(long, default_value_t = 4222)]
        port: u16,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Bench(args) => cli::bench(args),
        Command::Pub(args) => cli::publish(args),
        Command::Sub(args) => cli::subscribe(args),
        Command::Request(args) => cli::request(args),
        Command::Reply(args) => cli::reply(args),
        Command::Relay { port } => cli::relay(port),
    }
}
