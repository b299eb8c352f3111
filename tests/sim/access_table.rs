//! The access oracle against what a real nats-server (2.14.0) did, and against the core.
//!
//! Absent: a running broker. Tables are configurations, subscriptions and one publish each, with
//! who heard it; the properties compare single answers of oracle and core.

use std::collections::BTreeSet;

use fanfare::config::access::{
    Access, Account, Destination, Export, Identity, Import, Mapping, Permissions, ResponseGrant,
    ResponseType, Rule, Rules, ShareKind, User,
};
use fanfare::core::ids::AccountId;
use fanfare::core::mappings::{Mapped, Mappings};
use fanfare::core::permissions;
use fanfare::core::shares::satisfy;
use proptest::prelude::*;

use super::access_oracle::{AccessOracle, Answering, Arrival, Asked, Fate, Way};
use ShareKind::{Service, Stream};

fn export(kind: ShareKind, subject: &str) -> Export {
    Export {
        kind,
        subject: subject.into(),
        accounts: None,
        token_required: false,
        revocations: Vec::new(),
        response: ResponseType::Singleton,
        response_threshold_ns: None,
        latency: None,
        account_token_position: None,
        allow_trace: false,
    }
}

fn import(kind: ShareKind, account: &str, subject: &str, to: &str) -> Import {
    let to = (!to.is_empty()).then(|| to.into());
    let (account, subject) = (account.into(), subject.into());
    Import { kind, account, subject, to, share: false, token: None, allow_trace: false }
}

fn mapping(source: &str, destinations: &[(&str, u8)]) -> Mapping {
    let destination = |(subject, weight): &(&str, u8)| Destination {
        subject: (*subject).into(),
        weight: *weight,
        cluster: None,
    };
    Mapping { source: source.into(), destinations: destinations.iter().map(destination).collect() }
}

/// Accounts A, B and C with one user each: a, b and c.
fn world(accounts: [(Vec<Export>, Vec<Import>, Vec<Mapping>); 3]) -> Access {
    let names = ["A", "B", "C"];
    let user = |account: &str| User {
        identity: Identity::Password { name: account.to_lowercase().into(), password: None },
        account: account.into(),
        permissions: None,
        connection_types: Vec::new(),
        proxy_required: false,
        rate: fanfare::config::access::Rate::default(),
    };
    let accounts = names.into_iter().zip(accounts).map(|(name, (exports, imports, mappings))| {
        Account { name: name.into(), exports, imports, mappings, ..Account::default() }
    });
    Access { users: names.map(user).into(), accounts: accounts.collect(), ..Access::default() }
}

/// What one publish brings to subscriptions, each `user filter [queue]`: the subjects heard, those
/// of services with a `!` in front.
fn heard(access: &Access, publish: (&str, &str), subs: &[&str]) -> Vec<Vec<String>> {
    let oracle = AccessOracle::new(access);
    let fates = oracle.publish(&oracle.member(Some(publish.0)), publish.1.as_bytes(), false);
    let [Fate::Sent(arrivals)] = &fates[..] else { panic!("not certain: {fates:?}") };
    let one = |sub: &&str| {
        let mut parts = sub.split(' ');
        let (user, filter) = (parts.next().unwrap(), parts.next().unwrap());
        let queue = parts.next().map(str::as_bytes);
        let member = oracle.member(Some(user));
        assert!(member.accepts(filter.as_bytes(), queue));
        let hearings = member.hears(arrivals, filter.as_bytes(), queue);
        let shown = hearings.iter().map(|hearing| {
            let mark = if hearing.way == Way::Service { "!" } else { "" };
            format!("{mark}{}", String::from_utf8_lossy(&hearing.subject))
        });
        shown.collect()
    };
    subs.iter().map(one).collect()
}

