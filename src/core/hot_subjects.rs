//! Which filters match the subjects that are published again and again.
//!
//! Absent: matching (`filters`), and every answer but an exact one: an entry counts only while
//! interest is what it was when the entry was made. A subject has to come twice before it is kept,
//! so that a broker whose every message has another subject pays for a look at one line.

use super::ids::{AccountId, Slot};

/// Subjects with neighbouring hashes, and the one that came last and is not kept.
#[derive(Debug, Clone, Copy, Default)]
struct Set {
    /// Marks of the kept ones, the latest first; 0 for none.
    kept: [u64; WAYS],
    seen: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    version: u64,
    account: AccountId,
    length: u8,
    count: u8,
    subject: [u8; SUBJECT_MAX],
    filters: [Slot; FILTERS_MAX],
}

/// See the module's head. Takes no memory before something was published twice.
#[derive(Debug, Default)]
pub(crate) struct HotSubjects {
    sets: Vec<Set>,
    entries: Vec<[Option<Entry>; WAYS]>,
}

/// What is known of a subject.
pub(crate) enum Known<'a> {
    /// Exactly these filters match.
    Filters(&'a [Slot]),
    /// It has come before: its filters are worth being kept.
    Seen,
    /// It has not.
    New,
}

impl HotSubjects {
    /// Looks for the filters that match a subject, by its hash.
    #[inline]
    pub(crate) fn look_up(
        &mut self,
        hash: u64,
        account: AccountId,
        subject: &[u8],
        version: u64,
    ) -> Known<'_> {
        if self.sets.is_empty() {
            self.sets = vec![Set::default(); SETS];
        }
        let mark = mark(hash, version);
        let place = place(hash);
        // INVARIANT: `place` is below the number of sets.
        let set = &mut self.sets[place];
        let Some(way) = set.kept.iter().position(|kept| *kept == mark) else {
            let has_come = set.seen == mark;
            set.seen = mark;
            return if has_come { Known::Seen } else { Known::New };
        };
        let entry = self.entries.get(place).and_then(|ways| ways[way].as_ref());
        match entry {
            Some(entry) if entry.is_for(account, subject, version) => {
                Known::Filters(&entry.filters[..usize::from(entry.count)])
            }
            _ => Known::New,
        }
    }

    /// Keeps the filters that match a subject, if that takes little room.
    pub(crate) fn keep(
        &mut self,
        hash: u64,
        account: AccountId,
        subject: &[u8],
        version: u64,
        found: &[Slot],
    ) {
        if subject.len() > SUBJECT_MAX || found.len() > FILTERS_MAX || self.sets.is_empty() {
            return;
        }
        let mut entry = Entry {
            version,
            account,
            // INVARIANT: both lengths were just compared with a most far below 256.
            length: u8::try_from(subject.len()).unwrap_or(0),
            count: u8::try_from(found.len()).unwrap_or(0),
            subject: [0; SUBJECT_MAX],
            filters: [Slot::from_key(0); FILTERS_MAX],
        };
        entry.subject[..subject.len()].copy_from_slice(subject);
        entry.filters[..found.len()].copy_from_slice(found);
        if self.entries.is_empty() {
            self.entries = vec![[None; WAYS]; SETS];
        }
        let place = place(hash);
        // INVARIANT: both tables have `SETS` places, and `place` is below that.
        self.sets[place].kept.rotate_right(1);
        self.sets[place].kept[0] = mark(hash, version);
        self.entries[place].rotate_right(1);
        self.entries[place][0] = Some(entry);
    }

    /// Gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Entry {
    #[inline]
    fn is_for(&self, account: AccountId, subject: &[u8], version: u64) -> bool {
        self.version == version
            && self.account == account
            && self.subject.get(..usize::from(self.length)) == Some(subject)
    }
}

/// What a subject is told apart by while interest has one version; never 0.
#[inline]
fn mark(hash: u64, version: u64) -> u64 {
    (hash ^ version.wrapping_mul(VERSION_MIX)) | 1
}

