//! Deliberate faults: each breaks one promise of the broker from outside, and the simulator must
//! notice. A check that cannot fail proves nothing.
//!
//! Absent: any change of the broker itself. A mutation sits where the broker's bytes, batches and
//! signals pass through the simulator's hands.

use fanfare::config::access::{Access, Permissions, Rules};
use fanfare::core::batch::{Batch, Lane};
use fanfare_protocol::server_op::ServerOp;

use super::dice::Dice;
use super::runs::run_seed;

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    /// Interest is pushed behind data (I3).
    InterestLast,
    /// Batches become visible only after the writes (I2).
    WriteBeforeHandOff,
    /// A drain takes only what was there before the turn read its sockets (I1).
    DrainBeforeRead,
    /// Some batches of messages vanish.
    DropBatch,
    /// Some batches of messages are applied twice.
    RepeatBatch,
    /// Neighbouring batches swap places.
    SwapBatches,
    /// Some emptied batches never come home.
    KeepBatch,
    /// UNSUB does nothing.
    LoseUnsubscribe,
    /// Some SUBs are for everything.
    WiderFilter,
    /// Some SUBs get lost.
    LoseSubscribe,
    /// `UNSUB max` allows one delivery too many.
    LargerMaximum,
    /// Some members of a group stand in another one.
    SplitGroup,
    /// Echo is never off.
    AlwaysEcho,
    /// Nobody gets a 503.
    NeverNoResponders,
    /// A byte changes on its way to a client.
    CorruptByte,
    /// A message arrives twice.
    RepeatMessage,
    /// A PONG is lost.
    LosePong,
    /// New shards take over what was written down some time ago.
    MoveStale,
    /// Signals of sockets get lost.
    LoseSignal,
    /// Nothing is denied to subscribers.
    ForgetSubscribeDeny,
    /// Everybody may publish everything.
    ForgetPublishRules,
    /// Everybody may subscribe to everything, by whatever group.
    ForgetSubscribeAllow,
    /// Mappings are not obeyed.
    ForgetMappings,
    /// Imports lead nowhere.
    ForgetImports,
    /// One account hears another without an import.
    LeakAccount,
}

impl Mutation {
    pub(crate) fn withholds_interest(self) -> bool {
        matches!(self, Self::InterestLast | Self::WriteBeforeHandOff)
    }

    /// The access that the shards are given.
    pub(crate) fn access(self, mut access: Access) -> Access {
        match self {
            Self::ForgetSubscribeDeny => {
                permissions(&mut access).for_each(|rules| rules.subscribe.deny.clear());
            }
            Self::ForgetPublishRules => {
                permissions(&mut access).for_each(|rules| rules.publish = Rules::default());
            }
            Self::ForgetSubscribeAllow => {
                permissions(&mut access).for_each(|rules| rules.subscribe.allow = None);
            }
            Self::ForgetMappings => {
                access.accounts.iter_mut().for_each(|account| account.mappings.clear());
            }
            Self::ForgetImports => {
                access.accounts.iter_mut().for_each(|account| account.imports.clear());
            }
            Self::LeakAccount => {
                let account = access.accounts[0].name.clone();
                access.users.iter_mut().for_each(|user| user.account = account.clone());
            }
            _ => {}
        }
        access
    }

    /// How often a drain applies a batch.
    pub(crate) fn drains(self, batch: &Batch, dice: &mut Dice) -> usize {
        let is_hit = batch.lane() == Lane::Data && dice.below(8) == 0;
        match self {
            Self::DropBatch if is_hit => 0,
            Self::RepeatBatch if is_hit => 2,
            _ => 1,
        }
    }

    /// How often a client takes an operation in.
    pub(crate) fn times(self, op: &ServerOp<'_>, dice: &mut Dice) -> usize {
        match (self, op) {
            (Self::RepeatMessage, ServerOp::Message(_)) if dice.below(50) == 0 => 2,
            (Self::LosePong, ServerOp::Pong) if dice.below(20) == 0 => 0,
            _ => 1,
        }
    }

    /// Changes what a client has just received.
    pub(crate) fn change_input(self, input: &mut [u8], from: usize, dice: &mut Dice) {
        if self == Self::CorruptByte && from < input.len() && dice.below(30) == 0 {
            let at = from + dice.index(input.len() - from);
            input[at] ^= 1;
        }
    }

    /// The filter that a SUB names on the wire.
    pub(crate) fn filter(self, filter: &[u8], op: u32) -> &[u8] {
        match self {
            Self::WiderFilter if op.is_multiple_of(2) => b">",
            Self::LoseSubscribe if op.is_multiple_of(5) => b"lost.on.the.way",
            _ => filter,
        }
    }

    /// The queue group that a SUB names on the wire.
    pub(crate) fn queue_name(self, queue: Option<&[u8]>, op: u32) -> Option<Vec<u8>> {
        let splits = self == Self::SplitGroup && op.is_multiple_of(2);
        let split: &[u8] = if splits { b"x" } else { b"" };
        queue.map(|name| [name, split].concat())
    }