#[test]
fn streams_go_one_account_far() {
    let access = world([
        (vec![export(Stream, "x.>")], vec![], vec![]),
        (vec![export(Stream, "b.>")], vec![import(Stream, "A", "x.>", "b.x.>")], vec![]),
        (vec![], vec![import(Stream, "B", "b.>", "")], vec![]),
    ]);
    let subs = ["a >", "b >", "c >"];
    assert_eq!(heard(&access, ("a", "x.1"), &subs), [vec!["x.1"], vec!["b.x.1"], vec![]]);
    assert_eq!(heard(&access, ("b", "b.q"), &subs), [vec![], vec!["b.q"], vec!["b.q"]]);
    assert_eq!(heard(&access, ("b", "b.x.q"), &subs), [vec![], vec!["b.x.q"], vec!["b.x.q"]]);
}

#[test]
fn services_go_on_from_account_to_account() {
    let access = world([
        (vec![export(Service, "s.*")], vec![], vec![]),
        (vec![export(Service, "b.*")], vec![import(Service, "A", "s.*", "b.$1")], vec![]),
        (vec![], vec![import(Service, "B", "b.*", "c.*")], vec![]),
    ]);
    let subs = ["a >", "b >", "c >"];
    assert_eq!(heard(&access, ("b", "b.1"), &subs), [vec!["!s.1"], vec!["b.1"], vec![]]);
    assert_eq!(heard(&access, ("c", "c.2"), &subs), [vec!["!s.2"], vec!["!b.2"], vec!["c.2"]]);
    // The answer passes B under a reply of the broker's, and comes to C under its own.
    let oracle = AccessOracle::new(&access);
    let fates = oracle.publish(&oracle.member(Some("c")), b"c.2", false);
    let Fate::Sent(arrivals) = &fates[0] else { panic!("sent") };
    let at_a = arrivals.iter().find(|arrival| arrival.account == 0).unwrap();
    let way = oracle.answer_way(at_a).unwrap();
    assert_eq!((way.passes, way.ends, way.once), (vec![1], 2, true));
    let own = arrivals.iter().find(|arrival| arrival.way == Way::Own).unwrap();
    assert_eq!(oracle.answer_way(own), None);
}

#[test]
fn a_circle_of_services_is_walked_once() {
    let to_self = |to| {
        world([
            (vec![export(Service, "x")], vec![import(Service, "A", "x", to)], vec![]),
            (vec![], vec![], vec![]),
            (vec![], vec![], vec![]),
        ])
    };
    assert_eq!(heard(&to_self(""), ("a", "x"), &["a >"]), [["x", "!x"]]);
    assert_eq!(heard(&to_self("y"), ("a", "y"), &["a >"]), [["y", "!x"]]);
    assert_eq!(heard(&to_self("y"), ("a", "x"), &["a >"]), [["x"]]);
}

#[test]
fn a_stream_from_oneself_is_heard_twice() {
    let to_self = |to| {
        world([
            (vec![export(Stream, "x")], vec![import(Stream, "A", "x", to)], vec![]),
            (vec![], vec![], vec![]),
            (vec![], vec![], vec![]),
        ])
    };
    assert_eq!(heard(&to_self("y"), ("a", "x"), &["a >", "a y"]), [vec!["x", "y"], vec!["y"]]);
    assert_eq!(heard(&to_self(""), ("a", "x"), &["a >", "a x"]), [["x", "x"], ["x", "x"]]);
}

#[test]
fn local_filters_select_local_subjects() {
    let access = world([
        (vec![export(Stream, "x.>")], vec![], vec![]),
        (vec![], vec![import(Stream, "A", "x.*.*", "l.$2.$1")], vec![]),
        (vec![], vec![import(Stream, "A", "x.*", "l.$1.$1")], vec![]),
    ]);
    let yes = ["b l.*.*", "b l.>", "b *.*.k", "b l.v.k", "b l.v.*", "b >", "b *.v.>"];
    assert!(heard(&access, ("a", "x.k.v"), &yes).iter().all(|heard| heard == &["l.v.k"]));
    assert_eq!(heard(&access, ("a", "x.k.v"), &["b l.*.z", "b x.>"]), [vec![""; 0], vec![]]);
    assert_eq!(heard(&access, ("a", "x.k"), &["b >", "c l.*.*"]), [vec![], vec!["l.k.k"]]);
}