#[inline]
fn place(hash: u64) -> usize {
    // The lowest bit is not in a mark, and the highest choose within hash tables.
    (hash >> 8) as usize % SETS
}

/// Subjects that share a set: more make a look dearer, fewer let two busy subjects displace each
/// other.
const WAYS: usize = 2;
/// With two ways, a thousand subjects of a uniform hash leave a twentieth of them out.
const SETS: usize = 1024;
/// Bytes of a subject that is kept.
const SUBJECT_MAX: usize = 46;
/// Filters that a kept subject may match.
const FILTERS_MAX: usize = 4;
/// Spreads neighbouring versions over all bits of a mark.
const VERSION_MIX: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId::GLOBAL;

    fn filters(hot: &mut HotSubjects, hash: u64, subject: &[u8], version: u64) -> Vec<usize> {
        match hot.look_up(hash, ACCOUNT, subject, version) {
            Known::Filters(found) => found.iter().map(|slot| slot.key()).collect(),
            Known::Seen | Known::New => vec![usize::MAX],
        }
    }

    fn slots(keys: &[usize]) -> Vec<Slot> {
        keys.iter().map(|key| Slot::from_key(*key)).collect()
    }

    #[test]
    fn a_subject_is_kept_when_it_comes_again_and_while_interest_stays() {
        let mut hot = HotSubjects::default();
        assert!(matches!(hot.look_up(77, ACCOUNT, b"a.b", 5), Known::New));
        assert!(matches!(hot.look_up(77, ACCOUNT, b"a.b", 5), Known::Seen));
        hot.keep(77, ACCOUNT, b"a.b", 5, &slots(&[3, 9]));
        assert_eq!(filters(&mut hot, 77, b"a.b", 5), [3, 9]);
        assert!(matches!(hot.look_up(77, ACCOUNT, b"a.b", 6), Known::New));
        assert_eq!(filters(&mut hot, 77, b"a.b", 5), [3, 9]);
    }

    #[test]
    fn nobody_gets_the_answer_of_another_subject_or_account_with_the_same_hash() {
        let mut hot = HotSubjects::default();
        let _ = hot.look_up(77, ACCOUNT, b"a", 5);
        hot.keep(77, ACCOUNT, b"a", 5, &slots(&[3]));
        assert!(matches!(hot.look_up(77, ACCOUNT, b"b", 5), Known::New));
        assert!(matches!(hot.look_up(77, AccountId::SYSTEM, b"a", 5), Known::New));
        assert!(matches!(hot.look_up(77, ACCOUNT, b"", 5), Known::New));
    }

    #[test]
    fn the_oldest_of_a_set_makes_room() {
        let mut hot = HotSubjects::default();
        let hashes = [77, 77 + (1 << 40), 77 + (2 << 40)];
        for (hash, subject) in hashes.into_iter().zip([b"a", b"b", b"c"]) {
            let _ = hot.look_up(hash, ACCOUNT, subject, 5);
            hot.keep(hash, ACCOUNT, subject, 5, &slots(&[subject[0].into()]));
        }
        assert_eq!(filters(&mut hot, hashes[0], b"a", 5), [usize::MAX]);
        assert_eq!(filters(&mut hot, hashes[1], b"b", 5), [usize::from(b'b')]);
        assert_eq!(filters(&mut hot, hashes[2], b"c", 5), [usize::from(b'c')]);
    }

    #[test]
    fn what_takes_much_room_is_not_kept() {
        let mut hot = HotSubjects::default();
        let long = [b'x'; SUBJECT_MAX + 1];
        let _ = hot.look_up(77, ACCOUNT, &long, 5);
        hot.keep(77, ACCOUNT, &long, 5, &slots(&[1]));
        assert_eq!(filters(&mut hot, 77, &long, 5), [usize::MAX]);
        let many = slots(&[1; FILTERS_MAX + 1]);
        hot.keep(77, ACCOUNT, b"a", 5, &many);
        assert_eq!(filters(&mut hot, 77, b"a", 5), [usize::MAX]);
    }
}
