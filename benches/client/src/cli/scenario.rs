//! The options of each scenario of `fanfare bench`.
//!
//! Absent: what they cause (`scenario`) and the options that all scenarios share (`options`).

use std::time::Duration;

use clap::Args;

use super::options::Common;
use super::value;

/// P publishers, S subscribers.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  fanfare bench pubsub                          one publisher, one subscriber, 128 bytes
  fanfare bench pubsub --size 16,128,1k,16k     the same at four sizes
  fanfare bench pubsub --subs 0 --pubs 4        publish only
  fanfare bench pubsub --pubs 8 --subs 8 --pairs")]
pub struct PubSub {
    /// Publishers.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub pubs: u64,
    /// Subscribers; 0 measures publishing alone.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::count)]
    pub subs: u64,
    /// One subject for each publisher and subscriber, instead of one for all.
    #[arg(long)]
    pub pairs: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// One publisher, many subscribers.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  fanfare bench fanout --subs 1000              a window is kept full
  fanfare bench fanout --subs 1000 --one-at-a-time
      the next message goes out when the last subscriber has the one before; shows how long
      it takes until the last of them has it")]
pub struct Fanout {
    /// Subscribers.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = value::some)]
    pub subs: u64,
    /// Publish the next message only when every subscriber has the one before.
    #[arg(long)]
    pub one_at_a_time: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// Many publishers, one subscriber.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  fanfare bench fanin --pubs 100 --size 128")]
pub struct Fanin {
    /// Publishers.
    #[arg(long, value_name = "N", default_value = "100", value_parser = value::some)]
    pub pubs: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// Requests and replies.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Each request has a reply subject of its own below the client's inbox, as client libraries do it.

Examples:
  fanfare bench request                         one request at a time: the round trip
  fanfare bench request --clients 64 --depth 8  512 requests under way")]
pub struct Request {
    /// Clients that send requests.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub clients: u64,
    /// Requests that each client has under way.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub depth: u64,
    /// Responders; they share the requests as a queue group.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub responders: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// Subscribers that share messages as a queue group.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Also shows how evenly the members were served.

Example:
  fanfare bench queue --pubs 2 --members 8")]
pub struct Queue {
    /// Publishers.
    #[arg(long, value_name = "N", default_value = "2", value_parser = value::some)]
    pub pubs: u64,
    /// Members of the group.
    #[arg(long, value_name = "N", default_value = "8", value_parser = value::some)]
    pub members: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// Many literal and wildcard subscriptions.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Every published subject matches one literal subscription, and one wildcard subscription while
there are at least a tenth as many of these.

Examples:
  fanfare bench wildcard --subjects 65536       more subjects than a server's caches hold
  fanfare bench wildcard --subjects 256         few subjects, seen again and again")]
pub struct Wildcard {
    /// Literal subscriptions.
    #[arg(long, value_name = "N", default_value = "100k", value_parser = value::some)]
    pub literals: u64,
    /// Wildcard subscriptions.
    #[arg(long, value_name = "N", default_value = "10k", value_parser = value::count)]
    pub wildcards: u64,
    /// Connections that share the subscriptions.
    #[arg(long, value_name = "N", default_value = "10", value_parser = value::some)]
    pub conns: u64,
    /// Different subjects that are published to, at most as many as literal subscriptions.
    #[arg(long, value_name = "N", default_value = "65536", value_parser = value::some)]
    pub subjects: u64,
    /// Publishers.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub pubs: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// One-way latency at a fixed rate.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Messages are due at fixed times whatever the server does, and latency counts from when a message
was due: a pause of the server shows in every message that it delayed. Sizes below 32 bytes are
raised to 32, the room that the times need.

Example:
  fanfare bench latency --rate 10k")]
pub struct Latency {
    /// Messages per second, over all publishers.
    #[arg(long, value_name = "N", default_value = "10k", value_parser = value::some)]
    pub rate: u64,
    /// Publishers.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub pubs: u64,
    /// Subscribers, each of which gets every message.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub subs: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// Connections that come and go.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Each loop connects, sends CONNECT, SUB and PING, waits for the PONG and closes.

Example:
  fanfare bench churn --loops 32")]
pub struct Churn {
    /// Loops that run at the same time.
    #[arg(long, value_name = "N", default_value = "16", value_parser = value::some)]
    pub loops: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// Many idle connections.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Opens the connections, each with one subscription, and leaves them alone. Give --server-pid to see
the server's memory and CPU time per connection. A source address has ports for 28000 connections to
one address, and beyond half of them opening gets slow: towards this machine further addresses of
127.0.0.0/8 are used by themselves from 10000 connections on.

Examples:
  fanfare bench conns --conns 5000 --server-pid $(pgrep -ox fanfare)
  fanfare bench conns --conns 18000 --message --hold 10s")]
pub struct Conns {
    /// Connections.
    #[arg(long, value_name = "N", default_value = "5000", value_parser = value::some)]
    pub conns: u64,
    /// Connections that are being opened at the same time.
    #[arg(long, value_name = "N", default_value = "128", value_parser = value::some)]
    pub opening: u64,
    /// Source addresses of 127.0.0.0/8; as many as are needed when not given.
    #[arg(long, value_name = "N", value_parser = value::some)]
    pub sources: Option<u64>,
    /// All subscribe to the same subject, instead of one each.
    #[arg(long)]
    pub shared: bool,
    /// Send one message to each and measure the memory again.
    #[arg(long)]
    pub message: bool,
    /// How long they are left alone before the memory is read.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = value::duration)]
    pub hold: Duration,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// Many connections that are lost at once and return at once, while others talk.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Opens the herd, measures the latency between pairs that talk at a fixed rate, then closes the whole
herd and dials it again in the same moment; measures until all are back, and once more afterwards.

Example:
  fanfare bench herd --conns 18000 --server-pid $(pgrep -ox fanfare)")]
pub struct Herd {
    /// Connections that are lost and return.
    #[arg(long, value_name = "N", default_value = "5000", value_parser = value::some)]
    pub conns: u64,
    /// Connections that are being opened at the same time at the beginning.
    #[arg(long, value_name = "N", default_value = "128", value_parser = value::some)]
    pub opening: u64,
    /// Source addresses, from 127.0.0.1 on; as many as are needed when not given.
    #[arg(long, value_name = "N", value_parser = value::some)]
    pub sources: Option<u64>,
    /// Pairs that talk all the time.
    #[arg(long, value_name = "N", default_value = "10", value_parser = value::some)]
    pub pairs: u64,
    /// Messages per second, over all pairs.
    #[arg(long, value_name = "N", default_value = "10k", value_parser = value::some)]
    pub rate: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}

/// One subscriber that stops reading, among others that do not.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
After the warm-up the rate is measured while everybody reads; then one subscriber stops reading.
Shows which share of their rate the others keep, when the server cuts the stalled one, and how much
its memory grows.

Examples:
  fanfare bench slow --duration 12s                     as fast as it goes
  fanfare bench slow --rate 20k --size 1k               far below capacity")]
pub struct Slow {
    /// Subscribers that read.
    #[arg(long, value_name = "N", default_value = "4", value_parser = value::some)]
    pub subs: u64,
    /// Subscribers that stop reading.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value::some)]
    pub stalled: u64,
    /// Messages per second; as many as go through a full window when not given.
    #[arg(long, value_name = "N", value_parser = value::some)]
    pub rate: Option<u64>,
    /// How long the rate is measured while everybody reads.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = value::duration)]
    pub baseline: Duration,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the heading of the help")]
    pub common: Common,
}
