//! A shard's questions and a pool that has room for some of them.
//!
//! Absent: decisions. The pool's only thread is held at a first job, so that what waits stays.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::super::log_sink::{LogTarget, Sink};
use super::*;
use crate::config::access::{Access, Account, Identity, Rate, User};
use crate::config::{Config, Limits, Secret};
use crate::core::accounts::Accounts;
use crate::core::arrival::{Arrival, Entrance};
use crate::core::auth::Refusal;
use crate::core::auth::delegation::Premises;
use crate::core::ids::ClientNumber;
use crate::core::shard::{Shard, ShardSetup};
use crate::core::time::Instant;
use crate::core::turn::{ReadOutcome, WriteOutcome};

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(30);

fn policy() -> Arc<Policy> {
    let hash = bcrypt::hash_with_salt("one", 4, [3; 16]).unwrap().to_string();
    let user = User {
        identity: Identity::Password { name: "a".into(), password: Some(Secret::new(hash)) },
        account: Account::GLOBAL.into(),
        permissions: None,
        connection_types: Vec::new(),
        proxy_required: false,
        rate: Rate::default(),
    };
    let access = Access { users: vec![user], authorization_block: true, ..Access::default() };
    let config = Config { access, ..Config::default() };
    Arc::new(Policy::compile(&config, &Accounts::none(), &Premises::default(), 7).unwrap())
}

/// A shard whose clients, from these addresses, have all said CONNECT; in the turn's last phase.
fn asking(policy: Arc<Policy>, peers: &[String]) -> (Turn<Ticking>, Vec<ConnId>) {
    let shard = Box::new(Shard::new(ShardSetup {
        id: ShardId::new(0).unwrap(),
        shards: 1,
        batches_per_peer: ShardSetup::BATCHES_PER_PEER,
        policy,
        limits: Arc::new(Limits::default()),
        entrances: vec![Entrance::default()],
        seed: 1,
        first_generation: 0,
        trace: None,
        now: Instant::default(),
    }));
    let mut turn = Turn::begin(shard, Instant::default());
    let arrival = |peer: &String| Arrival::plain(ClientNumber(1), peer.as_str().into());
    let clients: Vec<_> = peers.iter().map(|peer| turn.handle_accept(arrival(peer))).collect();
    for client in &clients {
        turn.handle_readable(*client);
    }
    let mut turn = turn.read();
    let connect = b"CONNECT {\"user\":\"a\",\"pass\":\"one\"}\r\n";
    while turn.poll_read().is_some() {
        turn.room()[..connect.len()].copy_from_slice(connect);
        turn.handle_read(ReadOutcome::Bytes(connect.len()));
    }
    let mut turn = turn.drain().route().data().write();
    while turn.poll_write().is_some() {
        let bytes = turn.slices().map(<[u8]>::len).sum();
        turn.handle_written(WriteOutcome::Bytes(bytes));
    }
    (turn.tick(), clients)
}

#[test]
fn a_loud_address_keeps_no_other_from_being_asked_about() {
    let policy = policy();
    let (start, started) = channel();
    let (open, opened) = channel::<()>();
    let (answer, answers) = channel();
    let (start, opened, answer) = (Mutex::new(start), Mutex::new(opened), Mutex::new(answer));
    let decide = move |_: Task, _: &mut Work| {
        let _ = start.lock().unwrap().send(());
        // Nothing is sent: it returns when the test lets go.
        let _ = opened.lock().unwrap().recv();
        Decision::Refuse(Refusal::Credentials)
    };
    let hand_back = move |decided: super::super::worker::Decided| {
        let _ = answer.lock().unwrap().send(decided.client);
    };
    let workers = Arc::new(WorkerPool::start(1, decide, hand_back).unwrap());
    let (ledger, resolver) = (Arc::default(), Arc::new(Resolver::new(|_| {})));
    let me = ShardId::new(0).unwrap();
    let mut keeper =
        Doorkeeper::new(me, Arc::clone(&workers), ledger, resolver, Arc::clone(&policy));
    let (log, _writer) =
        Log::start(Sink::open(LogTarget::of(&Config::default(), "test")).unwrap(), false).unwrap();

    let (mut turn, _plug) = asking(Arc::clone(&policy), &["192.0.2.1:1".to_owned()]);
    assert!(!keeper.ask(&mut turn, &log, Instant::default()));
    started.recv_timeout(DEADLINE).unwrap();
    // The thread is held, and nobody else takes the pool's lock from here on.
    let mut peers: Vec<String> = (1..=40).map(|port| format!("10.0.0.1:{port}")).collect();
    peers.push("10.0.0.2:1".to_owned());
    let (mut turn, clients) = asking(policy, &peers);
    assert!(
        keeper.ask(&mut turn, &log, Instant::default()),
        "some of the loud one's questions are left"
    );
    let taken = workers.stats().taken;
    assert!(taken < 41, "there is no room for all");
    let left: HashSet<ConnId> =
        std::iter::from_fn(|| turn.poll_question()).map(|(client, _)| client).collect();
    assert_eq!(left.len() as u64, 42 - taken, "no question is lost");
    drop(open);
    let decided: HashSet<ConnId> =
        (0..taken).map(|_| answers.recv_timeout(DEADLINE).unwrap()).collect();
    assert!(decided.contains(&clients[40]), "the quiet address was not behind the loud one");
    assert!(!left.contains(&clients[40]));
}
