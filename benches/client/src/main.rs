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
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Bench(args) => cli::bench(args),
        Command::Pub(args) => cli::publish(args),
        Command::Sub(args) => cli::subscribe(args),
        Command::Request(args) => cli::request(args),
        Command::Reply(args) => cli::reply(args),
    }
}
