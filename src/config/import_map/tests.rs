//! Import maps by tables, and by trying every short subject.
//!
//! Absent: who may import what.

use fanfare_protocol::subject::matches;
use proptest::prelude::*;

use super::{ImportMap, intersect};

type Way = fn(&ImportMap, &[u8], &mut Vec<u8>) -> bool;

fn go(map: &ImportMap, way: Way, text: &str) -> Option<String> {
    let mut out = b"kept ".to_vec();
    let found = way(map, text.as_bytes(), &mut out);
    let made = String::from_utf8(out).unwrap();
    assert!(found || made == "kept ", "{made}");
    found.then(|| made["kept ".len()..].to_owned())
}

fn check(subject: &str, to: Option<&str>, local: &str, pairs: &[(&str, &str)], strangers: &[&str]) {
    let map = ImportMap::new(subject, to).unwrap();
    assert_eq!((map.exported(), map.local()), (subject, local));
    for (exported, local) in pairs {
        assert_eq!(go(&map, ImportMap::to_local, exported).as_deref(), Some(*local));
        assert_eq!(go(&map, ImportMap::to_exported, local).as_deref(), Some(*exported));
    }
    for stranger in strangers {
        assert_eq!(go(&map, ImportMap::to_local, stranger), None, "{subject} {stranger}");
    }
}

#[test]
fn wildcards_move_both_ways() {
    check("a", None, "a", &[("a", "a")], &["b", "a.b"]);
    check("a.b", Some("x"), "x", &[("a.b", "x")], &["x"]);
    check("a.*", None, "a.*", &[("a.q", "a.q")], &["a", "a.q.r", "a."]);
    check("a.*.*", Some("x.$2.$1"), "x.*.*", &[("a.p.q", "x.q.p")], &["a.p"]);
    check("a.*.*", Some("x.*.*"), "x.*.*", &[("a.p.q", "x.p.q")], &[]);
    check("a.*", Some("x.{{wildcard(1)}}.y"), "x.*.y", &[("a.p", "x.p.y")], &[]);
    check("a.>", Some("pre.a.>"), "pre.a.>", &[("a.p.q", "pre.a.p.q")], &["a"]);
    check("*.b.>", Some("x.y.$1.>"), "x.y.*.>", &[("a.b.c.d", "x.y.a.c.d")], &["a.b"]);
    check(">", Some("all.>"), "all.>", &[("a", "all.a"), ("a.b", "all.a.b")], &[]);
}

#[test]
fn one_service_may_have_many_local_names() {
    let map = ImportMap::new("req", Some("local.*")).unwrap();
    assert_eq!(go(&map, ImportMap::to_exported, "local.x").as_deref(), Some("req"));
    assert_eq!(go(&map, ImportMap::to_exported, "local.x.y"), None);
}

#[test]
fn a_wildcard_that_stands_twice_must_be_the_same() {
    let map = ImportMap::new("a.*", Some("b.$1.$1")).unwrap();
    assert_eq!(go(&map, ImportMap::to_local, "a.x").as_deref(), Some("b.x.x"));
    assert_eq!(go(&map, ImportMap::to_exported, "b.x.x").as_deref(), Some("a.x"));
    assert_eq!(go(&map, ImportMap::to_exported, "b.x.y"), None);
    assert_eq!(go(&map, ImportMap::exported_filter, "b.x.*").as_deref(), Some("a.x"));
    assert_eq!(go(&map, ImportMap::exported_filter, "b.x.y"), None);
}

#[test]
fn wrong_imports_are_named() {
    for (subject, to, expected) in [
        ("a.*", "b", "invalid mapping destination: not using all of the token wildcard(s) in b"),
        (
            "a.*.*",
            "b.$2",
            "invalid mapping destination: not using all of the token wildcard(s) \
                           in b.$2",
        ),
        ("a.*", "b.$2", "invalid mapping destination: wildcard index out of range in $2: [2]"),
        ("a.*", "b.*.*", "invalid mapping destination: wildcard index out of range in $2: [2]"),
        (
            "a.*",
            "b.{{split(1,-)}}",
            "invalid mapping destination: the only mapping function \
                                     allowed for import transforms is {{Wildcard()}} in \
                                     {{split(1,-)}}",
        ),
        ("a.>", "b", "invalid subject"),
        ("a.*", "b.$1.>", "invalid subject"),
        ("a..b", "b", "invalid subject"),
    ] {
        assert_eq!(ImportMap::new(subject, Some(to)).unwrap_err().to_string(), expected, "{to}");
    }
}

