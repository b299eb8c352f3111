//! The tools as subcommands: bench, pub, sub, request, reply, top.
//!
//! Absent: what they do, which is the load client's own crate, and that of the view. Their options
//! follow the usual grammar of today's tools and not Go's.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use fanfare_bench::cli as tools;
use fanfare_top::args as top;

/// A lightweight publish/subscribe message broker that speaks the NATS client protocol.
#[derive(Debug, Parser)]
#[command(name = "fanfare")]
struct Command {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Load a broker and measure it
    Bench(tools::BenchArgs),
    /// Publish a message
    Pub(tools::PubArgs),
    /// Subscribe and print what comes
    Sub(tools::SubArgs),
    /// Send a request and print the reply
    Request(tools::RequestArgs),
    /// Answer requests
    Reply(tools::ReplyArgs),
    /// Show what a broker does, again and again
    Top(top::TopArgs),
}

/// The tools and their options, as one value.
pub(super) fn definition() -> clap::Command {
    Command::command()
}

/// Whether the first argument names a tool.
pub(super) fn is_one(word: &str) -> bool {
    NAMES.contains(&word)
}

/// Runs a tool; `arguments` begin with the name of the executable.
pub(super) fn run(arguments: Vec<String>) -> ExitCode {
    match Command::try_parse_from(arguments) {
        Ok(command) => match command.tool {
            Tool::Bench(args) => tools::bench(args),
            Tool::Pub(args) => tools::publish(args),
            Tool::Sub(args) => tools::subscribe(args),
            Tool::Request(args) => tools::request(args),
            Tool::Reply(args) => tools::reply(args),
            Tool::Top(args) => top::top(args),
        },
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS }
        }
    }
}

/// The names of the tools.
pub(super) const NAMES: [&str; 6] = ["bench", "pub", "sub", "request", "reply", "top"];
