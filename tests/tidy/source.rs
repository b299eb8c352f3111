//! One source file, and what can be told from its path and its attributes.
//!
//! Absent: the rules.

/// The floors of the broker, by the first part of a module's path. The crate's root and what runs
/// it are above all of them.
const FLOORS: &[(&str, u8)] = &[("config", 1), ("core", 2), ("io", 3), ("admin", 4)];
const TOP_FLOOR: u8 = 5;

/// One source file.
pub(crate) struct Source {
    /// Its path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

/// A line of it and what is wrong there.
pub(crate) type Complaint = (usize, String);

impl Source {
    /// A file with this text.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Its syntax tree.
    pub(crate) fn syntax(&self) -> syn::File {
        syn::parse_file(&self.text)
            .unwrap_or_else(|error| panic!("{}:{}: {error}", self.path, error.span().start().line))
    }

    /// Whether all of it is test code, or measures.
    pub(crate) fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        let measures = matches!(parts[..], ["benches", _] | ["benches", "scale", _]);
        let tests = parts.contains(&"tests") || parts.contains(&"fuzz");
        measures || tests || self.path.ends_with("/tests.rs")
    }

    /// Whether it is the root of a crate.
    pub(crate) fn is_root(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        let inside = parts.iter().rev().skip(1).any(|part| *part == "src");
        match parts[..] {
            [.., "src", "lib.rs" | "main.rs"] => true,
            // Below `src` a folder of this name holds the tests of one module.
            [.., "tests" | "benches", _, "main.rs"] | [.., "tests" | "benches", _] => !inside,
            _ => false,
        }
    }

    /// Its floor, for the broker's own files and the protocol crate.
    pub(crate) fn floor(&self) -> Option<u8> {
        if self.path.starts_with("protocol/src/") {
            return Some(0);
        }
        let inside = self.path.strip_prefix("src/")?;
        Some(floor_of(inside.split(['/', '.']).next().unwrap_or_default()))
    }

    /// Its module path below `crate`.
    pub(crate) fn module(&self) -> Vec<String> {
        let inside = self.path.split_once("src/").map_or("", |(_, inside)| inside);
        let mut parts: Vec<String> =
            inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            parts.pop();
        }
        parts
    }
}

/// The floor of a module of the broker.
pub(crate) fn floor_of(module: &str) -> u8 {
    FLOORS.iter().find(|(name, _)| *name == module).map_or(TOP_FLOOR, |&(_, floor)| floor)
}

/// Whether the attributes make an item test code.
pub(crate) fn tests_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let is_cfg = path.is_ident("cfg") && {
            let list = attribute.meta.require_list();
            list.is_ok_and(|list| list.tokens.to_string().split(' ').any(|word| word == "test"))
        };
        path.is_ident("test") || is_cfg
    })
}

/// The attributes of an item, as far as test code is marked by them.
pub(crate) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
