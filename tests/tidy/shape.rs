//! Rules of shape: sizes, headers, names and words.
//!
//! Absent: rules about what the code means (`panics`, `floors`).

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{Complaint, Source};

/// Lines of a file; those in `LONG_FILES` may have up to `FILE_LINES_HARD_MAX`.
const FILE_LINES_MAX: usize = 500;
const FILE_LINES_HARD_MAX: usize = 600;
const LONG_FILES: &[&str] = &[];
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Names that say nothing.
const BANNED_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers"];

/// Files and lines are short.
pub(crate) fn sizes(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let max =
        if LONG_FILES.contains(&&source.path[..]) { FILE_LINES_HARD_MAX } else { FILE_LINES_MAX };
    let count = source.text.lines().count();
    if count > max {
        complaints.push((max + 1, format!("{count} lines, {max} are allowed: a noun is missing")));
    }
    for (index, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX {
            complaints.push((index + 1, format!("{columns} columns, {COLUMNS_MAX} are allowed")));
        }
    }
    complaints
}

/// Function bodies that were found too long.
struct Functions(Vec<Complaint>);

impl Functions {
    fn measure(&mut self, name: &syn::Ident, block: &syn::Block) {
        let (from, to) = (name.span().start().line, block.span().end().line);
        let count = to - from + 1;
        if count > FUNCTION_LINES_MAX {
            let text = format!("`{name}` has {count} lines, {FUNCTION_LINES_MAX} are allowed");
            self.0.push((from, text));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// Functions are short.
pub(crate) fn functions(source: &Source) -> Vec<Complaint> {
    let mut functions = Functions(Vec::new());
    functions.visit_file(&source.syntax());
    functions.0
}

/// Files begin with what they are for, crates forbid unsafe code.
pub(crate) fn headers(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if !source.text.starts_with("//! ") {
        complaints.push((1, "no `//!` that says what the file is for".to_owned()));
    }
    // One crate tells the kernel addresses and one calls the C library; one file of each may.
    let forbid = match source.path.as_str() {
        "uring/src/lib.rs" | "heap/src/lib.rs" => "#![deny(unsafe_code)]",
        _ => "#![forbid(unsafe_code)]",
    };
    let allow = ["allow(unsafe", "_code"].concat();
    let may = ["uring/src/linux.rs", "heap/src/glibc.rs"].contains(&source.path.as_str());
    if source.text.contains(&allow) && !may {
        complaints.push((1, "only uring and heap may allow unsafe code, in one file".to_owned()));
    }
    if source.is_root() && !source.text.lines().any(|line| line == forbid) {
        complaints.push((1, format!("the root of a crate without `{forbid}`")));
    }
    complaints
}

/// Files are named after things.
pub(crate) fn names(source: &Source) -> Vec<Complaint> {
    let parts = source.path.split('/').map(|part| part.trim_end_matches(".rs"));
    let banned = parts.filter(|part| BANNED_NAMES.contains(part));
    banned.map(|part| (1, format!("`{part}` names no thing; find the noun"))).collect()
}

/// Nothing is left for later, nothing sleeps.
pub(crate) fn words(source: &Source) -> Vec<Complaint> {
    // Put together here, so that this file does not complain of itself.
    let mut banned = vec![["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["#[", "ignore"].concat()];
    if !source.path.starts_with("benches/client/") {
        banned.push(["thread::", "sleep"].concat());
        banned.push(["time::", "sleep"].concat());
    }
    let mut complaints = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for word in banned.iter().filter(|word| line.contains(&word[..])) {
            complaints.push((index + 1, format!("`{word}`")));
        }
    }
    complaints
}
