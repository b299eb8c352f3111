//! Requests and replies: one at a time for the round trip, many for the rate.
//!
//! Absent: the event loop.

use std::sync::Arc;

use crate::cli::scenario::Request;
use crate::conductor::{Planned, Replies};
use crate::engine::Role;
use crate::failure::Failure;
use crate::outcome::{Outcome, Work};
use crate::payload::NUMBER_LEN;
use crate::requester::{Requester, Responder};
use crate::scenario::{Setup, run_sizes, share, sub_line};

/// Runs the scenario.
pub fn run(options: &Request) -> Result<(), Failure> {
    run_sizes(&options.common, "request", |setup, size| once(options, setup, size))
}

fn once(options: &Request, setup: &Setup<'_>, size: usize) -> Result<Outcome, Failure> {
    let Request { clients, depth, responders, .. } = *options;
    // A reply is told from others by the number that it carries.
    let size = size.max(NUMBER_LEN);
    let (format, subject) = (setup.format(size), setup.prefix());
    let title = format!("request {clients} × {depth}, {size} B");
    let mut plan = setup.plan(title, Vec::new());
    plan.replies = Replies::One;
    for _ in 0..responders {
        plan.receivers.push(Planned {
            setup: sub_line(&subject, Some("service"), "1"),
            role: Role::Responder(Box::new(Responder::new(Arc::clone(&format)))),
        });
    }
    let clients_u16 = u16::try_from(clients)
        .map_err(|_| Failure::Usage("more than 65535 clients cannot be told apart".to_owned()))?;
    for index in 0..clients_u16 {
        let inbox = format!("_INBOX.{subject}.{index}.");
        let messages = setup.run().msgs.map(|all| share(all, clients, u64::from(index)));
        let requester = Requester::new(
            index,
            subject.as_bytes(),
            inbox.as_bytes(),
            Arc::clone(&format),
            depth,
            messages,
        );
        plan.senders.push(Planned {
            setup: sub_line(&format!("{inbox}*"), None, "1"),
            role: Role::Requester(Box::new(requester)),
        });
    }
    let gathered = setup.conduct(plan, |_| None)?;
    let setting = [
        ("clients", clients.to_string()),
        ("depth", depth.to_string()),
        ("responders", responders.to_string()),
    ];
    Ok(setup.outcome("request", &setting, &gathered, Work::Requests, size))
}
