//! Reading a configuration file, from its path to a configuration that can be used.
//!
//! Absent: flags of the command line, which are put over what is read here.

use std::fmt;

use super::text::{self, Files};
use super::{Config, file};

/// Reads the file at `path` and all that it includes over `base`, which holds the defaults.
///
/// The answer's `warnings` and `digest` are those of the file.
pub fn load(path: &str, files: &mut dyn Files, base: Config) -> Result<Config, ConfigErrors> {
    let one = |error: text::SyntaxError| ConfigErrors { lines: vec![error.text] };
    let tree = text::parse(path, files).map_err(one)?;
    let digest = text::digest(&tree.root);
    let read = file::read(&tree, files, base).map_err(|lines| ConfigErrors { lines })?;
    Ok(Config { digest: Some(digest), ..read })
}

/// Everything that is wrong with a configuration; it displays as one line for each error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    lines: Vec<String>,
}

impl ConfigErrors {
    /// One line for each error, most of them beginning with `file:line:column: `.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}
