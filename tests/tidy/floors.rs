//! The rule of floors: imports go downwards, and nothing below `io` reaches out.
//!
//! Absent: the order of the rooms within one floor.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{Complaint, Source, attributes, floor_of, tests_only};

/// What floors 0 to 2 may not name: whatever reaches out of a pure function.
const BANNED_BELOW_IO: &[&str] = &[
    "std::net",
    "std::fs",
    "std::thread",
    "std::time",
    "std::env",
    "std::process",
    "std::sync",
    "mio",
    "crossbeam",
    "crossbeam_queue",
    "rustix",
    "socket2",
    "signal_hook",
    "getrandom",
];
/// The exceptions.
const ALLOWED_BELOW_IO: &[&str] = &["std::sync::Arc"];
/// Macros that print.
const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];
/// The paths that one file names, and the macros that print.
struct Paths {
    found: Vec<(usize, Vec<String>)>,
    printing: Vec<Complaint>,
}

impl Paths {
    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let mut path = prefix.to_vec();
        match tree {
            syn::UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.tree(&path, &inner.tree);
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(&path, item));
            }
            syn::UseTree::Name(_) | syn::UseTree::Rename(_) | syn::UseTree::Glob(_) => {
                match tree {
                    syn::UseTree::Name(name) => path.push(name.ident.to_string()),
                    syn::UseTree::Rename(name) => path.push(name.ident.to_string()),
                    _ => {}
                }
                self.found.push((tree.span().start().line, path));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !tests_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.found.push((path.span().start().line, parts));
        visit::visit_path(self, path);
    }
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string());
        let name = name.unwrap_or_default();
        if PRINTING.contains(&&name[..]) {
            self.printing.push((call.span().start().line, format!("`{name}!` below io")));
        }
    }
}

/// Names are taken from lower floors or the same one.
pub(crate) fn floors(source: &Source) -> Vec<Complaint> {
    let Some(floor) = source.floor() else { return Vec::new() };
    if source.is_test() {
        return Vec::new();
    }
    let mut paths = Paths { found: Vec::new(), printing: Vec::new() };
    paths.visit_file(&source.syntax());
    let mut complaints = if floor <= 2 { paths.printing } else { Vec::new() };
    for (line, path) in paths.found {
        let path = absolute(&source.module(), path);
        let written = path.join("::");
        let within = |prefix: &&&str| {
            let rest = written.strip_prefix(**prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let banned = BANNED_BELOW_IO.iter().any(|banned| within(&banned));
        let allowed = ALLOWED_BELOW_IO.iter().any(|allowed| within(&allowed));
        if floor <= 2 && banned && !allowed {
            complaints.push((line, format!("`{written}` below io")));
        }
        if let ["crate", module, ..] = &path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            let named = floor_of(module);
            if floor > 0 && named > floor {
                let text = format!("`{written}` is on floor {named}, this file on floor {floor}");
                complaints.push((line, text));
            }
        }
    }
    complaints
}

/// A path with `self` and `super` resolved.
fn absolute(module: &[String], path: Vec<String>) -> Vec<String> {
    let mut base: Option<Vec<String>> = None;
    let mut rest = &path[..];
    while let Some((first, later)) = rest.split_first() {
        match &first[..] {
            "self" if base.is_none() => base = Some(module.to_vec()),
            "super" => {
                let mut parent = base.unwrap_or_else(|| module.to_vec());
                parent.pop();
                base = Some(parent);
            }
            _ => break,
        }
        rest = later;
    }
    match base {
        None => path,
        Some(base) => ["crate".to_owned()].into_iter().chain(base).chain(rest.to_vec()).collect(),
    }
}