#[test]
fn requests_are_not_exported_as_streams() {
    let access = world([
        (vec![export(Service, "s"), export(Stream, "s")], vec![], vec![]),
        (vec![], vec![import(Service, "A", "s", "l")], vec![]),
        (vec![], vec![import(Stream, "A", "s", "z")], vec![]),
    ]);
    assert_eq!(heard(&access, ("b", "l"), &["a s", "c z"]), [vec!["!s"], vec![]]);
    assert_eq!(heard(&access, ("a", "s"), &["a s", "c z"]), [["s"], ["z"]]);
    let access = world([
        (vec![export(Stream, "x")], vec![], vec![]),
        (vec![], vec![import(Stream, "A", "x", ""), import(Service, "C", "x", "")], vec![]),
        (vec![export(Service, "x")], vec![], vec![]),
    ]);
    assert_eq!(heard(&access, ("a", "x"), &["b x", "c x"]), [vec!["x"], vec![]]);
}

#[test]
fn mappings_of_both_accounts_count_on_the_way_of_a_request() {
    let access = world([
        (vec![export(Service, "s")], vec![], vec![mapping("s", &[("s2", 100)])]),
        (vec![], vec![import(Service, "A", "s", "")], vec![mapping("t", &[("s", 100)])]),
        (vec![], vec![], vec![]),
    ]);
    for subject in ["s", "t"] {
        assert_eq!(heard(&access, ("b", subject), &["a >", "b >"]), [["!s2"], ["s"]]);
    }
}

#[test]
fn all_services_of_one_local_subject_are_asked() {
    let access = world([
        (vec![export(Service, "s.>")], vec![], vec![]),
        (
            vec![],
            vec![import(Service, "A", "s.a", "l.a"), import(Service, "A", "s.*", "l.*")],
            vec![],
        ),
        (vec![], vec![], vec![]),
    ]);
    assert_eq!(heard(&access, ("b", "l.a"), &["a s.*"]), [["!s.a", "!s.a"]]);
}

#[test]
fn groups_of_one_name_are_one_over_all_importers() {
    let access = world([
        (vec![export(Stream, "x")], vec![], vec![]),
        (vec![], vec![import(Stream, "A", "x", "")], vec![]),
        (vec![], vec![import(Stream, "A", "x", "")], vec![]),
    ]);
    let oracle = AccessOracle::new(&access);
    let fates = oracle.publish(&oracle.member(Some("a")), b"x", false);
    let Fate::Sent(arrivals) = &fates[0] else { panic!("sent") };
    let places = |user| {
        let heard = oracle.member(Some(user)).hears(arrivals, b"x", Some(b"q"));
        heard.into_iter().map(|hearing| hearing.place).collect::<Vec<_>>()
    };
    assert_eq!(places("a"), places("b"));
    assert_eq!(places("b"), places("c"));
    assert_eq!(places("a").len(), 1);
}

#[test]
fn a_mapping_with_weights_has_several_futures() {
    let rest = vec![(vec![], vec![], vec![mapping("s", &[("t", 30), ("u.{{random(2)}}", 20)])])];
    let lost = vec![(vec![], vec![], vec![mapping("s", &[("s", 30)])])];
    let futures = |first: Vec<(Vec<Export>, Vec<Import>, Vec<Mapping>)>| {
        let none = || (vec![], vec![], vec![]);
        let mut access = world([first.into_iter().next().unwrap(), none(), none()]);
        let deny = Rules { allow: None, deny: vec![Rule { subject: "u.1".into(), queue: None }] };
        access.users[0].permissions = Some(Permissions { publish: deny, ..Default::default() });
        let oracle = AccessOracle::new(&access);
        oracle.publish(&oracle.member(Some("a")), b"s", false)
    };
    let sent = |subject: &[u8]| {
        let (place, way) = (Vec::new(), Way::Own);
        Fate::Sent(vec![Arrival { account: 0, subject: subject.to_vec(), way, place }])
    };
    let expected = [sent(b"t"), sent(b"u.0"), Fate::Refused(b"u.1".to_vec()), sent(b"s")];
    assert_eq!(futures(rest), expected);
    assert_eq!(futures(lost), [sent(b"s"), Fate::Lost]);
}

