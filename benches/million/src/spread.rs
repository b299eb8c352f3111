//! Percentiles of a list of times.
//!
//! Absent: classes and interpolation. The lists fit into memory and the ranks are exact.

use serde_json::{Value, json};

/// The usual figures of times in microseconds, sorted in place.
pub(crate) fn figures(times_us: &mut [f64]) -> Value {
    times_us.sort_unstable_by(f64::total_cmp);
    let mean = times_us.iter().sum::<f64>() / times_us.len().max(1) as f64;
    json!({
        "count": times_us.len(),
        "mean_us": mean,
        "p50_us": rank(times_us, 50),
        "p99_us": rank(times_us, 99),
        "max_us": rank(times_us, 100),
    })
}

/// The smallest value that this share of all values does not exceed.
fn rank(sorted: &[f64], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn a_rank_is_a_value_of_the_list() {
        let list: Vec<f64> = (1..=200).map(f64::from).collect();
        let found = |percent| format!("{}", rank(&list, percent));
        assert_eq!([50, 99, 100].map(found), ["100", "198", "200"]);
        assert_eq!(format!("{} {}", rank(&[], 50), rank(&[7.0], 99)), "0 7");
    }
}
