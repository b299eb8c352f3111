//! What the configuration language means, rule by rule, and that writing undoes reading.
//!
//! Absent: what keys mean.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Files and environment of a test.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl Files for Shelf {
    fn read(&mut self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "no such file or directory".to_owned())
    }
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

fn shelf(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Shelf {
    let own = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    Shelf { files: own(files), variables: own(variables) }
}

fn read(text: &str) -> Result<Tree, String> {
    parse("f.conf", &mut shelf(&[("f.conf", text)], &[])).map_err(|error| error.text)
}

/// The value of the key `k`.
fn one(text: &str) -> Value {
    let tree = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    tree.root.entry("k").unwrap_or_else(|| panic!("{text:?} has no k")).node.value.clone()
}

fn text(inside: &str) -> Value {
    Value::Text(inside.into())
}

#[test]
fn keys_and_values_may_be_parted_in_three_ways() {
    for file in
        ["k: 1", "k = 1", "k 1", "k=1", "k:1", "k  \t 1", "k\n1", "\"k\":1", "'k' 1;", "k 1,"]
    {
        assert_eq!(one(file), Value::Integer(1), "{file:?}");
    }
}

#[test]
fn suffixes_multiply() {
    for (written, number) in [
        ("0", 0),
        ("-1", -1),
        ("007", 7),
        ("1k", 1_000),
        ("1K", 1_000),
        ("1kb", 1_024),
        ("1KiB", 1_024),
        ("2ki", 2_048),
        ("3m", 3_000_000),
        ("3MB", 3 << 20),
        ("64MiB", 64 << 20),
        ("1g", 1_000_000_000),
        ("1GB", 1 << 30),
        ("1t", 1_000_000_000_000),
        ("1tib", 1 << 40),
        ("1p", 1_000_000_000_000_000),
        ("1pb", 1 << 50),
        ("7e", 7_000_000_000_000_000_000),
        ("7EiB", 7 << 60),
        ("-2k", -2_000),
    ] {
        assert_eq!(one(&format!("k: {written}\n")), Value::Integer(number), "{written}");
    }
}

#[test]
fn what_only_begins_like_a_number_is_a_text() {
    for written in ["2s", "300ms", "1h30m", "12abc", "1kx", "127.0.0.1", "127.0.0.1:-1", "10.0.0.0"]
    {
        assert_eq!(one(&format!("k: {written}\n")), text(written), "{written}");
    }
}

#[test]
fn words_have_their_kinds() {
    for (written, value) in [
        ("true", Value::Boolean(true)),
        ("YES", Value::Boolean(true)),
        ("on", Value::Boolean(true)),
        ("False", Value::Boolean(false)),
        ("no", Value::Boolean(false)),
        ("off", Value::Boolean(false)),
        ("enabled", text("enabled")),
        ("'true'", text("true")),
        ("1.5", Value::Float(1.5)),
        ("-0.25", Value::Float(-0.25)),
        ("2006-01-02T15:04:05Z", Value::Date(1_136_214_245)),
        ("a//b#c", text("a//b#c")),
        ("nats://u:p@h:1/x?y=z", text("nats://u:p@h:1/x?y=z")),
        ("§12§", text("§12§")),
        ("a'", text("a")),
        ("$2a$11$abc/def", text("$2a$11$abc/def")),
        ("''", text("")),
        ("\"\"", text("")),
        (r#""a\tb\n\r\"\\\x41\xc3\xa9""#, text("a\tb\n\r\"\\Aé")),
        (r"a\x20b", text("a b")),
        (r"'a\tb'", text(r"a\tb")),
        ("'two\nlines'", text("two\nlines")),
        ("(\n one\n)x\n)\n", text("\n one\n)x\n")),
    ] {
        assert_eq!(one(&format!("k: {written}\n")), value, "{written}");
    }
    assert_eq!(one("k ="), text(""));
    assert_eq!(one("k: (\nx\n)"), text("\nx\n"));
}

#[test]
fn lists_and_maps_may_be_written_in_many_ways() {
    let list = Value::List(
        [1, 2]
            .iter()
            .map(|n| Node { value: Value::Integer(*n), at: Position::default() })
            .collect(),
    );
    for file in
        ["k: [1, 2]", "k [1,2]", "k = [\n 1\n 2 # two\n]\n", "k [ // x\n1,\n2,\n]", "k[1,2]"]
    {
        if file.starts_with("k[") {
            assert!(read(file).is_err(), "a bare key ends at white space, '=' or ':'");
        } else {
            assert_eq!(one(file), list, "{file:?}");
        }
    }
    let map = one("k { a: 1 }");
    for file in
        ["k { a 1 }", "k: {a=1}", "k {\n a\n 1;\n}", "k {a:\n1,}", "k:{\"a\":1}", "k {a:1 # x\n}"]
    {
        assert_eq!(one(file), map, "{file:?}");
    }
}

#[test]
fn json_is_configuration() {
    let tree = read("{\"port\": 4222, \"a\": {\"b\": [1, \"x\", true]}}\n").expect("JSON is legal");
    assert_eq!(tree.root.entries().count(), 2);
    assert!(read("{\"port\": 4222").is_err());
    assert!(read("{{a: 1}, b: 2}").is_ok());
    assert!(read("a: 1\n}").is_ok(), "a last bracket too much is taken");
    assert!(read("a: 1\n}\nb: 2").is_err());
}

#[test]
fn a_key_written_again_replaces_and_is_noted() {
    let tree = read("k: 1\nx: 2\nk: 3\n").expect("legal");
    assert_eq!(tree.root.entry("k").expect("there").node.value, Value::Integer(3));
    assert_eq!(tree.place(tree.repeated[0].0), "f.conf:3:1");
}

#[test]
fn variables_are_looked_up_from_the_inside_out() {
    assert_eq!(one("a: 1\nk: $a"), Value::Integer(1));
    assert_eq!(one("a: 1\nk { a: 2\n b: $a }"), one("k { a: 2, b: 2 }"));
    assert_eq!(one("a: {x: [1]}\nk: $a"), one("k: {x: [1]}"));
    let tree = read("a: 1\nb: $a\n").expect("legal");
    assert!(tree.root.entry("a").expect("there").used);
    assert!(!tree.root.entry("b").expect("there").used);
    assert_eq!(
        read("k: $a\na: 1\n").expect_err("not before its use"),
        "f.conf:1:4: variable $a is neither a key before this nor in the environment"
    );
}

#[test]
fn the_environment_is_read_as_configuration() {
    let mut shelf = shelf(
        &[("f.conf", "k: $LIST\n")],
        &[("LIST", "[1, $TWO]"), ("TWO", "\"two\""), ("ROUND", "$TRIP"), ("TRIP", "$ROUND")],
    );
    let tree = parse("f.conf", &mut shelf).expect("legal");
    assert_eq!(tree.root.entry("k").expect("there").node.value, one("k: [1, 'two']"));
    shelf.files.insert("f.conf".to_owned(), "a: 1\nk: $ROUND".to_owned());
    let error = parse("f.conf", &mut shelf).expect_err("a cycle").text;
    assert!(error.starts_with("f.conf:2:4: variables refer to each other: $ROUND"), "{error}");
}

#[test]
fn included_files_are_relative_and_have_places_of_their_own() {
    let mut shelf = shelf(
        &[
            ("etc/f.conf", "include 'more/a.conf'\nk { include more/b.conf }\n"),
            ("etc/more/a.conf", "x: 1\n include \"./c.conf\""),
            ("etc/more/b.conf", "\n\n  inner: 1\n"),
            ("etc/more/c.conf", "y: 2"),
        ],
        &[],
    );
    let tree = parse("etc/f.conf", &mut shelf).expect("legal");
    let Value::Map(inner) = &tree.root.entry("k").expect("there").node.value else { panic!() };
    let at = inner.entry("inner").expect("there").node.at;
    assert_eq!(tree.place(at), "etc/more/b.conf:3:3");
    assert!(tree.root.entry("y").is_some());
    let mut round = shelf_of_cycle();
    let error = parse("a", &mut round).expect_err("a cycle").text;
    assert_eq!(error, "b:1:1: files include each other: a -> b -> a");
    let mut missing = self::shelf(&[("f.conf", "a: 1\n include x")], &[]);
    let error = parse("f.conf", &mut missing).expect_err("nothing there").text;
    assert_eq!(error, "f.conf:2:2: cannot include \"x\": no such file or directory");
    let error = parse("x", &mut missing).expect_err("nothing there").text;
    assert_eq!(error, "no such file or directory");
}

fn shelf_of_cycle() -> Shelf {
    shelf(&[("a", "include b\n"), ("b", "include ./a\n")], &[])
}

#[test]
fn errors_have_their_place_and_reason() {
    for (file, error) in [
        ("a", "1:2: expected a value for \"a\", found end of file"),
        ("a =\nb = 1", "1:4: expected a value for \"a\", found end of line"),
        ("a: 1 b: 2", "1:6: expected the end of the value (a new line, ',' or '}'), found 'b'"),
        ("a: {\n b: [1,\n", "2:5: this '[' has no ']'"),
        ("a: {\n b: 1\n", "1:4: this '{' has no '}'"),
        ("a: [,]", "1:5: expected a value before this ','"),
        ("= 1", "1:1: expected a key, found '='"),
        ("a: 'x", "1:4: this string has no end"),
        ("a: \"x\n", "1:4: this string has no end"),
        ("a: \"\\q\"", "1:5: unknown escape;"),
        ("a: \"\\xz0\"", "1:5: expected two hexadecimal digits"),
        ("a: \"\\xff\"", "1:5: the escapes in this string make no valid UTF-8"),
        ("a: (\nx", "1:4: this block has no end"),
        ("a: 12345678-n1", "1:4: a value that begins with digits and '-' must be a date"),
        ("a: 2006-02-30T00:00:00Z", "1:4: a value that begins"),
        ("a: 1kbb", "1:4: \"1kbb\" has an unknown unit"),
        ("a: 9999999999999999999", "1:4: integer \"9999999999999999999\" is out of range"),
        ("a: 9223372036854775807k", "1:4: integer \"9223372036854775807k\" is out of range"),
        ("a: 1.", "1:5: a number with a point needs a digit"),
        ("a: .5", "1:4: a number begins with a digit"),
        ("a: -x", "1:4: expected a digit, found 'x'"),
        ("é: \u{0}", "1:4: a configuration file holds no NUL"),
        ("include [", "1:9: expected the path of a file, found '['"),
        ("\"a", "1:1: this quoted key has no end"),
        ("a {b: }", "1:7: expected a value for \"b\", found '}'"),
    ] {
        let got = read(file).expect_err(file);
        let want = format!("f.conf:{error}");
        assert!(got.starts_with(&want), "{file:?}: {got} instead of {want}");
    }
}

#[test]
fn brackets_in_brackets_are_bounded() {
    let deep = |n: usize| format!("a: {}{}", "[".repeat(n), "]".repeat(n));
    assert!(read(&deep(64)).is_ok());
    assert!(read(&deep(65)).expect_err("too deep").contains("nested deeper than 64"));
    assert!(read(&"[{".repeat(1_000_000)).is_err());
    assert!(read(&format!("a: {}", "[{a:".repeat(100_000))).is_err());
}

#[test]
fn few_lines_cannot_become_many() {
    let mut file = "a0: [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
    for n in 1..30 {
        use std::fmt::Write;
        let list = vec![format!("$a{}", n - 1); 10].join(", ");
        writeln!(file, "a{n}: [{list}]").expect("a string takes everything");
    }
    let error = read(&file).expect_err("too much");
    assert!(error.ends_with("the variables of this configuration repeat too much"), "{error}");
}

#[test]
fn the_digest_is_the_one_that_nats_server_prints() {
    // Values printed by `nats-server -t` 2.14.0 for these files.
    for (file, digest) in [
        ("port = 4222\n}", "797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e"),
        (
            "port: 4222 # x\nhost = a//b\n",
            "f5c4942175d9667e1f3f2bd863197b69a877ec685ab2adb7e70cb6255e0288c6",
        ),
        (
            "server_name = (\nabc\n)\n",
            "476bc98977c2b0b11ed1bac4620058c95ba3ba0f62927457f426b971c6b8d10b",
        ),
        (
            "{\"port\": 4223, \"server_name\": \"x\"}",
            "755d40ac3d7efff32675462290ad1764ab4afc9665ee91ceb40833c526ad8ea1",
        ),
        (
            "server_tags=[\"1\",\"2\"]\n",
            "62f3940f688d78b32d983dbdb88936e709414df80ed033c252e013877786a23d",
        ),
    ] {
        let tree = read(file).expect("legal");
        assert_eq!(super::digest(&tree.root), format!("sha256:{digest}"), "{file:?}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        prop::num::f64::NORMAL.prop_map(Value::Float),
        (-62_167_219_200..253_402_300_800_i64).prop_map(Value::Date),
        any::<String>().prop_map(|text| Value::Text(text.into())),
        "[a-z0-9$'\"{}()#/=:;, \\\\\\[\\]]{0,12}".prop_map(|text| Value::Text(text.into())),
    ];
    words.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| {
                let node = |value| Node { value, at: Position::default() };
                Value::List(items.into_iter().map(node).collect())
            }),
            maps(inner).prop_map(Value::Map),
        ]
    })
}

fn maps(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map> {
    prop::collection::vec(("[a-zA-Z_$.*>'é -]{0,8}", values), 0..5).prop_map(|pairs| {
        let mut map = Map::default();
        for (key, value) in pairs {
            let node = Node { value, at: Position::default() };
            map.put(Entry { key: key.into(), used: false, node });
        }
        map
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(root in maps(values())) {
        let text = print(&root);
        let tree = read(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&tree.root, &root, "{}", text);
        prop_assert!(tree.root.entries().map(|e| &e.key).eq(root.entries().map(|e| &e.key)));
    }

    #[test]
    fn any_text_is_read_or_refused_in_place(text in any::<String>()) {
        if let Err(error) = read(&text) {
            prop_assert!(error.starts_with("f.conf:"), "{}", error);
        }
    }

    #[test]
    fn what_reads_can_be_written_and_read_again(
        text in "[abk:= \n{}\\[\\],;'\"()0-9.\\-kmx\\\\$#/]{0,60}"
    ) {
        if let Ok(tree) = read(&text) {
            let again = read(&print(&tree.root));
            prop_assert_eq!(again.map(|tree| tree.root), Ok(tree.root));
        }
    }
}
