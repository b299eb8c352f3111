//! Clients on their way in, seen from one shard: what they send, what they are told, and what is
//! done of it.
//!
//! Absent: the decisions themselves, which `auth` tests; here some are made at once and some late.

use super::super::accounts::Accounts;
use super::super::arrival::{Arrival, Entrance};
use super::super::auth::authority::Vouching;
use super::super::auth::callout::Service;
use super::super::auth::delegation::Premises;
use super::super::close::CloseReason;
use super::super::ids::ShardId;
use super::super::policy::Policy;
use super::super::review::Settings;
use super::super::shard::ShardSetup;
use super::super::time::Instant;
use super::super::turn::{Polled, ReadOutcome, Turn, WriteOutcome};
use super::*;
use crate::config::access::{Access, Account, Identity, Rate, Rule, Rules, User};
use crate::config::{Config, Limits, access};

const REFUSED: &str = "-ERR 'Authorization Violation'\r\n";
const SECOND: u64 = 1_000_000_000;

/// One shard with one client.
struct World {
    shard: Option<Box<Shard>>,
    client: ConnId,
    at: u64,
    questions: Vec<Question>,
    refused: Vec<String>,
    closed: Option<CloseReason>,
}

impl World {
    fn new(access: &Access) -> Self {
        let shard = Box::new(Shard::new(ShardSetup {
            id: ShardId::new(0).unwrap(),
            shards: 1,
            batches_per_peer: ShardSetup::BATCHES_PER_PEER,
            policy: policy(access),
            limits: Arc::new(Limits::default()),
            entrances: vec![Entrance::default()],
            seed: 1,
            first_generation: 0,
            trace: None,
            now: Instant::default(),
        }));
        let mut turn = Turn::begin(shard, Instant::default());
        let arrival = Arrival::plain(ClientNumber(9), "10.0.0.1:5".into());
        let client = turn.handle_accept(Arrival { nonce: Some("nonce".into()), ..arrival });
        let shard = Some(turn.read().drain().route().data().write().tick().finish());
        let (questions, refused) = (Vec::new(), Vec::new());
        let mut world = Self { shard, client, at: 0, questions, refused, closed: None };
        assert!(world.hears("").starts_with("INFO "));
        world
    }

    /// One turn, in which the client sends this; gives what it is told.
    fn turn(&mut self, input: &str, begin: impl FnOnce(&mut Turn<Polled>)) -> String {
        let shard = self.shard.take().unwrap();
        let mut turn = Turn::begin(shard, Instant::from_ns(self.at));
        turn.handle_wall_clock(WALL_MS + self.at / 1_000_000);
        begin(&mut turn);
        if !input.is_empty() {
            turn.handle_readable(self.client);
        }
        let mut turn = turn.read();
        while turn.poll_read().is_some() {
            turn.room()[..input.len()].copy_from_slice(input.as_bytes());
            turn.handle_read(ReadOutcome::Bytes(input.len()));
        }
        let mut turn = turn.drain().route().data().write();
        let mut written = Vec::new();
        while turn.poll_write().is_some() {
            let before = written.len();
            turn.slices().for_each(|slice| written.extend_from_slice(slice));
            turn.handle_written(WriteOutcome::Bytes(written.len() - before));
        }
        let mut turn = turn.tick();
        while let Some((client, question)) = turn.poll_question() {
            assert_eq!(client, self.client);
            self.questions.push(question);
        }
        self.refused.extend(std::iter::from_fn(|| turn.poll_refused()).map(|it| it.to_string()));
        self.closed = turn.poll_closed().map(|closed| closed.reason).or(self.closed);
        self.shard = Some(turn.finish());
        String::from_utf8(written).unwrap()
    }

    fn hears(&mut self, input: &str) -> String {
        self.turn(input, |_| {})
    }

    /// The answer to the oldest question comes.
    fn decides(&mut self, decision: Decision) -> String {
        let client = self.client;
        self.turn("", |turn| assert!(turn.handle_decided(client, decision)))
    }

    /// A changed configuration comes, and everybody is held to it.
    fn reloads(&mut self, access: &Access) -> String {
        let settings = Settings {
            limits: Arc::new(Limits::default()),
            entrances: vec![Entrance::default()],
            policy: policy(access),
            trace: None,
        };
        let mut heard = self.turn("", |turn| turn.handle_settings(settings));
        heard += &self.hears("");
        assert!(self.shard.as_ref().unwrap().is_reviewed());
        heard
    }

