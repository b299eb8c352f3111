//! Scenarios that are played side by side against Fanfare and a real nats-server.
//!
//! Absent: the scenarios and their configurations; those are in `tests/parity`, whose `README.md`
//! describes the notation. Nothing here says what is right: that is what nats-server does.

mod callout;
pub(crate) mod certificates;
mod compare;
pub(crate) mod fixture;
mod link;
mod play;
mod probe;
mod record;
mod scenario;
pub(crate) mod server;

pub(crate) use certificates::Certificates;
pub(crate) use compare::compare;
pub(crate) use probe::{LIBRARIES, ask, case};
pub(crate) use scenario::{Scenario, options};
pub(crate) use server::{Server, Side};
