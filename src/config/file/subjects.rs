//! Which texts in a configuration are subjects.
//!
//! Absent: how subjects are made from others (`transform`, `import_map`).

use fanfare_protocol::subject::{Filter, Subject};

/// Whether it is a valid subject, wildcards allowed.
pub(super) fn is_filter(text: &str) -> bool {
    Filter::parse(text.as_bytes()).is_some() && !text.contains(['\0', '\u{c}'])
}

/// Whether it is a valid subject without wildcards.
pub(super) fn is_literal(text: &str) -> bool {
    is_filter(text) && Subject::parse(text.as_bytes()).is_some()
}