    /// The client says CONNECT and is let in.
    fn enters(&mut self, access: &Access) {
        self.hears(&connect("a", "one"));
        let request = self.question();
        assert_eq!(self.decides(decide(access, &request)), "");
    }

    /// Another client comes, and is the one that speaks from here on.
    fn accepts(&mut self) {
        let arrival = Arrival::plain(ClientNumber(10), "10.0.0.2:5".into());
        let arrival = Arrival { nonce: Some("nonce".into()), ..arrival };
        let mut client = self.client;
        self.turn("", |turn| client = turn.handle_accept(arrival));
        self.client = client;
    }

    fn question(&mut self) -> AuthRequest {
        match self.questions.remove(0) {
            Question::Enter(request) => *request,
            Question::Answer { .. } => panic!("nobody was asked"),
        }
    }
}

const WALL_MS: u64 = 1_800_000_000_000;

fn policy(access: &Access) -> Arc<Policy> {
    let config = Config { access: access.clone(), ..Config::default() };
    Arc::new(Policy::compile(&config, &Accounts::none(), &Premises::default(), 7).unwrap())
}

fn user(name: &str, password: &str) -> User {
    let password = (!password.is_empty()).then(|| Secret::new(password));
    User {
        identity: Identity::Password { name: name.into(), password },
        account: Account::GLOBAL.into(),
        permissions: None,
        connection_types: Vec::new(),
        proxy_required: false,
        rate: Rate::default(),
    }
}

fn users(users: Vec<User>) -> Access {
    Access { users, authorization_block: true, ..Access::default() }
}

/// A user whose password is hashed: nobody decides about it at once.
fn slow_user(name: &str, password: &str) -> User {
    user(name, &bcrypt::hash_with_salt(password, 4, [3; 16]).unwrap().to_string())
}

fn connect(user: &str, pass: &str) -> String {
    format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{pass}\"}}\r\n")
}

fn decide(access: &Access, request: &AuthRequest) -> Decision {
    policy(access).authority.decide(request)
}

#[test]
fn nothing_is_done_before_a_client_is_let_in() {
    let access = users(vec![user("a", "one")]);
    for first in ["PING\r\n", "SUB f 1\r\n", "PUB f 0\r\n\r\n", "+OK\r\n", "CONNECT {}\r\nPING\r\n"]
    {
        let mut world = World::new(&access);
        assert_eq!(world.hears(first), REFUSED, "{first}");
        assert_eq!(world.closed, Some(CloseReason::AuthorizationViolation));
        assert_eq!(world.refused, ["authentication error: credentials unknown or wrong"]);
    }
    let mut world = World::new(&access);
    assert_eq!(world.hears(&(connect("a", "one") + "PING\r\n")), "PONG\r\n");
    assert_eq!((world.questions.len(), world.refused.len(), world.closed), (0, 0, None));
}

#[test]
fn what_follows_connect_waits_for_the_decision() {
    let access = users(vec![slow_user("a", "one")]);
    for (pass, expected) in [("one", "MSG f 1 0\r\n\r\nPONG\r\n"), ("two", REFUSED)] {
        let mut world = World::new(&access);
        let all = connect("a", pass) + "SUB f 1\r\nPUB f 0\r\n\r\nPING\r\n";
        let (head, tail) = all.split_at(all.len() - 9);
        assert_eq!(world.hears(head), "");
        assert_eq!(world.hears(""), "", "nothing happens by itself");
        let request = world.question();
        assert_eq!(&*request.nonce, "nonce");
        assert_eq!(request.address, Some([10, 0, 0, 1].into()));
        assert_eq!((request.number, request.wall_ms), (9, WALL_MS));
        let heard = world.decides(decide(&access, &request));
        let heard = heard + &world.hears(tail);
        assert_eq!(heard, expected);
        assert_eq!(world.closed.is_some(), pass == "two");
    }
}

