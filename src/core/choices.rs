//! What a client chose in CONNECT.
//!
//! Absent: what follows from it. Copied for every message, so that it stays a few bytes.

/// What a client chose in CONNECT, and before it what every client has (PROTOCOL: defaults).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices {
    pub(crate) verbose: bool,
    pub(crate) pedantic: bool,
    pub(crate) echo: bool,
    pub(crate) headers: bool,
    pub(crate) no_responders: bool,
    /// The client understands an INFO at any time.
    pub(crate) async_info: bool,
}

impl Choices {
    pub(crate) const BEFORE_CONNECT: Self = Self {
        verbose: true,
        pedantic: true,
        echo: true,
        headers: false,
        no_responders: false,
        async_info: false,
    };
}