fn subjects(longest: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut last = vec![String::new()];
    for _ in 0..longest {
        let longer = |text: &String| ["a", "b", "x"].map(|token| format!("{text}.{token}"));
        last = last.iter().flat_map(longer).collect();
        all.extend(last.iter().map(|text| text[1..].to_owned()));
    }
    all
}

fn pattern() -> impl Strategy<Value = String> {
    let token = proptest::sample::select(&["a", "b", "*", "*"][..]);
    (proptest::collection::vec(token, 1..4), any::<bool>())
        .prop_map(|(tokens, rest)| tokens.join(".") + if rest { ".>" } else { "" })
}

/// A pattern and a local name that uses its wildcards in some order.
fn import() -> impl Strategy<Value = (String, String)> {
    (pattern(), any::<u64>(), proptest::option::of(0usize..3)).prop_map(
        |(subject, order, extra)| {
            let wildcards = subject.split('.').filter(|token| *token == "*").count();
            let mut tokens: Vec<String> = (1..=wildcards).map(|n| format!("${n}")).collect();
            tokens.sort_by_key(|token| order.rotate_left(u32::from(token.as_bytes()[1])) % 7);
            if let Some(extra) = extra {
                tokens.insert(extra.min(tokens.len()), "b".to_owned());
            }
            if let (true, Some(again)) = (order % 5 == 0, tokens.first().cloned()) {
                tokens.push(again);
            }
            if subject.ends_with('>') {
                tokens.push(">".to_owned());
            }
            if tokens.is_empty() {
                tokens.push("x".to_owned());
            }
            (subject, tokens.join("."))
        },
    )
}

proptest! {
    #[test]
    fn the_ways_are_each_other_back((subject, to) in import()) {
        let map = ImportMap::new(&subject, Some(&to)).unwrap();
        for text in subjects(4) {
            if let Some(local) = go(&map, ImportMap::to_local, &text) {
                prop_assert!(matches(map.local().as_bytes(), local.as_bytes()));
                prop_assert_eq!(go(&map, ImportMap::to_exported, &local), Some(text.clone()));
            } else {
                prop_assert!(!matches(subject.as_bytes(), text.as_bytes()));
            }
            if let Some(exported) = go(&map, ImportMap::to_exported, &text) {
                prop_assert_eq!(go(&map, ImportMap::to_local, &exported), Some(text));
            }
        }
    }

    #[test]
    fn an_exported_filter_selects_what_the_local_one_does(
        (subject, to) in import(), filter in pattern(),
    ) {
        let map = ImportMap::new(&subject, Some(&to)).unwrap();
        let exported = go(&map, ImportMap::exported_filter, &filter);
        let mut any = false;
        for text in subjects(5) {
            let local = go(&map, ImportMap::to_local, &text);
            let wanted = local.is_some_and(|local| matches(filter.as_bytes(), local.as_bytes()));
            let selected =
                exported.as_ref().is_some_and(|filter| matches(filter.as_bytes(), text.as_bytes()));
            prop_assert_eq!(selected, wanted, "{} for {} to {}: {:?}", text, subject, to, exported);
            any |= wanted;
        }
        let tried = exported.is_none_or(|filter| filter.split('.').count() > 5);
        prop_assert!(any || tried, "nothing is asked for in vain");
    }

    #[test]
    fn a_local_filter_selects_what_the_exported_one_brings(
        (subject, to) in import(), filter in pattern(),
    ) {
        let map = ImportMap::new(&subject, Some(&to)).unwrap();
        let local = go(&map, ImportMap::local_filter, &filter);
        for text in subjects(4).iter().filter(|text| matches(filter.as_bytes(), text.as_bytes())) {
            let Some(brought) = go(&map, ImportMap::to_local, text) else { continue };
            let selects = |filter: &String| matches(filter.as_bytes(), brought.as_bytes());
            let selected = local.as_ref().is_some_and(selects);
            prop_assert!(selected, "{text} as {brought}, but {local:?}");
        }
    }

    #[test]
    fn an_intersection_selects_what_both_do(left in pattern(), right in pattern()) {
        let mut both = Vec::new();
        let found = intersect(left.as_bytes(), right.as_bytes(), &mut both);
        for text in subjects(5) {
            let text = text.as_bytes();
            let expected = matches(left.as_bytes(), text) && matches(right.as_bytes(), text);
            prop_assert_eq!(found && matches(&both, text), expected);
        }
    }
}
