//! Imports and exports as nats-server 2.14.0 answered for the same configurations.
//!
//! Absent: activation tokens, which are a yes or a no here.

use super::{Share, ShareProblem, satisfy};
use crate::config::access::{Account, Export, Import, ShareKind};
use crate::core::ids::AccountId;

use ShareKind::{Service, Stream};

fn import(kind: ShareKind, account: &str, subject: &str, to: &str) -> Import {
    let to = (!to.is_empty()).then(|| to.into());
    let (account, subject) = (account.into(), subject.into());
    Import { kind, account, subject, to, share: false, token: None, allow_trace: false }
}

fn export(kind: ShareKind, subject: &str) -> Export {
    Export {
        kind,
        subject: subject.into(),
        accounts: None,
        token_required: false,
        revocations: Vec::new(),
        response: crate::config::access::ResponseType::Singleton,
        response_threshold_ns: None,
        latency: None,
        account_token_position: None,
        allow_trace: false,
    }
}

fn account(name: &str, exports: Vec<Export>, imports: Vec<Import>) -> Account {
    Account { name: name.into(), exports, imports, ..Account::default() }
}

fn run(accounts: &[Account], activated: bool) -> (Vec<Share>, Vec<String>) {
    let ids = accounts.iter().enumerate();
    let list: Vec<_> = ids.map(|(n, account)| (AccountId::from_index(n), account)).collect();
    let (shares, refused) = satisfy(&list, &mut |_, _, _| activated);
    (shares, refused.iter().map(ToString::to_string).collect())
}

/// Both accounts export what is named first and import the rest from the account named there.
fn circle(kind: ShareKind, accounts: &[(&str, &str, &[[&str; 3]])]) -> Vec<String> {
    let imports = |list: &[[&str; 3]]| {
        list.iter().map(|[from, subject, to]| import(kind, from, subject, to)).collect()
    };
    let accounts: Vec<_> = accounts
        .iter()
        .map(|(name, offered, list)| account(name, vec![export(kind, offered)], imports(list)))
        .collect();
    run(&accounts, false).1
}

#[test]
fn circles_are_refused_and_named() {
    let service =
        |subject: &str| format!("Error adding service import {subject:?}: import forms a cycle");
    let stream =
        |subject: &str| format!("Error adding stream import {subject:?}: import forms a cycle");
    for (kind, accounts, expected) in [
        (
            Service,
            vec![("A", "x", &[["B", "x", ""]][..]), ("B", "x", &[["A", "x", ""]])],
            service("x"),
        ),
        (
            Service,
            vec![("A", "y", &[["B", "x", "y"]][..]), ("B", "x", &[["A", "y", "x"]])],
            service("y"),
        ),
        (
            Service,
            vec![
                ("A", "x", &[["B", "x", ""]][..]),
                ("B", "x", &[["C", "x", ""]]),
                ("C", "x", &[["A", "x", ""]]),
            ],
            service("x"),
        ),
        (
            Service,
            vec![("A", "x.*", &[["B", "x.*", ""]][..]), ("B", "x.>", &[["A", "x.a", ""]])],
            service("x.a"),
        ),
        (
            Stream,
            vec![("A", "x", &[["B", "x", ""]][..]), ("B", "x", &[["A", "x", ""]])],
            stream("x"),
        ),
        (
            Stream,
            vec![("A", "y", &[["B", "x", "y"]][..]), ("B", "x", &[["A", "y", "x"]])],
            stream("y"),
        ),
        (
            Stream,
            vec![("A", ">", &[["B", ">", ""]][..]), ("B", ">", &[["A", ">", ""]])],
            stream(">"),
        ),
        (
            Stream,
            vec![("A", ">", &[["B", ">", "b.>"]][..]), ("B", ">", &[["A", ">", "a.>"]])],
            stream(">"),
        ),
        (
            Stream,
            vec![
                ("A", "x", &[["B", "x", ""]][..]),
                ("B", "x", &[["C", "x", ""]]),
                ("C", "x", &[["A", "x", ""]]),
            ],
            stream("x"),
        ),
    ] {
        assert_eq!(circle(kind, &accounts), [expected], "{accounts:?}");
    }
}

#[test]
fn what_does_not_come_back_is_no_circle() {
    for (kind, accounts) in [
        (Service, vec![("A", "y", &[["B", "x", "z"]][..]), ("B", "x", &[["A", "y", "w"]])]),
        (Stream, vec![("A", "y", &[["B", "x", "z"]][..]), ("B", "x", &[["A", "y", "w"]])]),
        (Stream, vec![("A", ">", &[["B", "x", ""]][..]), ("B", ">", &[["A", "y", ""]])]),
        (Stream, vec![("A", "x", &[["A", "x", ""]][..])]),
        (Service, vec![("A", "x", &[["A", "x", ""]][..])]),
        (Service, vec![("A", "x", &[["A", "x", "y"]][..])]),
    ] {
        assert_eq!(circle(kind, &accounts), [""; 0], "{accounts:?}");
    }
}