#[test]
fn a_client_that_waits_is_not_read() {
    let access = users(vec![slow_user("a", "one")]);
    let mut world = World::new(&access);
    assert_eq!(world.hears(&connect("a", "one")), "");
    // Another CONNECT would be another question; it is not even read.
    world.hears(&connect("a", "two"));
    world.hears("PING\r\n");
    assert_eq!(world.questions.len(), 1);
}

#[test]
fn questions_come_back_when_nobody_has_room() {
    let access = users(vec![slow_user("a", "one")]);
    let mut world = World::new(&access);
    world.hears(&connect("a", "one"));
    let question = world.questions.remove(0);
    let client = world.client;
    let mut turn = Turn::begin(world.shard.take().unwrap(), Instant::default());
    turn.handle_wall_clock(WALL_MS);
    let mut turn = turn.read().drain().route().data().write().tick();
    assert!(turn.poll_question().is_none() && !turn.has_questions());
    turn.handle_undecided(client, question);
    assert!(turn.has_questions() && turn.poll_question().is_some());
}

#[test]
fn answers_to_nobody_change_nothing() {
    let access = users(vec![slow_user("a", "one"), user("b", "two")]);
    let mut world = World::new(&access);
    world.hears(&connect("a", "one"));
    let request = world.question();
    let admit = decide(&access, &request);
    assert_eq!(world.decides(admit.clone()), "");
    // A second answer meets a client that is in.
    assert_eq!(world.decides(Decision::Refuse(Refusal::Credentials)), "");
    assert_eq!(world.hears("PING\r\n"), "PONG\r\n");
    // And a client that is gone is reported, so that its seat is given back.
    world.hears("CONNECT {\"user\":\"x\"}\r\n");
    let request = world.question();
    world.decides(decide(&access, &request));
    assert!(world.closed.is_some());
    let client = world.client;
    world.turn("", |turn| assert!(!turn.handle_decided(client, admit)));
}

/// Who is let in once may not widen its rights by another CONNECT, nor keep them by a wrong one.
#[test]
fn a_second_connect_is_decided_anew() {
    let deny = vec![Rule { subject: "f".into(), queue: None }];
    let subscribe = Rules { allow: None, deny };
    let permissions = access::Permissions { subscribe, ..access::Permissions::default() };
    let bound = User { permissions: Some(permissions), ..user("b", "two") };
    let access = users(vec![user("a", "one"), bound]);
    let mut world = World::new(&access);
    assert_eq!(world.hears(&(connect("a", "one") + "SUB f 1\r\nPING\r\n")), "PONG\r\n");
    let heard = world.hears(&(connect("b", "two") + "PUB f 0\r\n\r\nSUB f 1\r\nPING\r\n"));
    assert_eq!(heard, "-ERR 'Permissions Violation for Subscription to \"f\"'\r\nPONG\r\n");
    assert_eq!(world.hears(&(connect("a", "two") + "PING\r\n")), REFUSED);
    assert_eq!(world.closed, Some(CloseReason::AuthorizationViolation));
}

#[test]
fn the_guest_may_begin_with_anything() {
    let mut access = users(vec![user("guest", "")]);
    access.no_auth_user = Some("guest".into());
    let mut world = World::new(&access);
    // Without CONNECT the defaults hold: verbose.
    assert_eq!(world.hears("SUB f 1\r\nPUB f 0\r\n\r\n"), "+OK\r\n+OK\r\nMSG f 1 0\r\n\r\n");
    // Where its user may not come, it may not come either, whatever it begins with.
    access.users[0].connection_types = vec![access::ConnectionType::WebSocket];
    for first in ["PING\r\n", "SUB f 1\r\n", "CONNECT {}\r\n"] {
        let mut world = World::new(&access);
        assert_eq!(world.hears(first), REFUSED, "{first}");
    }
}

#[test]
fn credentials_run_out() {
    let access = users(vec![slow_user("a", "one")]);
    let mut world = World::new(&access);
    world.hears(&connect("a", "one"));
    let request = world.question();
    let Decision::Admit(mut admitted) = decide(&access, &request) else { panic!() };
    admitted.expires_ms = Some(WALL_MS + 3_000);
    world.decides(Decision::Admit(admitted));
    world.at = 2 * SECOND;
    assert_eq!(world.hears("PING\r\n"), "PONG\r\n");
    world.at = 3 * SECOND + SECOND / 10;
    let heard = world.hears("") + &world.hears("");
    assert!(heard.ends_with("-ERR 'User Authentication Expired'\r\n"), "{heard}");
    assert_eq!(world.closed, Some(CloseReason::AuthenticationExpired));
}

