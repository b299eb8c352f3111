//! What walks look like from outside: like nothing.
//!
//! Absent: peers and draws; `tests/sim` has them. Two shards get the same input, one of which may
//! look at so few receivers a turn that nearly everything is walked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::arrival::{Arrival, Entrance};
use super::super::ids::{AccountId, ClientNumber, ShardId};
use super::super::message::{Body, Head, HeadId};
use super::super::policy::Policy;
use super::super::rng::Rng;
use super::super::shard::ShardSetup;
use super::super::turn::{ReadOutcome, WriteOutcome};
use super::*;
use crate::config::Limits;

/// A shard, and what each of its clients was sent.
struct Side {
    shard: Option<Box<Shard>>,
    sent: BTreeMap<u64, Vec<u8>>,
}

impl Side {
    fn new(visits: Option<usize>) -> Self {
        let mut shard = Box::new(Shard::new(ShardSetup {
            id: ShardId::new(0).expect("there is a first shard"),
            shards: 1,
            batches_per_peer: ShardSetup::BATCHES_PER_PEER,
            policy: Arc::new(Policy::open()),
            limits: Arc::new(Limits::default()),
            entrances: vec![Entrance::default()],
            seed: 1,
            first_generation: 0,
            trace: None,
            now: Instant::default(),
        }));
        if let Some(visits) = visits {
            shard.set_visits_per_turn(visits);
            shard.walks.last = u32::MAX - 40;
        }
        Self { shard: Some(shard), sent: BTreeMap::new() }
    }

    fn accept(&mut self, number: u64) -> ConnId {
        let shard = self.shard.take().expect("between two turns");
        let mut turn = Turn::begin(shard, Instant::default());
        let client = turn.handle_accept(Arrival::plain(ClientNumber(number), "u:1".into()));
        self.finish(turn.read().drain());
        client
    }

    /// One turn in which a client has sent something; a silent one is gone if it is `ended`.
    fn turn(&mut self, input: Option<(ConnId, &[u8])>, ended: bool) {
        let shard = self.shard.take().expect("between two turns");
        let mut turn = Turn::begin(shard, Instant::default());
        if let Some((client, _)) = input {
            turn.handle_readable(client);
        }
        let mut turn = turn.read();
        while let Some(client) = turn.poll_read() {
            let bytes = input.filter(|(of, _)| *of == client).map_or(&[][..], |(_, bytes)| bytes);
            turn.room()[..bytes.len()].copy_from_slice(bytes);
            let outcome = match bytes {
                [] if ended => ReadOutcome::Ended,
                [] => ReadOutcome::WouldBlock,
                bytes => ReadOutcome::Bytes(bytes.len()),
            };
            turn.handle_read(outcome);
        }
        self.finish(turn.drain());
    }

    fn finish(&mut self, turn: Turn<Draining>) {
        let mut turn = turn.route().data().write();
        while let Some(client) = turn.poll_write() {
            let bytes: Vec<u8> = turn.slices().flatten().copied().collect();
            turn.handle_written(WriteOutcome::Bytes(bytes.len()));
            self.sent.entry(client.token()).or_default().extend_from_slice(&bytes);
        }
        let mut turn = turn.tick();
        while turn.poll_closed().is_some() {}
        let shard = turn.finish();
        shard.check();
        self.shard = Some(shard);
    }

    fn shard(&self) -> &Shard {
        self.shard.as_ref().expect("between two turns")
    }

    fn must_wait(&self, client: ConnId) -> bool {
        let clients = &self.shard().clients;
        let places = |slot| clients.get(slot).places;
        let waits = |slot| places(slot).parked || places(slot).walking;
        clients.resolve(client).is_some_and(waits)
    }

    fn rest(&mut self) {
        while self.shard().has_work() {
            self.turn(None, false);
        }
    }
}

