//! What the C library's allocator does with memory that is free again.
//!
//! Absent: an allocator. glibc gives the free end of a heap back to the system as soon as it is
//! 128 KiB, and every message of some KiB then pays for pages that the one before has given up:
//! more than a third of the CPU of messages of 16 KiB. Other allocators have no such habit.

use std::hint::black_box;

/// Lets each heap keep up to 1 MiB of free memory at its end.
///
/// glibc can be told so by its environment or by an unsafe call, but it also learns: whoever frees
/// a block that came from the system by itself raises the size from which on blocks do to that
/// block's, and the memory that is kept to twice as much (mallopt(3), `M_MMAP_THRESHOLD`). Larger
/// blocks, such as big tables, still go back at once.
pub(crate) fn keep_some_free_memory() {
    drop(black_box(Vec::<u8>::with_capacity(KEPT / 2)));
}

/// What a heap may keep, in bytes.
pub(super) const KEPT: usize = 1 << 20;

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Pages that this process has had to be given so far.
    fn faults() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux");
        let (_, after_name) = text.rsplit_once(") ").expect("a name in parentheses");
        after_name.split(' ').nth(7).and_then(|field| field.parse().ok()).expect("a number")
    }

    #[test]
    fn messages_of_some_size_find_the_memory_of_those_before() {
        keep_some_free_memory();
        let round = || {
            let bodies: Vec<_> = (0..40).map(|_| vec![1u8; 16 * 1024]).collect();
            drop(black_box(bodies));
        };
        round();
        let before = faults();
        (0..50).for_each(|_| round());
        let pages = faults() - before;
        // 160 pages a round, where each round's are new.
        assert!(pages < 50 * 160 / 4, "{pages} pages");
    }
}