/// However often a client is bound, one timer looks at when it must leave, and it leaves in time.
#[test]
fn being_bound_again_adds_no_timer() {
    let access = users(vec![slow_user("a", "one")]);
    let mut world = World::new(&access);
    let mut timers = None;
    for number in (0..20).rev() {
        let expires_ms = WALL_MS + 90_000 + number * 100_000;
        world.hears(&connect("a", "one"));
        let request = world.question();
        let Decision::Admit(mut admitted) = decide(&access, &request) else { panic!() };
        admitted.expires_ms = Some(expires_ms);
        world.decides(Decision::Admit(admitted));
        let shard = world.shard.as_ref().unwrap();
        assert_eq!(*timers.get_or_insert(shard.timers.len()), shard.timers.len());
    }
    let mut heard = String::new();
    for at in [30, 61, 89] {
        world.at = at * SECOND;
        heard += &world.hears("PONG\r\n");
        assert!(!heard.contains("-ERR"), "{heard}");
        let shard = world.shard.as_ref().unwrap();
        assert!(shard.timers.len() <= 2, "a ping's and the expiry's");
    }
    world.at = 91 * SECOND;
    heard += &(world.hears("") + &world.hears(""));
    assert!(heard.ends_with("-ERR 'User Authentication Expired'\r\n"), "{heard}");
}

#[test]
fn whose_user_is_gone_or_changed_must_leave() {
    let access = users(vec![user("a", "one"), user("b", "two")]);
    let changed = users(vec![user("a", "other"), user("b", "two")]);
    let gone = users(vec![user("b", "two")]);
    // Who is gone is closed without a word.
    for (reloaded, expected, stays) in
        [(&access, "", true), (&changed, REFUSED, false), (&gone, "", false)]
    {
        let mut world = World::new(&access);
        world.hears(&connect("a", "one"));
        assert_eq!(world.reloads(reloaded), expected);
        if stays {
            assert_eq!(world.hears("PING\r\n"), "PONG\r\n");
        } else {
            assert_eq!(world.closed, Some(CloseReason::AuthorizationViolation));
            assert_eq!(world.refused.len(), 1);
            assert!(world.refused[0].starts_with("authentication error - User \"a\": "));
        }
    }
}

/// A decision takes time; what the configuration says when it comes is what counts.
#[test]
fn a_decision_of_an_earlier_configuration_lets_nobody_in() {
    let before = users(vec![slow_user("a", "one")]);
    let gone = users(vec![user("b", "two")]);
    let changed = users(vec![slow_user("a", "other")]);
    for (after, expected) in [(&before, "PONG\r\n"), (&gone, REFUSED), (&changed, REFUSED)] {
        let mut world = World::new(&before);
        world.hears(&(connect("a", "one") + "PING\r\n"));
        let request = world.question();
        let decision = decide(&before, &request);
        assert_eq!(world.reloads(after), "");
        assert_eq!(world.decides(decision), expected);
    }
}

fn callout(request: AuthRequest) -> Decision {
    Decision::Ask(Box::new(Callout {
        account: Account::GLOBAL.into(),
        headers: Vec::new(),
        payload: b"who is it".to_vec(),
        user_nkey: Box::default(),
        user: None,
        service: Arc::new(Service {
            account: Account::GLOBAL.into(),
            issuer: Box::default(),
            xkey: None,
        }),
        vouching: Vouching::Absent,
        request: Box::new(request),
    }))
}

#[test]
fn a_service_that_nobody_plays_is_not_waited_for() {
    let access = users(vec![slow_user("a", "one")]);
    let mut world = World::new(&access);
    world.hears(&connect("a", "one"));
    let request = world.question();
    assert_eq!(world.decides(callout(request)), REFUSED);
    assert_eq!(world.closed, Some(CloseReason::AuthorizationViolation));
    assert_eq!(world.shard.as_ref().unwrap().responses.len(), 0);
}

