//! The crate reaches no socket, file, clock, thread, lock or environment: the compiler refuses
//! the standard library in it, and nothing takes it back in.
//!
//! Absent: a look at the compiled code, which `.ci/no-io` takes.

use std::fs;
use std::path::Path;

#[test]
fn the_sources_do_without_the_standard_library() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root = fs::read_to_string(sources.join("lib.rs")).expect("lib.rs is readable");
    assert!(root.contains("\n#![no_std]\n"), "the compiler must refuse `std`");
    assert!(root.contains("\n#![forbid(unsafe_code)]\n"), "nothing may call out by hand");
    let (mut folders, mut seen) = (vec![sources], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            judge(&path);
            seen += 1;
        }
    }
    assert!(seen > 10, "all sources were read");
}

fn judge(path: &Path) {
    let text = fs::read_to_string(path).expect("every file in src is a source file");
    for banned in ["extern crate std", "std::", "extern \"", "asm!", "include!", "link_name"] {
        let found = text.match_indices(banned).next();
        assert_eq!(found, None, "{} names {banned}", path.display());
    }
}
