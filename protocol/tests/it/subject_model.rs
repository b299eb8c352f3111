//! Subjects and filters against tables and against the slowest matcher that can be right.
//!
//! Absent: any index of filters.

use proptest::prelude::*;

use fanfare_protocol::subject::{
    Filter, Subject, covers, is_literal, matches, overlaps, reserved_publish, reserved_reply,
    token_count, tokens,
};

#[test]
fn filters_are_tokens_with_wildcards_only_as_whole_tokens() {
    let valid = [
        "a",
        "foo.bar",
        "*",
        ">",
        "foo.*",
        "foo.>",
        "*.*",
        "*.>",
        "foo.*.bar",
        "foo*",
        "f*o",
        "foo>",
        "*>",
        "**",
        ">>",
        "*a.>b",
        "foo>.bar",
        "a.>b.c",
        "\0",
        "\u{e9}.\u{7f}",
    ];
    for text in valid {
        let filter = Filter::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(filter.as_bytes(), text.as_bytes());
    }
    let invalid = [
        "",
        ".",
        "..",
        ".foo",
        "foo.",
        "foo..bar",
        "foo.>.bar",
        ">.foo",
        ">.",
        "foo.>.",
        ">.>",
        "a b",
        "a\tb",
        "a\rb",
        "a\nb",
        ">.*",
    ];
    for text in invalid {
        assert_eq!(Filter::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_literal_has_no_token_that_is_a_wildcard() {
    for text in ["a", "foo.bar", "foo*", "f>o.>>", "**", "*>"] {
        assert!(is_literal(text.as_bytes()), "{text}");
        assert_eq!(Subject::parse(text.as_bytes()).unwrap().as_bytes(), text.as_bytes());
    }
    for text in ["*", ">", "foo.*", "*.foo", "foo.>", "", "foo.", "foo..bar", "a b", "foo.>.bar"] {
        assert!(!is_literal(text.as_bytes()), "{text}");
        assert_eq!(Subject::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn tokens_are_split_at_dots() {
    let list: Vec<_> = tokens(b"a..b.").collect();
    assert_eq!(list, [&b"a"[..], b"", b"b", b""]);
    assert_eq!(token_count(b"a.b.c"), 3);
    assert_eq!(token_count(b"a"), 1);
}

/// Every row was tried on nats-server 2.14.
#[test]
fn matching_takes_the_subject_as_text() {
    let check = |filter: &str, subject: &str, expected: bool| {
        assert_eq!(matches(filter.as_bytes(), subject.as_bytes()), expected, "{filter} {subject}");
        let filter = Filter::parse(filter.as_bytes()).unwrap();
        assert_eq!(filter.matches(subject.as_bytes()), expected);
    };
    check("foo.>", "foo", false);
    check("foo.>", "foo.bar.baz", true);
    check("foo.*", "foo.bar.baz", false);
    check("foo.*", "foo.*", true);
    check("foo.*", "foo.>", true);
    check("foo.>", "foo.>", true);
    check("*", ">", true);
    check("foo.*.>", "foo.>", false);
    check("foo.*.>", "foo.>.>", true);
    check("foo.bar", "foo.*", false);
    check("foo.bar", "foo.>", false);
    check("foo.>", "foo..bar", false);
    check("foo.>", "foo.", false);
    check("*.bar", ".bar", false);
    check(">", ".", false);
    check(">", "foo.", false);
    check(">", ".f", false);
    check("foo", "Foo", false);
    check("foo*", "foobar", false);
    check("foo*", "foo*", true);
}

/// Every row was tried on nats-server 2.14.
#[test]
fn reserved_subjects_belong_to_servers() {
    for subject in ["_GR_.x", "_GR_.C.S.x", "$NRG.", "$NRG.x", "$NRG.a.b"] {
        assert!(reserved_publish(subject.as_bytes()), "{subject}");
    }
    for subject in ["_GR_.", "_GR_", "$NRG", "$GNR.x", "$SYS.x", "$JS.ACK.x", "_R_.x", "", "foo"] {
        assert!(!reserved_publish(subject.as_bytes()), "{subject}");
    }
    for reply in ["_R_.", "_R_.x", "$JS.ACK.x", "_GR_.x"] {
        assert!(reserved_reply(reply.as_bytes()), "{reply}");
    }
    for reply in ["_R_", "$JS.ACK.", "$JS.ACK", "_GR_.", "$NRG.x", "$GNR.x", "_INBOX.x", "", "foo"]
    {
        assert!(!reserved_reply(reply.as_bytes()), "{reply}");
    }
}

/// Matching by the definition, on whole token lists.
fn model_matches(filter: &[&str], subject: &[&str]) -> bool {
    match (filter, subject) {
        ([], []) | ([">"], [_, ..]) => true,
        (["*", filter @ ..], [_, subject @ ..]) => model_matches(filter, subject),
        ([wanted, filter @ ..], [found, subject @ ..]) => {
            wanted == found && model_matches(filter, subject)
        }
        _ => false,
    }
}

fn filter_tokens() -> impl Strategy<Value = Vec<&'static str>> {
    let middle = prop::collection::vec(prop::sample::select(&["a", "b", "*", "a*"][..]), 0..4);
    let last = prop::sample::select(&["a", "b", "*", ">", "a*"][..]);
    (middle, last).prop_map(|(mut list, last)| {
        list.push(last);
        list
    })
}

proptest! {
    /// Compares with matching by definition.
    #[test]
    fn matching_agrees_with_the_definition(
        filter in filter_tokens(),
        subject in prop::collection::vec(
            prop::sample::select(&["a", "b", "*", ">", "a*"][..]), 1..6),
    ) {
        let expected = model_matches(&filter, &subject);
        let (filter, subject) = (filter.join("."), subject.join("."));
        prop_assert_eq!(matches(filter.as_bytes(), subject.as_bytes()), expected);
    }

    /// Nothing selects a subject with an empty token.
    #[test]
    fn empty_tokens_are_never_selected(
        filter in filter_tokens(),
        subject in prop::collection::vec(prop::sample::select(&["a", "b", ""][..]), 1..5),
    ) {
        prop_assume!(subject.contains(&""));
        let (filter, subject) = (filter.join("."), subject.join("."));
        prop_assert!(!matches(filter.as_bytes(), subject.as_bytes()));
    }

    /// Two filters overlap exactly when one of all short subjects is selected by both. A token
    /// that no filter names stands for all the others.
    #[test]
    fn overlap_means_a_common_subject(left in filter_tokens(), right in filter_tokens()) {
        let longest = left.len().max(right.len());
        let mut subjects: Vec<Vec<&str>> = vec![Vec::new()];
        let mut common = false;
        for _ in 0..longest {
            let longer = |subject: &Vec<&'static str>| {
                ["a", "b", "a*", "other"].map(|token| [&subject[..], &[token]].concat())
            };
            subjects = subjects.iter().flat_map(longer).collect();
            common |= subjects
                .iter()
                .any(|subject| model_matches(&left, subject) && model_matches(&right, subject));
        }
        let (left, right) = (left.join("."), right.join("."));
        prop_assert_eq!(overlaps(left.as_bytes(), right.as_bytes()), common);
        let parse = |text: &str| Filter::parse(text.as_bytes()).is_some();
        prop_assert!(parse(&left) && parse(&right));
    }

    /// A filter covers another exactly when it selects all the short subjects of that one.
    #[test]
    fn covering_means_no_subject_left_out(outer in filter_tokens(), inner in filter_tokens()) {
        let mut subjects: Vec<Vec<&str>> = vec![Vec::new()];
        let mut all = true;
        for _ in 0..=outer.len().max(inner.len()) {
            let longer = |subject: &Vec<&'static str>| {
                ["a", "b", "a*", "other"].map(|token| [&subject[..], &[token]].concat())
            };
            subjects = subjects.iter().flat_map(longer).collect();
            all &= subjects
                .iter()
                .all(|subject| !model_matches(&inner, subject) || model_matches(&outer, subject));
        }
        let (outer, inner) = (outer.join("."), inner.join("."));
        prop_assert_eq!(covers(outer.as_bytes(), inner.as_bytes()), all, "{} {}", outer, inner);
    }

    /// Compares with the rules stated over the list of tokens.
    #[test]
    fn validity_agrees_with_the_rules(text in "[ab.*>\t ]{0,8}") {
        let list: Vec<&str> = text.split('.').collect();
        let whole = list.iter().all(|token| !token.is_empty() && !token.contains([' ', '\t']));
        let rest_is_last = list.iter().rev().skip(1).all(|token| *token != ">");
        let filter = Filter::parse(text.as_bytes());
        prop_assert_eq!(filter.is_some(), whole && rest_is_last);
        let wild = list.iter().any(|token| ["*", ">"].contains(token));
        prop_assert_eq!(is_literal(text.as_bytes()), whole && !wild);
        prop_assert_eq!(filter.is_some_and(Filter::is_literal), whole && !wild);
    }
}
