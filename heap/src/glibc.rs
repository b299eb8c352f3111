//! The call of glibc that does it.
//!
//! Absent: anything else that needs `unsafe`.
#![allow(unsafe_code, reason = "a function of the C library, without pointers; see below")]

use std::ffi::c_int;

unsafe extern "C" {
    /// malloc_trim(3).
    fn malloc_trim(pad: usize) -> c_int;
}

/// Gives pages that hold nothing back to the system, in all heaps of the process and from their
/// middles too, and leaves up to `kept` bytes free at the end of the main one. Says whether there
/// were any. Each heap is locked while it is walked: some milliseconds for some hundred megabytes.
pub fn give_back(kept: usize) -> bool {
    // SAFETY: the function takes a number, has no precondition, may be called by any thread at any
    // time (MT-Safe), and touches only memory that nobody has allocated.
    unsafe { malloc_trim(kept) == 1 }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    fn resident_kib() -> u64 {
        let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    #[test]
    fn pages_between_things_that_stay_go_back() {
        let before = resident_kib();
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for _ in 0..3_000 {
            go.push(black_box(vec![1u8; 16 * 1024]));
            stay.push(black_box(vec![1u8; 64]));
        }
        drop(go);
        give_back(0);
        let after = resident_kib();
        assert!(after < before + 12 * 1024, "{before} KiB before, {after} KiB after");
        drop(stay);
    }
}
