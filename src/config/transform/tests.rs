//! Transforms against what a real nats-server made of the same subjects.
//!
//! Absent: anything that was not measured, but for a few properties at the end.

use proptest::prelude::*;

use super::{Transform, TransformProblem};

fn apply(transform: &Transform, subject: &str) -> String {
    let mut out = Vec::new();
    if transform.apply(subject.as_bytes(), &mut |_| 0, &mut out) {
        String::from_utf8(out).unwrap()
    } else {
        assert!(out.is_empty(), "nothing is written for what is not selected");
        subject.to_owned()
    }
}

#[test]
fn subjects_become_what_nats_server_makes_of_them() {
    for (source, destination, subjects) in MEASURED {
        let transform = Transform::parse(source, destination).unwrap();
        for (subject, expected) in *subjects {
            let made = apply(&transform, subject);
            let heard = if made.split('.').any(str::is_empty) { "" } else { &made };
            assert_eq!(heard, *expected, "{source} {destination} {subject}");
        }
    }
}

#[test]
fn wrong_transforms_are_named_as_nats_server_names_them() {
    for (source, destination, expected) in REFUSED {
        let error = Transform::parse(source, destination).unwrap_err();
        let text = error.to_string();
        let text = text.strip_prefix("invalid mapping destination: ").unwrap_or(&text);
        assert_eq!(text, *expected, "{source} {destination}");
    }
    for (source, destination) in ACCEPTED {
        assert!(Transform::parse(source, destination).is_ok(), "{source} {destination}");
    }
    let error = Transform::parse("a", "").unwrap_err();
    assert_eq!(error.problem(), TransformProblem::InvalidTransform);
}

/// nats-server refuses these two in mappings, by an oversight that its documentation does not
/// share; where it takes them, it cuts like this.
#[test]
fn left_and_right_keep_one_end() {
    let left = Transform::parse("a.*", "b.{{left(1,2)}}").unwrap();
    let right = Transform::parse("a.*", "b.{{Right(1, 2)}}").unwrap();
    for (subject, first, second) in
        [("a.xyz", "b.xy", "b.yz"), ("a.xy", "b.xy", "b.xy"), ("a.x", "b.x", "b.x")]
    {
        assert_eq!((apply(&left, subject), apply(&right, subject)), (first.into(), second.into()));
    }
}

#[test]
fn a_draw_is_below_its_bound() {
    let transform = Transform::parse("a", "b.{{random(7)}}.{{Random( -4 )}}").unwrap();
    let mut bounds = Vec::new();
    let mut out = Vec::new();
    let mut last = |bound| {
        bounds.push(bound);
        bound - 1
    };
    assert!(transform.apply(b"a", &mut last, &mut out));
    assert_eq!((out, bounds), (b"b.6.3".to_vec(), vec![7, 4]));
}

/// A destination of tokens that are right, half right, or wrong.
fn destination() -> impl Strategy<Value = String> {
    let call = (
        proptest::sample::select(&["wildcard", "Split", "partition", "sliceFromLeft", "Right"][..]),
        "[ 0-3-]{0,3}",
        "[ ,0-3-]{0,4}",
        proptest::sample::select(&["}}", ")}}", ") }}", "){{"][..]),
    );
    let call = call.prop_map(|(name, left, right, end)| format!("{{{{{name}({left}{right}{end}"));
    let token = prop_oneof![call, "[$][0-3]", "[a>*{}]{1,6}"];
    proptest::collection::vec(token, 1..4).prop_map(|tokens| tokens.join("."))
}

proptest! {
    #[test]
    fn no_text_makes_a_transform_panic(
        source in "[a*>.]{1,6}",
        destination in destination(),
        subjects in proptest::collection::vec("[ab1*>.-]{0,9}", 1..8),
    ) {
        for source in [&source, "a.*.*", "*.>"] {
            let Ok(transform) = Transform::parse(source, &destination) else { continue };
            for subject in &subjects {
                let mut out = Vec::new();
                transform.apply(subject.as_bytes(), &mut |bound| bound - 1, &mut out);
            }
        }
    }

    #[test]
    fn slices_put_together_are_the_token(token in "[a-z]{1,20}", size in 1usize..22) {
        for side in ["Left", "Right"] {
            let destination = format!("{{{{sliceFrom{side}(1,{size})}}}}");
            let made = apply(&Transform::parse("*", &destination).unwrap(), &token);
            let parts: Vec<&str> = made.split('.').collect();
            prop_assert_eq!(parts.concat(), token.clone());
            prop_assert_eq!(parts.len(), token.len().div_ceil(size));
            prop_assert!(parts.iter().all(|part| part.len() <= size));
        }
    }
}