#[test]
fn a_request_may_be_answered_as_often_and_as_long_as_granted() {
    let none = || (vec![], vec![], vec![]);
    let mut access = world([none(), none(), none()]);
    let responses = Some(ResponseGrant { max: Some(2), expires_ns: Some(100) });
    access.users[0].permissions = Some(Permissions { responses, ..Default::default() });
    let oracle = AccessOracle::new(&access);
    let member = oracle.member(Some("a"));
    let asked = |answered| [Asked { reply: b"r".to_vec(), between_ns: (10, 20), answered }];
    for (answered, subject, now, expected) in [
        (1, "r", 110, Answering::Yes),
        (1, "r", 111, Answering::Perhaps),
        (1, "r", 121, Answering::No),
        (2, "r", 50, Answering::No),
        (0, "s", 50, Answering::No),
    ] {
        assert_eq!(member.may_answer(&asked(answered), subject.as_bytes(), now), expected);
    }
    assert!(!member.may_publish(b"r"), "it may do nothing but answer");
    let other = oracle.member(Some("b"));
    assert_eq!(other.may_answer(&asked(0), b"r", 50), Answering::No);
}

fn pattern() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(&["a", "b", "*", "*"][..]);
    (proptest::collection::vec(word, 1..4), any::<bool>())
        .prop_map(|(words, rest)| words.join(".") + if rest { ".>" } else { "" })
}

fn rule() -> impl Strategy<Value = Rule> {
    let queue = proptest::sample::select(&[None, None, Some("q"), Some("q.*")][..]);
    (pattern(), queue)
        .prop_map(|(subject, queue)| Rule { subject: subject.into(), queue: queue.map(Into::into) })
}

fn rules() -> impl Strategy<Value = Rules> {
    let list = || proptest::collection::vec(rule(), 0..4);
    (proptest::option::of(list()), list()).prop_map(|(allow, deny)| Rules { allow, deny })
}

fn subject() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&["a", "b", "c", "*", ">", ""][..]), 1..5)
        .prop_map(|words| words.join("."))
}

