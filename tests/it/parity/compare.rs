//! Plays a scenario against both servers and holds their records side by side.
//!
//! Absent: tolerance. Two lines are the same, or the scenario names the difference.

use super::play::{Line, play};
use super::scenario::{Exception, Scenario};
use super::server::Side;
use crate::broker::{Kind, kind};
use crate::transcript::{Fit, Pattern};

/// Plays a scenario against two servers, of which one is a nats-server; they must say the same.
pub(crate) fn compare(scenario: &Scenario, other: Side) {
    let reference = play(scenario, Side::Reference);
    for line in &reference {
        // The test harness shows it when the test fails, or with `--nocapture`.
        if !line.text.starts_with("INFO ") {
            println!("{line}");
        }
    }
    let subject = play(scenario, other);
    let fanfare = other == Side::Subject && kind() == Kind::Fanfare;
    let meant = if fanfare { &scenario.exceptions[..] } else { &[] };
    if let Some(table) = differences(&reference, &subject, meant) {
        panic!("{}: `-` nats-server, `+` under test\n{table}", scenario.name);
    }
}

/// Both records with the lines marked that differ; nothing when none does.
fn differences(reference: &[Line], subject: &[Line], meant: &[Exception]) -> Option<String> {
    let mut table = Vec::new();
    let mut equal = true;
    let (mut left, mut right) = (reference.iter().peekable(), subject.iter().peekable());
    loop {
        let step = left.peek().into_iter().chain(right.peek()).map(|line| line.step).min();
        let Some(step) = step else { break };
        let of_step = |line: &&Line| line.step == step;
        let mut lefts: Vec<&Line> = std::iter::from_fn(|| left.next_if(of_step)).collect();
        let mut rights: Vec<&Line> = std::iter::from_fn(|| right.next_if(of_step)).collect();
        let alone = |meant: &&Exception, side: &str, line: &Line| {
            side.is_empty() && fits(&[&meant.reference[..], &meant.subject].concat(), line)
        };
        lefts.retain(|line| !meant.iter().any(|meant| alone(&meant, &meant.subject, line)));
        rights.retain(|line| !meant.iter().any(|meant| alone(&meant, &meant.reference, line)));
        let same = lefts.len() == rights.len()
            && lefts.iter().zip(&rights).all(|(left, right)| same(left, right, meant));
        equal &= same;
        let mark = |mark: &str, lines: &[&Line]| {
            lines.iter().map(|line| format!("{mark} {line}")).collect::<Vec<_>>()
        };
        if same {
            table.extend(mark(" ", &lefts));
        } else {
            table.extend(mark("-", &lefts));
            table.extend(mark("+", &rights));
        }
    }
    (!equal).then(|| table.join("\n"))
}

/// Whether two lines say the same, or differ as it is meant.
fn same(reference: &Line, subject: &Line, meant: &[Exception]) -> bool {
    reference.client == subject.client
        && (reference.text == subject.text
            || meant
                .iter()
                .any(|meant| fits(&meant.reference, reference) && fits(&meant.subject, subject)))
}

/// Whether a whole line fits a pattern.
fn fits(pattern: &str, line: &Line) -> bool {
    // The line end keeps a blank at the end of the pattern from stopping early.
    let text = format!("{}\n", line.text);
    let pattern = Pattern::parse(format!("{pattern}\n").as_bytes());
    pattern.fit(text.as_bytes()) == Fit::Whole(text.len())
}