/// Source, destination, and subjects with what came out; nothing where nobody heard it.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const MEASURED: &[Row] = &[
    ("foo", "bar", &[("foo", "bar"), ("foo.x", "foo.x")]),
    (
        "foo.*.*",
        "bar.$2.$1",
        &[
            ("foo.a.b", "bar.b.a"),
            ("foo.a", "foo.a"),
            ("foo.a.b.c", "foo.a.b.c"),
            ("foo.*.>", "foo.*.>"),
            ("foo.>.x", "foo.>.x"),
            ("foo..x", ""),
            ("foo.*.x", "bar.x.*"),
        ],
    ),
    ("foo.*", "bar.{{ Wildcard ( 1 ) }}.x", &[("foo.a", "bar.a.x")]),
    (
        "foo.>",
        "bar.>",
        &[
            ("foo.a", "bar.a"),
            ("foo.a.b", "bar.a.b"),
            ("foo", "foo"),
            ("foo.a..b", ""),
            ("foo.>", "bar.>"),
        ],
    ),
    ("*.x.>", "y.$1.>", &[("a.x.b.c", "y.a.b.c"), ("a.x", "a.x")]),
    (">", "pre.>", &[("a", "pre.a"), ("a.b", "pre.a.b")]),
    ("p.*", "q.{{partition(3,1)}}", &[("p.abc", "q.2"), ("p.def", "q.0"), ("p.x", "q.0")]),
    ("p.*.*", "q.{{Partition(7,2,1)}}", &[("p.abc.def", "q.5"), ("p.1.2", "q.1")]),
    ("p.*.*", "q.{{partition(10)}}", &[("p.abc.def", "q.4"), ("p.1.2", "q.0")]),
    ("p.*", "q.{{partition(-3,1)}}", &[("p.abc", "q.440920331"), ("p.def", "q.3310976652")]),
    ("p.*", "q.{{partition(0,1)}}", &[("p.abc", "q.0")]),
    ("lit", "q.{{partition(3)}}", &[("lit", "q.1")]),
    ("lit.a", "q.{{partition(10)}}", &[("lit.a", "q.1")]),
    ("l.>", "q.{{partition(10)}}.>", &[("l.a.b", "q.6.a.b")]),
    ("s.*", "t.{{splitfromleft(1,0)}}.e", &[("s.123456", "t.123456.e")]),
    ("s.*", "t.{{splitfromleft(1,-1)}}.e", &[("s.12345", "t.12345.e"), ("s.123456", "t.123456.e")]),
    (
        "s.*",
        "t.{{splitfromleft(1,1)}}.e",
        &[("s.12345", "t.1.2345.e"), ("s.123456", "t.1.23456.e"), ("s.1", "t.1.e")],
    ),
    (
        "s.*",
        "t.{{splitfromleft(1,3)}}.e",
        &[("s.12345", "t.123.45.e"), ("s.123456", "t.123.456.e")],
    ),
    (
        "s.*",
        "t.{{splitfromleft(1,4)}}.e",
        &[("s.12345", "t.1234.5.e"), ("s.123456", "t.1234.56.e")],
    ),
    ("s.*", "t.{{splitfromleft(1,5)}}.e", &[("s.123456", "t.12345.6.e")]),
    ("s.*", "t.{{splitfromleft(1,6)}}.e", &[("s.123456", "t.123456.e")]),
    ("s.*", "t.{{splitFromRight(1,0)}}.e", &[("s.123456", "t.123456.e")]),
    (
        "s.*",
        "t.{{splitFromRight(1,-1)}}.e",
        &[("s.12345", "t.12345.e"), ("s.123456", "t.123456.e")],
    ),
    (
        "s.*",
        "t.{{splitFromRight(1,1)}}.e",
        &[("s.12345", "t.1234.5.e"), ("s.123456", "t.12345.6.e"), ("s.1", "t.1.e")],
    ),
    (
        "s.*",
        "t.{{splitFromRight(1,3)}}.e",
        &[("s.12345", "t.12.345.e"), ("s.123456", "t.123.456.e")],
    ),
    (
        "s.*",
        "t.{{splitFromRight(1,4)}}.e",
        &[("s.12345", "t.1.2345.e"), ("s.123456", "t.12.3456.e")],
    ),
    ("s.*", "t.{{splitFromRight(1,5)}}.e", &[("s.123456", "t.1.23456.e")]),
    ("s.*", "t.{{splitFromRight(1,6)}}.e", &[("s.123456", "t.123456.e")]),
    ("s.*", "t.{{sliceFromLeft(1,0)}}.e", &[("s.123456", "t.123456.e")]),
    ("s.*", "t.{{sliceFromLeft(1,-1)}}.e", &[("s.12345", "t.12345.e"), ("s.123456", "t.123456.e")]),
    (
        "s.*",
        "t.{{sliceFromLeft(1,1)}}.e",
        &[("s.12345", "t.1.2.3.4.5.e"), ("s.123456", "t.1.2.3.4.5.6.e"), ("s.1", "t.1.e")],
    ),
    (
        "s.*",
        "t.{{sliceFromLeft(1,3)}}.e",
        &[("s.12345", "t.123.45.e"), ("s.123456", "t.123.456.e")],
    ),
    (
        "s.*",
        "t.{{sliceFromLeft(1,4)}}.e",
        &[("s.12345", "t.1234.5.e"), ("s.123456", "t.1234.56.e")],
    ),
    ("s.*", "t.{{sliceFromLeft(1,5)}}.e", &[("s.123456", "t.12345.6.e")]),
    ("s.*", "t.{{sliceFromLeft(1,6)}}.e", &[("s.123456", "t.123456.e")]),
    ("s.*", "t.{{SliceFromRight(1,0)}}.e", &[("s.123456", "t.123456.e")]),
    (
        "s.*",
        "t.{{SliceFromRight(1,-1)}}.e",
        &[("s.12345", "t.12345.e"), ("s.123456", "t.123456.e")],
    ),
    (
        "s.*",
        "t.{{SliceFromRight(1,1)}}.e",
        &[("s.12345", "t.1.2.3.4.5.e"), ("s.123456", "t.1.2.3.4.5.6.e"), ("s.1", "t.1.e")],
    ),
    (
        "s.*",
        "t.{{SliceFromRight(1,3)}}.e",
        &[("s.12345", "t.12.345.e"), ("s.123456", "t.123.456.e")],
    ),
    (
        "s.*",
        "t.{{SliceFromRight(1,4)}}.e",
        &[("s.12345", "t.1.2345.e"), ("s.123456", "t.12.3456.e")],
    ),
    ("s.*", "t.{{SliceFromRight(1,5)}}.e", &[("s.123456", "t.1.23456.e")]),
    ("s.*", "t.{{SliceFromRight(1,6)}}.e", &[("s.123456", "t.123456.e")]),
    (
        "s.*",
        "t.{{split(1,-)}}.e",
        &[
            ("s.a-b", "t.a.b.e"),
            ("s.-a-b-", "t.a.b.e"),
            ("s.--a--b--", ""),
            ("s.-", ""),
            ("s.abc", "t.abc.e"),
            ("s.---", ""),
        ],
    ),
    ("s.*", "t.{{split(1,ab)}}", &[("s.xabyabz", "t.x.y.z"), ("s.ab", ""), ("s.abab", "")]),
    ("s.*", "t.{{split(1,)}}", &[("s.abc", "t.a.b.c"), ("s.aéz", "t.a.é.z")]),
    ("s.*", "t.{{split(1, -)}}", &[("s.a-b", "t.a.b")]),
    ("s.*", "t.{{split(1,.)}}", &[("s.a-b", "t.{{split(1,.)}}")]),
    ("s.*", "$0", &[("s.a", "s")]),
    ("s.*", "u.$x.$1", &[("s.a", "u.$x.a")]),
    ("s.*", "u.{{x}}{{wildcard(1)}}", &[("s.a", "u.a")]),
    ("s.*", "u.x{{wildcard(1)}}", &[("s.a", "u.x{{wildcard(1)}}")]),
    ("s.*", "{{}}", &[("s.a", "{{}}")]),
    ("s.*", "u.{{random(1)}}", &[("s.a", "u.0")]),
    ("s.*", "u.{{random(0)}}", &[("s.a", "u.0")]),
    ("s.*", "u.{{random(-1)}}", &[("s.a", "u.0")]),
    ("s.*", "u.{{wildcard(1)}}.{{wildcard( 1 )}}", &[("s.a", "u.a.a")]),
    ("s.*.*", "u.{{wildcard(-1)}}", &[("s.a.b", "u.s")]),
    ("s.*.t.*", "u.{{splitfromleft(2,1)}}.$1", &[("s.ab.t.cd", "u.c.d.ab")]),
    ("s.*", "u.{{SplitFromLeft ( 1 , 2 )}}", &[("s.abc", "u.ab.c")]),
];

