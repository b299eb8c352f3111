//! The known key, or option, that an unknown one was probably meant to be.
//!
//! Absent: any use of it but hints in errors.

/// The nearest of the known keys, if one is near enough to be meant.
pub(crate) fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let key = key.to_ascii_lowercase();
    let length = key.chars().count();
    if length > LENGTH_MAX {
        return None;
    }
    let allowed = (length / 3).clamp(1, 3);
    let steps = known.map(|known| (strsim::osa_distance(&key, known), known));
    let (steps, best) = steps.min_by_key(|(steps, _)| *steps)?;
    (steps <= allowed).then_some(best)
}

/// Longest key that is compared.
const LENGTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_key_is_suggested() {
        let known = || ["port", "listen", "max_payload"].into_iter();
        assert_eq!(nearest("Prot", known()), Some("port"));
        assert_eq!(nearest("maxpayload", known()), Some("max_payload"));
        assert_eq!(nearest("x", known()), None);
        assert_eq!(nearest(&"port".repeat(100), known()), None);
    }
}