/// Who closes, or waits too long, is not waited for any more.
#[test]
fn what_is_asked_about_a_client_ends_with_it() {
    let access = users(vec![slow_user("a", "one")]);
    for leaves in [true, false] {
        let mut world = World::new(&access);
        world.enters(&access);
        world.hears("SUB $SYS.REQ.USER.AUTH 1\r\n");
        world.accepts();
        world.hears(&connect("a", "one"));
        let request = world.question();
        let heard = world.decides(callout(request));
        assert!(heard.starts_with("MSG $SYS.REQ.USER.AUTH 1 _R_.00."), "{heard}");
        assert_eq!(world.shard.as_ref().unwrap().responses.len(), 1);
        if leaves {
            let client = world.client;
            let reason = CloseReason::ReadError;
            world.turn("", |turn| turn.handle_abandoned(client, reason, None));
        } else {
            world.at = 2 * SECOND + SECOND / 2;
            world.hears("");
            world.hears("");
        }
        assert!(world.closed.is_some());
        assert_eq!(world.shard.as_ref().unwrap().responses.len(), 0);
    }
}

/// Who wants in uses up no more than a share of the room for answers, and gives it back.
#[test]
fn questions_to_a_service_have_a_bound_of_their_own() {
    let access = users(vec![slow_user("a", "one")]);
    let mut world = World::new(&access);
    let service = world.client;
    world.enters(&access);
    world.accepts();
    world.hears(&connect("a", "one"));
    let (client, request) = (world.client, world.question());
    let responses = &mut world.shard.as_mut().unwrap().responses;
    let mut places = Vec::new();
    while responses.has_room_for_callout() {
        let Decision::Ask(callout) = callout(request.clone()) else { panic!() };
        let waiter = Waiter::Entry { client, callout };
        let now = Instant::default();
        places.push(responses.add(AccountId::GLOBAL, waiter, SECOND, now, &mut Vec::new()));
    }
    assert!(places.len() == 16 * 1024 && responses.has_room());
    // A place that is not this client's is left alone.
    responses.end_callout(places[0], service);
    assert!(!responses.has_room_for_callout());
    responses.end_callout(places[0], client);
    assert!(responses.has_room_for_callout());
    assert_eq!(responses.expire(Instant::from_ns(SECOND)), places.len() - 1);
    assert!(responses.has_room_for_callout() && responses.len() == 0);
}

#[test]
fn strangers_are_in_once_nobody_is_asked() {
    let access = users(vec![user("a", "one")]);
    let open = Access::default();
    let mut world = World::new(&access);
    assert_eq!(world.reloads(&open), "");
    let slot = world.client.slot;
    assert_eq!(world.shard.as_ref().unwrap().clients.get(slot).standing, Standing::Bound);
    let heard = world.hears("CONNECT {\"verbose\":false}\r\nSUB f 1\r\nPUB f 0\r\n\r\n");
    assert_eq!(heard, "MSG f 1 0\r\n\r\n");
    assert_eq!(world.reloads(&access), REFUSED);
    // Who has said nothing yet may still say who it is; who was let in unbound may not stay.
    for connected in [false, true] {
        let mut world = World::new(&access);
        let slot = world.client.slot;
        world.shard.as_mut().unwrap().clients.get_mut(slot).connected = connected;
        assert_eq!(world.reloads(&access), if connected { REFUSED } else { "" });
        assert_eq!(world.closed.is_some(), connected);
    }
}

/// Whoever says CONNECT again after a long time waits as long as anybody, and no longer.
#[test]
fn waiting_counts_from_its_beginning() {
    let access = users(vec![slow_user("a", "one")]);
    for (begun, again) in [(10, false), (10, true), (3_000, false)] {
        let mut world = World::new(&access);
        world.enters(&access);
        world.at = begun * SECOND;
        if again {
            // An earlier wait that has ended leaves its timer behind.
            world.at -= SECOND;
            world.enters(&access);
            world.at += SECOND;
        }
        world.hears(&connect("a", "one"));
        assert_eq!(world.questions.len(), 1);
        world.at += 2 * SECOND - SECOND / 10;
        let heard = world.hears("") + &world.hears("");
        assert!(!heard.contains("-ERR"), "{heard}");
        world.at += SECOND / 5;
        let heard = world.hears("") + &world.hears("");
        assert!(heard.ends_with(REFUSED), "{heard}");
        assert_eq!(world.closed, Some(CloseReason::AuthorizationViolation));
    }
}
