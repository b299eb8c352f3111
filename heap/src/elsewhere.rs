//! Allocators that cannot be asked.
//!
//! Absent: everything.

/// Does nothing.
pub fn give_back(_kept: usize) -> bool {
    false
}
