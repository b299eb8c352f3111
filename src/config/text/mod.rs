//! Configuration files as text: reading them into a tree, and writing a tree again.
//!
//! Absent: what keys mean (`file`), and files and environment themselves, which are asked for
//! through [`Files`]. Nothing here does input or output, and no text makes it panic.

mod date;
mod digest;
mod grammar;
mod print;
mod resolve;
mod tree;
mod words;
mod written;

#[cfg(test)]
mod tests;

pub use digest::digest;
pub use print::print;
pub use tree::{Entry, Map, Node, Position, Tree, Value};

/// Where a configuration's texts come from.
pub trait Files {
    /// The whole text of a file, or why there is none.
    fn read(&mut self, path: &str) -> Result<String, String>;
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
}

/// Why a text is no configuration: its place, if it has one, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// `file:line:column: reason`, as an operator reads it.
    pub text: String,
}

/// Reads a file and all that it includes.
pub fn parse(path: &str, files: &mut dyn Files) -> Result<Tree, SyntaxError> {
    resolve::file(path, files)
}

/// Most bytes of one file, and of one environment variable.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most bytes of all files and of all texts that variables repeat.
pub const TOTAL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most keys and values of a configuration.
pub const VALUES_MAX: u32 = 1_048_576;
/// Most brackets in brackets.
pub const DEPTH_MAX: u32 = 64;
/// Most files that include each other.
pub const INCLUDES_DEEP_MAX: usize = 16;
/// Most files of one configuration.
pub const FILES_MAX: usize = 1024;