proptest! {
    #[test]
    fn permissions_agree_with_the_core(
        publish in rules(), subscribe in rules(), no_wildcards in any::<bool>(),
        subjects in proptest::collection::vec(subject(), 20),
        queue in proptest::sample::select(&[None, Some("q"), Some("q.x"), Some("r")][..]),
    ) {
        let written = Permissions { publish, subscribe, responses: None, no_wildcards };
        let core = permissions::Permissions::compile(&written);
        let none = || (vec![], vec![], vec![]);
        let mut access = world([none(), none(), none()]);
        access.users[0].permissions = Some(written);
        let oracle = AccessOracle::new(&access);
        let member = oracle.member(Some("a"));
        let queue = queue.map(str::as_bytes);
        for subject in &subjects {
            let subject = subject.as_bytes();
            prop_assert_eq!(core.may_publish(subject), member.may_publish(subject));
            prop_assert_eq!(core.may_receive(subject, queue), member.may_receive(subject, queue));
            prop_assert_eq!(core.may_subscribe(subject, queue), member.accepts(subject, queue));
        }
    }

    #[test]
    fn mappings_agree_with_the_core(
        sources in proptest::collection::vec((pattern(), 0..CALLS.len()), 0..6),
        weight in 3u8..=100,
        subjects in proptest::collection::vec(subject(), 12),
    ) {
        let list: Vec<_> = sources.iter().map(|(source, n)| {
            let word = if source.contains('*') { CALLS[*n] } else { "{{partition(3)}}" };
            let rest = if source.ends_with('>') { ".>" } else { "" };
            mapping(source, &[(&format!("m{n}.{word}{rest}"), weight)])
        }).collect();
        let core = Mappings::compile(&list).unwrap();
        let none = || (vec![], vec![], vec![]);
        let oracle = AccessOracle::new(&world([(vec![], vec![], list), none(), none()]));
        for subject in &subjects {
            let mut made = BTreeSet::new();
            for draw in 0..100 {
                let mut out = Vec::new();
                match core.map(subject.as_bytes(), &mut |bound| draw % bound, &mut out) {
                    Mapped::Unchanged => made.insert(Some(subject.as_bytes().to_vec())),
                    Mapped::To => made.insert(Some(out)),
                    Mapped::Dropped => made.insert(None),
                };
            }
            let fates = oracle.publish(&oracle.member(Some("a")), subject.as_bytes(), false);
            let expected: BTreeSet<_> = fates.into_iter().map(|fate| match fate {
                Fate::Sent(arrivals) => Some(arrivals[0].subject.clone()),
                Fate::Lost | Fate::Refused(_) => None,
            }).collect();
            prop_assert_eq!(made, expected, "{}", subject);
        }
    }

    #[test]
    fn imports_agree_with_the_core(
        wanted in pattern(), forward in any::<bool>(), literal in any::<bool>(),
        subjects in proptest::collection::vec(subject(), 20),
    ) {
        let count = wanted.split('.').filter(|word| *word == "*").count();
        let mut to: Vec<String> = (1..=count).map(|n| format!("${n}")).collect();
        if !forward {
            to.reverse();
        }
        if literal || to.is_empty() {
            to.insert(0, "b".to_owned());
        }
        let rest = if wanted.ends_with('>') { ".>" } else { "" };
        let to = to.join(".") + rest;
        let access = world([
            (vec![export(Stream, ">"), export(Service, ">")], vec![], vec![]),
            (vec![], vec![import(Stream, "A", &wanted, &to)], vec![]),
            (vec![], vec![import(Service, "A", &wanted, &to)], vec![]),
        ]);
        let [a, b, c] = &access.accounts[..] else { unreachable!() };
        let (exporter, importer) = (AccountId::GLOBAL, AccountId::SYSTEM);
        for (account, user, other) in [(b, "a", 1), (c, "c", 0)] {
            let list = [(exporter, a), (importer, account)];
            let (shares, refused) = satisfy(&list, &mut |_, _, _| false);
            prop_assert!(refused.is_empty());
            let oracle = AccessOracle::new(&access);
            for subject in &subjects {
                let mut out = Vec::new();
                let found = match other {
                    1 => shares[0].map.to_local(subject.as_bytes(), &mut out),
                    _ => shares[0].map.to_exported(subject.as_bytes(), &mut out),
                };
                let fates = oracle.publish(&oracle.member(Some(user)), subject.as_bytes(), false);
                let Fate::Sent(arrivals) = &fates[0] else { unreachable!() };
                let there: Vec<_> = arrivals.iter()
                    .filter(|arrival| arrival.account == other)
                    .map(|arrival| arrival.subject.clone())
                    .collect();
                prop_assert_eq!(there, if found { vec![out] } else { vec![] }, "{}", subject);
            }
        }
    }

    #[test]
    fn exports_agree_with_the_core(
        offers in proptest::collection::vec((pattern(), 0u8..4), 0..5), wanted in pattern(),
    ) {
        let exports: Vec<_> = offers.iter().map(|(subject, who)| Export {
            accounts: (*who > 1).then(|| vec![if *who == 2 { "B".into() } else { "C".into() }]),
            account_token_position: (*who == 1).then_some(1),
            ..export(Stream, subject)
        }).collect();
        let access = world([
            (exports, vec![], vec![]),
            (vec![], vec![import(Stream, "A", &wanted, "")], vec![]),
            (vec![], vec![], vec![]),
        ]);
        let [a, b, _] = &access.accounts[..] else { unreachable!() };
        let list = [(AccountId::GLOBAL, a), (AccountId::SYSTEM, b)];
        let (shares, _) = satisfy(&list, &mut |_, _, _| false);
        let sample = wanted.replace('*', "a").replace('>', "a.b");
        let heard = heard(&access, ("a", &sample), &["b >"]);
        prop_assert_eq!(heard[0].len(), shares.len());
    }
}

const CALLS: [&str; 8] = [
    "$1",
    "{{wildcard(1)}}",
    "{{partition(5,1)}}",
    "{{partition(7)}}",
    "{{Random( 3 )}}",
    "{{SplitFromLeft(1, 1)}}",
    "{{sliceFromRight(1,2)}}",
    "x",
];
