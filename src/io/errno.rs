//! The system's errors in the words that nats-server's operators know.
//!
//! Absent: errors of our own, which have words already.

use std::io;

/// An error of the system in lower case and without its number, as Go tells it.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    if error.raw_os_error().is_none() {
        return text;
    }
    let words = text.split(" (os error ").next().unwrap_or_default();
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_errors_are_told_as_go_tells_them() {
        for (number, text) in [
            (1, "operation not permitted"),
            (2, "no such file or directory"),
            (3, "no such process"),
            (13, "permission denied"),
        ] {
            assert_eq!(plain(&io::Error::from_raw_os_error(number)), text);
        }
        assert_eq!(plain(&io::Error::other("Ours")), "Ours");
    }
}