/// What a client does: subscriptions to long lists, some of which end by themselves; publishes with
/// and without headers, and requests; PINGs and further CONNECTs.
fn operations(rng: &mut Rng, step: u32) -> String {
    let (sid, filter) = (rng.below(5), ["a", "a", "*", "b"][rng.below(4) as usize]);
    let subject = ["a", "a", "b", "c"][rng.below(4) as usize];
    let text = format!("{step:06}");
    match rng.below(19) {
        0..7 => format!("SUB {filter} {sid}\r\n"),
        7 | 8 => format!("UNSUB {sid}\r\n"),
        9 => format!("UNSUB {sid} {}\r\n", rng.below(8)),
        10..12 => "PING\r\n".to_owned(),
        12..16 => format!("PUB {subject} 6\r\n{text}\r\n"),
        16 => format!("PUB {subject} b 6\r\n{text}\r\n"),
        17 => format!("HPUB {subject} 12 18\r\nNATS/1.0\r\n\r\n{text}\r\n"),
        _ if step.is_multiple_of(7) => "CONNECT {\"verbose\":false}\r\n".to_owned(),
        _ => {
            "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"echo\":false}\r\n"
                .to_owned()
        }
    }
}

/// What a client was sent, line by line; a message that several of its subscriptions brought stands
/// in the order of their sids, because that of their places is nobody's business.
fn told(sent: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(sent).replace("NATS/1.0\r\n\r\n", "");
    let mut lines = text.split("\r\n").map(str::to_owned);
    let mut told: Vec<(String, String)> = Vec::new();
    while let Some(line) = lines.next() {
        let is_message = line.starts_with("MSG") || line.starts_with("HMSG");
        let body = if is_message { lines.next() } else { None };
        told.push((body.unwrap_or_default(), line));
    }
    let same = |a: &(String, String), b: &(String, String)| !a.0.is_empty() && a.0 == b.0;
    told.chunk_by_mut(same).for_each(<[_]>::sort);
    told.into_iter().map(|(body, line)| line + " " + &body).collect()
}

#[test]
fn a_shard_that_walks_sends_what_one_sends_that_does_not() {
    let mut walked = 0;
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let mut sides =
            [Side::new(None), Side::new(Some(1 + usize::try_from(seed % 9).expect("small")))];
        let mut clients: Vec<ConnId> = Vec::new();
        for step in 0..1_500u32 {
            if clients.len() < 60 && rng.below(6) == 0 {
                let number = u64::from(step) + 1;
                let [first, second] = sides.each_mut().map(|side| side.accept(number));
                assert_eq!(first, second);
                clients.push(first);
                continue;
            }
            let Some(index) = clients.len().checked_sub(1) else { continue };
            let index = rng.below(u32::try_from(index).expect("few clients") + 1) as usize;
            // Who waits for a walk of its own is not read.
            let client = clients[index];
            if sides[1].must_wait(client) || rng.below(3) == 0 {
                for side in &mut sides {
                    side.turn(None, false);
                }
            } else if rng.below(60) == 0 {
                clients.swap_remove(index);
                for side in &mut sides {
                    side.turn(Some((client, &[])), true);
                }
            } else {
                let operations = operations(&mut rng, step);
                let input = Some((client, operations.as_bytes()));
                for side in &mut sides {
                    side.turn(input, false);
                }
            }
            walked += usize::from(!sides[1].shard().walks.is_empty());
        }
        for client in clients {
            for side in &mut sides {
                side.rest();
            }
            for side in &mut sides {
                side.turn(Some((client, b"PING\r\n")), false);
            }
            for side in &mut sides {
                side.turn(Some((client, &[])), true);
            }
        }
        let [plain, slow] = sides.each_mut().map(|side| {
            side.rest();
            assert!(side.shard().is_idle());
            std::mem::take(&mut side.sent)
        });
        for (client, sent) in plain {
            let [sent, other] = [&sent, &slow[&client]].map(|it| told(it));
            let same = sent.iter().zip(&other).take_while(|(a, b)| a == b).count();
            let next = (sent.get(same), other.get(same));
            assert_eq!(next, (None, None), "seed {seed}, client {client}, line {same}");
        }
    }
    assert!(walked > 5_000, "walks were under way in {walked} turns");
}

