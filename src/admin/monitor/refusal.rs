//! Why a question is not answered, in words for the asker.
//!
//! Absent: secrets, and anything of the broker that the asker has not said itself.

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP's number for it.
    pub(crate) status: u16,
    /// The words.
    pub(crate) why: String,
}

impl Refusal {
    /// The question makes no sense.
    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self { status: 400, why: why.into() }
    }
}
