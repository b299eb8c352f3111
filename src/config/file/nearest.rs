//! The known key that an unknown one was probably meant to be.
//!
//! Absent: any use of it but hints in errors.

/// The nearest of the known keys, if one is near enough to be meant.
pub(super) fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let key = key.to_ascii_lowercase();
    let length = key.chars().count();
    if length > LENGTH_MAX {
        return None;
    }
    let allowed = (length / 3).clamp(1, 3);
    let steps = known.map(|known| (distance(&key, known), known));
    let (steps, best) = steps.min_by_key(|(steps, _)| *steps)?;
    (steps <= allowed).then_some(best)
}

/// Longest key that is compared.
const LENGTH_MAX: usize = 64;

/// How many letters must be changed, added, left out or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (i, a) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, &b) in right.iter().enumerate() {
            // INVARIANT: rows have one cell more than `right`, `next` one for each b so far.
            let mut steps = (row[j] + usize::from(a != b)).min(row[j + 1] + 1).min(next[j] + 1);
            if j > 0 && previous == Some(b) && right[j - 1] == a {
                steps = steps.min(before[j - 1] + 1);
            }
            next.push(steps);
        }
        previous = Some(a);
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted() {
        for (a, b, steps) in [
            ("", "", 0),
            ("a", "", 1),
            ("port", "prot", 1),
            ("port", "ports", 1),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(a, b), steps, "{a} {b}");
            assert_eq!(distance(b, a), steps, "{b} {a}");
        }
    }

    #[test]
    fn only_a_near_key_is_suggested() {
        let known = || ["port", "listen", "max_payload"].into_iter();
        assert_eq!(nearest("Prot", known()), Some("port"));
        assert_eq!(nearest("maxpayload", known()), Some("max_payload"));
        assert_eq!(nearest("x", known()), None);
        assert_eq!(nearest(&"port".repeat(100), known()), None);
    }
}
