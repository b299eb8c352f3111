//! The broker as a value: deterministic state machines without I/O, clock, thread, lock or atomic.
//!
//! Who drives it: `io` with sockets and threads, and `tests/sim` with virtual ones, through the
//! same [`turn::Turn`]. Invariants, cited in the code by number:
//!
//! * I1 causal drain: no byte is routed before a drain that began after the read that returned it.
//! * I2 hand-off before write: what a turn staged is visible to peers before its first write.
//! * I3 interest first: in a hand-off all interest precedes every message.
//! * I4 all or park: a command has all its effects or none, and then its client waits.
//! * I5 drain is a sink: taking a record in never waits.
//! * I6 pair order: for a publisher and a subscriber, delivery order is publish order.
//! * I7 one match: a message is matched once, on the publisher's shard.
//! * I8 one per group: for each group name exactly one member is asked, in the whole broker.
//! * I9 stale handles are harmless: a handle is slot and generation; a mismatch does nothing.
//! * I10 no lost wake: kept by `io::bell`.
//! * I11 bounds: everything that input can grow has a limit.
//! * I12 determinism: outputs follow from state, inputs, time handed in, and seed.
//! * I13 one home: a client never changes its shard.
//! * I14 push is enough: nothing in the data path waits for an acknowledgement.
//!
//! Rooms, lower ones first: names and numbers (`ids`, `time`, `rng`, `close`, `stats`, `timer`,
//! `bucket`, `texts`, `sids`, `short_text`, `small_list`, `trace`), what is allowed (`subject_set`,
//! `permissions`, `publish_cache`, `grants`), accounts (`mappings`, `shares`, `accounts`), who a
//! client is (`auth`, `policy`, `badge`, `admission`), a client's ends (`inbox`, `segment`,
//! `spool`, `outbox`, `subs`, `marks`, `clients`), who wants what (`trie`, `filters`, `interest`,
//! `groups`, `plan`), between shards (`message`, `batch`, `mesh`), how fast and how much (`pace`,
//! `usage`), what happens (`deliver`, `walks`, `route`, `session`, `intake`, `slow`, `arrival`,
//! `greeting`, `farewell`, `review`, `lame_duck`), what crosses accounts (`crossing`, `legs`,
//! `relay`, `responses`, `request_info`, `latency`), what the broker says of itself (`event_text`,
//! `events`, `account_events`, `system`, `system_requests`, `user_info`, `deeds`, `msg_trace`,
//! `trace_tag`, `tracing`), the whole (`placement`, `shard`, `turn`), and its way to another
//! process (`moving`).

mod account_events;
pub mod accounts;
pub mod admission;
pub mod arrival;
pub mod auth;
mod badge;
pub mod batch;
mod blocks;
pub mod bucket;
mod choices;
mod clients;
pub mod close;
mod crossing;
mod deeds;
mod delays;
mod deliver;
mod event_text;
mod events;
mod farewell;
mod filters;
pub mod grants;
mod greeting;
mod groups;
pub(crate) mod hot_subjects;
pub mod ids;
mod inbox;
mod intake;
mod interest;
mod lame_duck;
mod latency;
mod legs;
pub mod mappings;
mod marks;
mod mesh;
mod message;
pub mod moving;
mod msg_trace;
mod outbox;
mod pace;
mod pages;
mod past;
pub mod permissions;
pub mod placement;
mod plan;
pub mod policy;
pub mod publish_cache;
mod relay;
pub mod report;
mod request_info;
mod responses;
pub mod review;
pub mod rng;
mod route;
mod segment;
mod session;
pub mod shard;
pub mod shares;
mod short_text;
mod sids;
mod slow;
mod small_list;
mod spool;
pub mod stats;
pub(crate) mod subject_set;
mod subs;
pub mod system;
pub mod system_requests;
mod texts;
pub mod time;
mod timer;
pub mod trace;
mod trace_tag;
pub mod tracing;
mod trie;
pub mod turn;
mod usage;
mod user_info;
mod walks;
mod wants;