/// A thousand subscribers, four looked at in a turn, and somebody else who wants to talk.
#[test]
fn others_are_served_while_a_message_is_walked() {
    let mut side = Side::new(None);
    let clients: Vec<ConnId> = (1..=1_003).map(|number| side.accept(number)).collect();
    let hello = b"CONNECT {\"verbose\":false}\r\nSUB all 1\r\n";
    for client in &clients[3..] {
        side.turn(Some((*client, hello)), false);
    }
    for client in &clients[..3] {
        side.turn(Some((*client, b"CONNECT {\"verbose\":false}\r\n")), false);
    }
    side.turn(Some((clients[1], b"SUB one 1\r\n")), false);
    side.rest();
    if let Some(shard) = &mut side.shard {
        shard.set_visits_per_turn(16);
    }
    side.sent.clear();
    side.turn(Some((clients[0], b"PUB all 2\r\nhi\r\n")), false);
    side.turn(Some((clients[2], b"PUB one 2\r\nho\r\n")), false);
    assert_eq!(side.sent[&clients[1].token()], b"MSG one 1 2\r\nho\r\n");
    let (had, last) = (side.sent.len(), clients[1_002]);
    assert!(had < 60, "{had} clients had their message after two turns");
    // Whoever asks has it first, and only once.
    side.turn(Some((last, b"PING\r\n")), false);
    side.rest();
    assert_eq!(side.sent[&last.token()], b"MSG all 1 2\r\nhi\r\nPONG\r\n");
    assert!(clients[3..1_002].iter().all(|it| side.sent[&it.token()] == b"MSG all 1 2\r\nhi\r\n"));
}

/// A client that has as many subscriptions to one subject, in a shard with its own bounds.
fn client_with(subscriptions: usize, side: &mut Side) -> ConnId {
    let client = side.accept(1);
    side.turn(Some((client, b"CONNECT {\"verbose\":false}\r\n")), false);
    let sids: Vec<usize> = (0..subscriptions).collect();
    for sids in sids.chunks(4_000) {
        let lines: Vec<String> = sids.iter().map(|sid| format!("SUB all {sid}\r\n")).collect();
        let lines = lines.concat();
        side.turn(Some((client, lines.as_bytes())), false);
        side.rest();
    }
    client
}

#[test]
fn a_list_that_is_not_long_is_never_walked() {
    let mut side = Side::new(None);
    let client = client_with(SHORT, &mut side);
    let messages = VISITS_PER_TURN / SHORT + 2;
    // Something costs a little, so that the last list of a turn meets less than it takes.
    let publishes = [b"SUB b b\r\n".to_vec(), b"PUB all 2\r\nhi\r\n".repeat(messages)].concat();
    side.turn(Some((client, &publishes)), false);
    assert_eq!(side.shard().visits_left, 0);
    assert!(side.shard().walks.is_empty() && side.shard().walks.last == 0);
    side.rest();
    assert!(side.shard().walks.last == 0);
    assert_eq!(side.shard().stats().messages_out, (messages * SHORT) as u64);
    side.turn(Some((client, b"SUB all more\r\n")), false);
    side.turn(Some((client, &publishes)), false);
    assert!(side.shard().walks.last > 0, "one more is long");
    side.rest();
    let sent = messages * SHORT + messages * (SHORT + 1);
    assert_eq!(side.shard().stats().messages_out, sent as u64);
}

/// A subscription that a walk owes its last message ends before its sid is used again.
#[test]
fn a_sid_is_free_when_a_walk_owes_the_last_message() {
    let mut side = Side::new(None);
    let others = client_with(100, &mut side);
    let client = side.accept(2);
    let hello = b"CONNECT {\"verbose\":false}\r\nSUB all 1\r\nUNSUB 1 1\r\n";
    side.turn(Some((client, hello)), false);
    if let Some(shard) = &mut side.shard {
        shard.set_visits_per_turn(16);
    }
    side.turn(Some((others, b"PUB all 2\r\nhi\r\n")), false);
    assert!(!side.shard().walks.is_empty());
    side.sent.clear();
    side.turn(Some((client, b"SUB other 1\r\n")), false);
    side.rest();
    side.turn(Some((others, b"PUB other 2\r\nho\r\n")), false);
    side.rest();
    let text = String::from_utf8_lossy(&side.sent[&client.token()]).into_owned();
    assert!(text.ends_with("MSG all 1 2\r\nhi\r\nMSG other 1 2\r\nho\r\n"), "{text}");
}

/// While peers' batches have taken all of a turn's budget, clients still come to their turn.
#[test]
fn commands_keep_a_part_of_the_budget() {
    let mut side = Side::new(None);
    let client = side.accept(1);
    side.turn(Some((client, b"SUB all 1\r\n")), false);
    let mut turn = Turn::begin(side.shard.take().expect("between two turns"), Instant::default());
    turn.handle_readable(client);
    let mut turn = turn.read();
    assert_eq!(turn.poll_read(), Some(client));
    turn.room()[..6].copy_from_slice(b"PING\r\n");
    turn.handle_read(ReadOutcome::Bytes(6));
    let mut turn = turn.drain();
    turn.shard.spend(usize::MAX);
    side.sent.clear();
    side.finish(turn);
    assert!(side.sent[&client.token()].starts_with(b"PONG\r\n"));
}