    /// The maximum that an UNSUB names on the wire.
    pub(crate) fn max(self, max: Option<u64>) -> Option<u64> {
        let more = u64::from(self == Self::LargerMaximum);
        max.map(|max| max + more)
    }
}

fn permissions(access: &mut Access) -> impl Iterator<Item = &mut Permissions> {
    access.users.iter_mut().filter_map(|user| user.permissions.as_mut())
}

/// Runs seeds until one reports a violation by one of the checks that are made for this mutation.
fn is_caught(mutation: Mutation, checks: &[&str]) {
    for seed in 0..SEEDS_MAX {
        let Err(failure) = run_seed(seed, mutation, false) else { continue };
        let violation = failure.violation;
        assert!(checks.contains(&violation.check), "{mutation:?}, seed {seed}: {violation}");
        println!("{mutation:?} is caught in seed {seed}: {violation}");
        return;
    }
    panic!("{mutation:?} is not caught in {SEEDS_MAX} seeds");
}

/// Seeds within which every mutation must be caught.
const SEEDS_MAX: u64 = 2_000;

#[test]
fn interest_behind_data_is_caught() {
    is_caught(Mutation::InterestLast, &["lost", "group"]);
}

#[test]
fn writing_before_the_hand_off_is_caught() {
    is_caught(Mutation::WriteBeforeHandOff, &["lost", "early", "group", "503"]);
}

#[test]
fn draining_before_reading_is_caught() {
    is_caught(Mutation::DrainBeforeRead, &["lost", "early", "group", "503"]);
}

#[test]
fn a_dropped_batch_is_caught() {
    is_caught(Mutation::DropBatch, &["lost", "group"]);
}

#[test]
fn a_repeated_batch_is_caught() {
    is_caught(Mutation::RepeatBatch, &["once", "order", "max"]);
}

#[test]
fn swapped_batches_are_caught() {
    is_caught(Mutation::SwapBatches, &["order", "lost", "group", "503", "early", "idle"]);
}

#[test]
fn a_batch_that_never_comes_home_is_caught() {
    is_caught(Mutation::KeepBatch, &["liveness", "answer", "idle"]);
}

#[test]
fn a_lost_unsubscribe_is_caught() {
    is_caught(Mutation::LoseUnsubscribe, &["ended", "503"]);
}

#[test]
fn a_wider_filter_is_caught() {
    is_caught(Mutation::WiderFilter, &["match", "503"]);
}

#[test]
fn a_lost_subscribe_is_caught() {
    is_caught(Mutation::LoseSubscribe, &["lost", "group", "503"]);
}

#[test]
fn a_larger_maximum_is_caught() {
    is_caught(Mutation::LargerMaximum, &["max", "ended", "counters"]);
}

#[test]
fn a_split_group_is_caught() {
    is_caught(Mutation::SplitGroup, &["once"]);
}

#[test]
fn echo_that_is_never_off_is_caught() {
    is_caught(Mutation::AlwaysEcho, &["echo"]);
}

#[test]
fn a_missing_503_is_caught() {
    is_caught(Mutation::NeverNoResponders, &["503"]);
}

#[test]
fn a_corrupt_byte_is_caught() {
    is_caught(Mutation::CorruptByte, &["content", "wire", "answer", "ended", "info", "503"]);
}

#[test]
fn a_repeated_message_is_caught() {
    is_caught(Mutation::RepeatMessage, &["once", "max", "503"]);
}

#[test]
fn a_lost_pong_is_caught() {
    is_caught(Mutation::LosePong, &["answer", "info"]);
}

#[test]
fn a_move_that_is_too_late_is_caught() {
    let checks =
        ["once", "lost", "answer", "wire", "max", "order", "group", "info", "content", "close"];
    is_caught(Mutation::MoveStale, &checks);
}

#[test]
fn a_lost_signal_is_caught() {
    is_caught(Mutation::LoseSignal, &["answer", "lost", "close", "503", "info"]);
}

#[test]
fn a_forgotten_denial_is_caught() {
    is_caught(Mutation::ForgetSubscribeDeny, &["match", "answer"]);
}

#[test]
fn publishing_without_permission_is_caught() {
    is_caught(Mutation::ForgetPublishRules, &["answer", "content"]);
}

#[test]
fn subscribing_without_permission_is_caught() {
    is_caught(Mutation::ForgetSubscribeAllow, &["match", "answer"]);
}

#[test]
fn a_forgotten_mapping_is_caught() {
    is_caught(Mutation::ForgetMappings, &["match", "content", "lost", "group", "answer"]);
}

#[test]
fn a_forgotten_import_is_caught() {
    is_caught(Mutation::ForgetImports, &["lost", "group"]);
}

#[test]
fn accounts_that_are_not_apart_are_caught() {
    is_caught(Mutation::LeakAccount, &["content", "match", "lost", "group"]);
}