/// Source, destination, and what is wrong with them.
const REFUSED: &[(&str, &str, &str)] = &[
    ("foo.*", "bar.$2", "wildcard index out of range in $2: [2]"),
    ("foo", "bar.$1", "wildcard index out of range in $1"),
    ("foo.>", "bar", "invalid subject"),
    ("foo", "bar.>", "invalid subject"),
    ("foo.*", "bar.*", "invalid subject"),
    ("foo.*", "bar..x", "invalid transform"),
    ("foo.>", "bar.>.x", "invalid transform in x"),
    ("foo.*", "bar.{{foo(1)}}", "unknown function in {{foo(1)}}"),
    (
        "foo.*",
        "bar.{{wildcard()}}",
        "not enough arguments passed to the function in {{wildcard()}}",
    ),
    (
        "foo.*",
        "bar.{{wildcard(1,2)}}",
        "too many arguments passed to the function in {{wildcard(1,2)}}",
    ),
    (
        "foo.*",
        "bar.{{wildcard(a)}}",
        "function argument is invalid or in the wrong format in {{wildcard(a)}}",
    ),
    ("foo.*", "bar.{{wildcard(2)}}", "wildcard index out of range in {{wildcard(2)}}: [2]"),
    ("foo.*", "bar.{{ WILDCARD(1) }}", "unknown function in {{ WILDCARD(1) }}"),
    (
        "foo.*",
        "bar.{{partition()}}",
        "function argument is invalid or in the wrong format in {{partition()}}",
    ),
    ("foo.*", "bar.{{partition(3,2)}}", "wildcard index out of range in {{partition(3,2)}}: [2]"),
    (
        "foo.*",
        "bar.{{partition(x,1)}}",
        "function argument is invalid or in the wrong format in {{partition(x,1)}}",
    ),
    (
        "foo.*",
        "bar.{{partition(3,x)}}",
        "function argument is invalid or in the wrong format in {{partition(3,x)}}",
    ),
    (
        "foo.*",
        "bar.{{partition(2147483648,1)}}",
        "function argument is invalid or in the wrong format in {{partition(2147483648,1)}}",
    ),
    ("foo.*", "bar.{{split(1)}}", "not enough arguments passed to the function in {{split(1)}}"),
    (
        "foo.*",
        "bar.{{split(1,-,x)}}",
        "too many arguments passed to the function in {{split(1,-,x)}}",
    ),
    (
        "foo.*",
        "bar.{{split(x,-)}}",
        "function argument is invalid or in the wrong format in {{split(x,-)}}",
    ),
    (
        "foo.*",
        "bar.{{split(1,- )}}",
        "function argument is invalid or in the wrong format in {{split(1,- )}}",
    ),
    (
        "foo.*",
        "bar.{{splitfromleft(1)}}",
        "not enough arguments passed to the function in {{splitfromleft(1)}}",
    ),
    (
        "foo.*",
        "bar.{{splitFromLeft(1,2,3)}}",
        "too many arguments passed to the function in {{splitFromLeft(1,2,3)}}",
    ),
    (
        "foo.*",
        "bar.{{splitfromright(1,x)}}",
        "function argument is invalid or in the wrong format in {{splitfromright(1,x)}}",
    ),
    (
        "foo.*",
        "bar.{{SlicefromRight(1,99999999999)}}",
        "function argument is invalid or in the wrong format in {{SlicefromRight(1,99999999999)}}",
    ),
    (
        "foo.*",
        "bar.{{random()}}",
        "function argument is invalid or in the wrong format in {{random()}}",
    ),
    (
        "foo.*",
        "bar.{{random(1,2)}}",
        "not enough arguments passed to the function in {{random(1,2)}}",
    ),
    (
        "foo.*",
        "bar.{{random(x)}}",
        "function argument is invalid or in the wrong format in {{random(x)}}",
    ),
    ("foo.*", "bar. x", "invalid transform"),
    ("foo", "bar.{{wildcard(1)}}", "wildcard index out of range in {{wildcard(1)}}"),
    ("foo", "bar.{{split(1,-)}}", "wildcard index out of range in {{split(1,-)}}"),
    (
        "foo.*",
        "bar.{{wildcard(1)}}{{wildcard(1)}}",
        "function argument is invalid or in the wrong format in {{wildcard(1)}}{{wildcard(1)}}",
    ),
];

const ACCEPTED: &[(&str, &str)] = &[
    ("foo", "bar"),
    ("foo.*", "bar"),
    ("foo.*", "bar.$1"),
    ("foo.*", "bar.{{ Wildcard ( 1 ) }}"),
    ("foo.*", "bar.{{partition(3)}}"),
    ("foo.*", "bar.{{partition(3,1)}}"),
    ("foo.*", "bar.{{partition(-3,1)}}"),
    ("foo.*", "bar.{{partition(0,1)}}"),
    ("foo.*", "bar.{{split(1,-)}}"),
    ("foo.*", "bar.{{split(1, -)}}"),
    ("foo.*", "bar.{{split(1,)}}"),
    ("foo.*", "bar.{{SplitFromLeft(1,2)}}"),
    ("foo.*", "bar.{{random(5)}}"),
    ("foo.*", "$0"),
    ("foo.*", "bar.$x"),
    ("foo", "bar.{{random(3)}}"),
    ("foo", "bar.{{partition(3)}}"),
    ("foo.*", "bar.{{split(1,.)}}"),
    ("foo.*", "bar.{{x}}{{wildcard(1)}}"),
    ("foo.*", "bar.x{{wildcard(1)}}"),
    ("foo.*", "{{}}"),
];
