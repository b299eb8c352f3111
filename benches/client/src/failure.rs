//! Why a command failed, and with which exit code.
//!
//! Absent: how single connections fail (`link`, `control`).

use std::fmt;

use crate::link_error::LinkError;
use crate::named_file::FileError;
use crate::url::UrlError;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The options make no sense.
    Usage(String),
    /// It was tried and did not work.
    Run(String),
}

impl Failure {
    /// The command's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Run(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(sentence) | Self::Run(sentence)) = self;
        f.write_str(sentence)
    }
}

impl std::error::Error for Failure {}

impl From<UrlError> for Failure {
    fn from(error: UrlError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::Run(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Run(sentence)
    }
}
