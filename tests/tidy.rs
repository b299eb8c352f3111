//! The style guide as a test: sizes, headers, names, banned words, panics and floors.
//!
//! Absent: taste, and whatever the compiler and clippy already refuse. Every rule is a function
//! from one file to its complaints, and has an example below that it must complain of.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and says where"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/panics.rs"]
mod panics;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;

use source::{Complaint, Source};

/// All Rust files of the repository that are ours.
fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.insert(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    walk(root, &mut found);
    assert!(found.len() > 10, "only {} files below {}", found.len(), root.display());
    let read = |path: &PathBuf| {
        let inside = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        Source::new(&inside, &fs::read_to_string(path).unwrap())
    };
    found.iter().map(read).collect()
}

/// Holds every file to one rule.
fn hold(rule: fn(&Source) -> Vec<Complaint>) {
    let mut complaints = Vec::new();
    for source in sources() {
        for (line, text) in rule(&source) {
            complaints.push(format!("{}:{line}: {text}", source.path));
        }
    }
    assert!(complaints.is_empty(), "the style guide is broken:\n{}", complaints.join("\n"));
}

#[test]
fn files_and_lines_are_short() {
    hold(shape::sizes);
}

#[test]
fn functions_are_short() {
    hold(shape::functions);
}

#[test]
fn files_say_what_they_are_for() {
    hold(shape::headers);
}

#[test]
fn files_are_named_after_things() {
    hold(shape::names);
}

#[test]
fn nothing_is_left_for_later_and_nothing_sleeps() {
    hold(shape::words);
}

#[test]
fn what_may_panic_names_its_invariant() {
    hold(panics::panics);
}

#[test]
fn imports_go_downwards_only() {
    hold(floors::floors);
}

/// How often a rule complains of a file with this text.
fn count(rule: fn(&Source) -> Vec<Complaint>, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn the_rules_of_shape_can_fail() {
    let path = "src/core/a.rs";
    assert_eq!(count(shape::sizes, path, &"\n".repeat(500)), 0);
    assert_eq!(count(shape::sizes, path, &"\n".repeat(501)), 1);
    assert_eq!(count(shape::sizes, path, &"é".repeat(100)), 0);
    assert_eq!(count(shape::sizes, path, &"é".repeat(101)), 1);
    let function = |lines: usize| format!("impl A {{ fn a() {{{}}} }}", "\n".repeat(lines - 1));
    assert_eq!(count(shape::functions, path, &function(70)), 0);
    assert_eq!(count(shape::functions, path, &function(71)), 1);
    assert_eq!(count(shape::headers, path, "//! For this.\nfn a() {}"), 0);
    assert_eq!(count(shape::headers, path, "fn a() {}"), 1);
    assert_eq!(count(shape::headers, "src/lib.rs", "//! For this.\nfn a() {}"), 1);
    assert_eq!(count(shape::headers, "src/lib.rs", "//! A.\n#![forbid(unsafe_code)]\n"), 0);
    let allow = ["//! A.\n#![allow(unsafe", "_code)]\n"].concat();
    assert_eq!(count(shape::headers, "uring/src/linux.rs", &allow), 0);
    assert_eq!(count(shape::headers, path, &allow), 1);
    assert_eq!(count(shape::headers, "uring/src/lib.rs", "//! A.\n"), 1);
    assert_eq!(count(shape::names, "src/core/utils.rs", ""), 1);
    assert_eq!(count(shape::names, "src/misc/mod.rs", ""), 1);
    assert_eq!(count(shape::names, "src/core/utility.rs", ""), 0);
    assert_eq!(count(shape::words, path, &["// TO", "DO: more"].concat()), 1);
    assert_eq!(count(shape::words, path, &["std::thread::", "sleep(x)"].concat()), 1);
    assert_eq!(count(shape::words, path, &["#[", "ignore]"].concat()), 1);
}

#[test]
fn the_rule_of_panics_can_fail() {
    let check = |text: &str| count(panics::panics, "src/core/a.rs", text);
    assert_eq!(check("fn a() { b().unwrap(); }"), 1);
    assert_eq!(check("fn a() { b()\n.expect(\"x\"); }"), 1);
    assert_eq!(check("fn a() { assert!(b().unwrap()); }"), 1);
    assert_eq!(check("fn a() { panic!(); }"), 1);
    assert_eq!(check("fn a() -> u8 { unreachable!() }"), 1);
    assert_eq!(check("fn a() {\n// INVARIANT: b is there.\nb().unwrap();\n}"), 0);
    assert_eq!(check("fn a() {\n// INVARIANT: b is there,\n// always.\nb\n.c().unwrap();\n}"), 0);
    assert_eq!(check("fn a() {\n// INVARIANT: b is there.\nb();\nb().unwrap();\n}"), 1);
    assert_eq!(check("fn a() { match b {\n// INVARIANT: never.\nc => panic!(),\n} }"), 0);
    assert_eq!(check("#[cfg(test)] mod tests { fn a() { b().unwrap(); } }"), 0);
    assert_eq!(check("#[test] fn a() { b().unwrap(); }"), 0);
    assert_eq!(check("#[cfg(not(linux))] fn a() { b().unwrap(); }"), 1);
    assert_eq!(count(panics::panics, "tests/it/a.rs", "fn a() { b().unwrap(); }"), 0);
}

#[test]
fn the_rule_of_floors_can_fail() {
    let check = |path: &str, text: &str| count(floors::floors, path, text);
    assert_eq!(check("src/core/a.rs", "use crate::io::b;"), 1);
    assert_eq!(check("src/core/a.rs", "fn a() { crate::admin::b(); }"), 1);
    assert_eq!(check("src/core/a.rs", "use crate::{config::b, core::c};"), 0);
    assert_eq!(check("src/core/a.rs", "use super::b; use super::super::io::c;"), 1);
    assert_eq!(check("src/core/mod.rs", "use super::io::c;"), 1);
    assert_eq!(check("src/config/mod.rs", "use crate::core::c;"), 1);
    assert_eq!(check("src/io/a.rs", "use crate::{admin, core, cli::b};"), 2);
    assert_eq!(check("src/cli.rs", "use crate::admin::b;"), 0);
    assert_eq!(check("src/core/a.rs", "use std::{net::TcpStream, fmt, time::Instant};"), 2);
    assert_eq!(check("src/core/a.rs", "use std::sync::{Arc, Mutex};"), 1);
    assert_eq!(check("src/core/a.rs", "fn a() { std::thread::spawn(b); println!(); }"), 2);
    assert_eq!(check("src/core/a.rs", "#[cfg(test)] mod tests { use std::time::Instant; }"), 0);
    assert_eq!(check("src/io/a.rs", "use std::net::TcpStream; use mio::Poll;"), 0);
    assert_eq!(check("protocol/src/a.rs", "use std::fs; use crate::io::b; use mio::Poll;"), 2);
}