/// nats-server compares names that are not the same account's: it takes the first of these, which
/// is a circle, and refuses the second, which is none.
#[test]
fn renamed_circles_are_told_apart_too() {
    let renamed = circle(
        Service,
        &[
            ("A", "y", &[["B", "x", "y"]]),
            ("B", "x", &[["C", "z", "x"]]),
            ("C", "z", &[["A", "y", "z"]]),
        ],
    );
    assert_eq!(renamed, ["Error adding service import \"y\": import forms a cycle"]);
    let straight =
        circle(Service, &[("A", "y", &[["B", "x", "z"]]), ("B", "x", &[["A", "y", "x"]])]);
    assert_eq!(straight, [""; 0]);
    // Two ways to one account are no circle.
    let diamond = circle(
        Service,
        &[
            ("A", "x", &[["B", "x", ""], ["C", "x", ""]]),
            ("B", "x", &[["D", "x", ""]]),
            ("C", "x", &[["D", "x", ""]]),
            ("D", "x", &[]),
        ],
    );
    assert_eq!(diamond, [""; 0]);
}

/// One exporter A, one importer B.
fn single(offered: Export, wanted: Import) -> Result<Share, String> {
    let accounts = [account("A", vec![offered], vec![]), account("B", vec![], vec![wanted])];
    let (mut shares, mut refused) = run(&accounts, false);
    shares.pop().ok_or_else(|| refused.pop().unwrap_or_default())
}

#[test]
fn an_export_must_be_of_the_kind_and_select_all_of_the_import() {
    let no = |kind: &str, subject: &str| {
        Err(format!("Error adding {kind} import {subject:?}: {kind} import not authorized"))
    };
    for (offered, kind, subject, expected) in [
        (export(Stream, "x"), Stream, "x", Ok(())),
        (export(Stream, "x.>"), Stream, "x.*.y", Ok(())),
        (export(Stream, "x"), Stream, "y", no("stream", "y")),
        (export(Stream, "x"), Service, "x", no("service", "x")),
        (export(Service, "x"), Stream, "x", no("stream", "x")),
        (export(Stream, "x.a"), Stream, "x.*", no("stream", "x.*")),
        (export(Stream, "x.*"), Stream, "x.>", no("stream", "x.>")),
    ] {
        let shown = format!("{offered:?} {subject}");
        let found = single(offered, import(kind, "A", subject, "")).map(|_| ());
        assert_eq!(found, expected, "{shown}");
    }
}

#[test]
fn private_exports_are_for_those_who_are_named() {
    let named = |accounts: &[&str]| Export {
        accounts: Some(accounts.iter().map(|name| (*name).into()).collect()),
        ..export(Stream, "x")
    };
    for (offered, expected) in [
        (named(&["B"]), true),
        (named(&["C"]), false),
        (named(&[]), true),
        (Export { token_required: true, ..export(Stream, "x") }, false),
    ] {
        assert_eq!(single(offered, import(Stream, "A", "x", "")).is_ok(), expected);
    }
    let accounts = [
        account("A", vec![Export { token_required: true, ..export(Stream, "x") }], vec![]),
        account("B", vec![], vec![import(Stream, "A", "x", "")]),
    ];
    assert_eq!(run(&accounts, true).1, [""; 0], "the caller found the token good");
}

#[test]
fn the_importers_name_must_stand_at_its_position() {
    let at = |kind, subject: &str, accounts: Option<&str>| Export {
        account_token_position: Some(2),
        accounts: accounts.map(|name| vec![name.into()]),
        ..export(kind, subject)
    };
    for (offered, wanted, expected) in [
        (at(Stream, "x.*.>", None), import(Stream, "A", "x.B.>", ""), true),
        (at(Stream, "x.*.>", None), import(Stream, "A", "x.C.>", ""), false),
        (at(Stream, "x.*.>", None), import(Stream, "A", "x.*.>", ""), false),
        (at(Stream, "x.*", Some("C")), import(Stream, "A", "x.B", ""), true),
        (at(Service, "x.*", None), import(Service, "A", "x.B", "q"), true),
        (at(Service, "x.>", None), import(Service, "A", "x.>", "q.>"), false),
    ] {
        let shown = format!("{wanted:?}");
        assert_eq!(single(offered, wanted).is_ok(), expected, "{shown}");
    }
}