/// What local clients publish does not keep batches of peers, and what peers brought keeps only
/// batches of messages.
#[test]
fn batches_wait_for_what_batches_brought() {
    let mut side = Side::new(None);
    let subscriber = client_with(200, &mut side);
    let clients: Vec<ConnId> = (2..22).map(|number| side.accept(number)).collect();
    side.rest();
    if let Some(shard) = &mut side.shard {
        shard.set_visits_per_turn(4);
    }
    for client in &clients {
        side.turn(Some((*client, b"PUB all 2\r\nhi\r\n")), false);
    }
    let mut shard = side.shard.take().expect("between two turns");
    assert!(shard.walks.queue.len() > WALKS_FREE);
    let own = shard.walks.bytes;
    assert!(own >= 20 * 4 && shard.stats().spool_bytes == shard.clients.spool.held_bytes() + own);
    let mut filters = Vec::new();
    shard.interest.matches(AccountId::GLOBAL, b"all", &mut filters);
    let mut head = Head::new();
    head.render(HeadId::NONE, b"all", b"", None, 2);
    for walked in 0..=WALKS_FREE + 1 {
        let turn = Turn::begin(shard, Instant::default()).read().drain();
        assert_eq!(turn.may_return(Lane::Data), walked <= WALKS_FREE);
        assert!(turn.may_return(Lane::Interest));
        shard = turn.shard;
        let mut delivery = Delivery::new(head.message(Body::Copied(b"ho\r\n")));
        shard.ground().deliver(&mut delivery, filters[0], None);
        delivery.finish(&mut shard.clients);
    }
    side.shard = Some(shard);
    side.rest();
    let shard = side.shard();
    assert_eq!((shard.walks.bytes, shard.walks.from_peers), (0, 0));
    let messages = 20 + WALKS_FREE + 2;
    assert_eq!(shard.stats().messages_out, (messages * 200) as u64);
    assert!(shard.clients.contains(subscriber.slot));
}

/// Who waits for a walk of its own is not tried before that is over.
#[test]
fn who_waits_for_its_own_walk_parks_once() {
    let mut side = Side::new(None);
    let client = client_with(200, &mut side);
    if let Some(shard) = &mut side.shard {
        shard.set_visits_per_turn(4);
    }
    let before = side.shard().stats().parked;
    side.turn(Some((client, b"PUB all 2\r\nhi\r\nPUB all 2\r\nho\r\n")), false);
    let mut turns = 0;
    while side.shard().has_work() {
        if let Some(shard) = &mut side.shard {
            shard.yielded = true;
        }
        side.turn(None, false);
        turns += 1;
    }
    assert_eq!(side.shard().stats().messages_out, 400);
    assert!(turns > 20 && side.shard().stats().parked == before + 1);
}

/// A subscription that is finished where walks stand still ends in the same turn.
#[test]
fn what_a_walk_finishes_ends_in_the_turn() {
    let mut side = Side::new(None);
    let others = client_with(200, &mut side);
    let client = side.accept(2);
    let hello = b"CONNECT {\"verbose\":true}\r\nSUB all 1\r\nUNSUB 1 1\r\n";
    side.turn(Some((client, hello)), false);
    if let Some(shard) = &mut side.shard {
        shard.set_visits_per_turn(16);
    }
    side.turn(Some((others, b"PUB all 2\r\nhi\r\n")), false);
    if let Some(shard) = &mut side.shard {
        let waiting = shard.clients.get_mut(client.slot);
        waiting.inbox.keep(b"PUB nobody 2\r\nho\r\n");
        waiting.places.parked = true;
        shard.parked.push_back(client);
        (shard.yielded, shard.writes_first) = (true, true);
    }
    side.sent.clear();
    side.turn(None, false);
    assert!(!side.shard().walks.is_empty());
    assert_eq!(side.sent[&client.token()], b"MSG all 1 2\r\nhi\r\n+OK\r\n");
    assert_eq!(side.shard().clients.get(client.slot).subs.len(), 0);
}