#[test]
fn of_several_exports_the_same_or_the_most_specific_decides() {
    let private =
        |subject: &str| Export { accounts: Some(vec!["C".into()]), ..export(Stream, subject) };
    let exports =
        || vec![export(Stream, "x.>"), private("x.a.*"), private("x.b"), export(Stream, "x.*.*")];
    for (subject, expected) in
        [("x.q", Some(0)), ("x.a.b", None), ("x.b", None), ("x.c.d", Some(3)), ("x.>", Some(0))]
    {
        let accounts = [
            account("A", exports(), vec![]),
            account("B", vec![], vec![import(Stream, "A", subject, "")]),
        ];
        let found = run(&accounts, false).0.first().map(|share| share.export);
        assert_eq!(found, expected, "{subject}");
    }
}

#[test]
fn exports_of_one_subject_are_as_private_as_the_most_private() {
    let private = |name: &str| Export { accounts: Some(vec![name.into()]), ..export(Stream, "x") };
    for (exports, expected) in [
        (vec![export(Stream, "x"), private("C")], None),
        (vec![private("C"), export(Stream, "x")], None),
        (vec![private("C"), private("B")], Some(1)),
        (vec![export(Stream, "x"), export(Stream, "x")], Some(0)),
    ] {
        let wanted = vec![import(Stream, "A", "x", "")];
        let accounts = [account("A", exports, vec![]), account("B", vec![], wanted)];
        let found = run(&accounts, false).0.first().map(|share| share.export);
        assert_eq!(found, expected);
    }
}

#[test]
fn wrong_imports_are_named_as_nats_server_names_them() {
    let failed = "failed to create mapping transform for";
    let wrong = "invalid mapping destination:";
    for (kind, offered, subject, to, expected) in [
        (
            Stream,
            "x.*.*",
            "x.*.*",
            "y.$1",
            format!(
                "Error adding stream import \"x.*.*\": {failed} stream import subject from \
                 \"x.*.*\" to \"y.$1\": {wrong} not using all of the token wildcard(s) in y.$1"
            ),
        ),
        (
            Service,
            "x.*.*",
            "x.*.*",
            "y.$1.$3",
            format!(
                "Error adding service import \"x.*.*\": {failed} service import subject from \
                 \"y.$1.$3\" to \"x.*.*\": {wrong} wildcard index out of range in $3: [3]"
            ),
        ),
        (
            Service,
            "x",
            "x",
            "y..z",
            "Error adding service import \"x\": sublist: invalid subject".to_owned(),
        ),
    ] {
        let found = single(export(kind, offered), import(kind, "A", subject, to));
        assert_eq!(found.unwrap_err(), expected);
    }
    let alone =
        [account("B", vec![], vec![import(Stream, "A", "x", ""), import(Service, "A", "x", "")])];
    assert_eq!(
        run(&alone, false).1,
        [
            "\"A\" account not defined for stream import",
            "\"A\" account not defined for service import"
        ]
    );
}

#[test]
fn the_same_import_twice_is_refused_once() {
    let exports = || vec![export(Stream, "x"), export(Service, "x"), export(Service, "y")];
    let wanted = vec![
        import(Stream, "A", "x", ""),
        import(Stream, "A", "x", "other"),
        import(Service, "A", "x", ""),
        import(Service, "A", "y", "x"),
        import(Service, "C", "x", ""),
    ];
    let accounts = [
        account("A", exports(), vec![]),
        account("B", vec![], wanted),
        account("C", exports(), vec![]),
    ];
    let (shares, refused) = run(&accounts, false);
    assert_eq!(shares.iter().map(|share| share.import).collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(
        refused,
        [
            "Error adding stream import \"x\": stream import already exists",
            "Duplicate service import subject \"x\", previously used in import for account \"A\", \
             subject \"y\"",
        ]
    );
}

#[test]
fn a_search_without_end_is_given_up() {
    // Every account takes from the next one under two names: far more ways than are worth
    // following, and no circle.
    let name = |n: usize| format!("A{n}");
    let accounts: Vec<_> = (0..14)
        .map(|n| {
            let next = name(n + 1);
            let imports = if n == 13 {
                vec![]
            } else {
                vec![import(Stream, &next, ">", "l.>"), import(Stream, &next, "*.>", "r.$1.>")]
            };
            account(&name(n), vec![export(Stream, ">")], imports)
        })
        .collect();
    let list: Vec<_> = accounts
        .iter()
        .enumerate()
        .map(|(n, account)| (AccountId::from_index(n), account))
        .collect();
    let (_, refused) = satisfy(&list, &mut |_, _, _| false);
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|import| import.problem == ShareProblem::SearchDepth));
}
