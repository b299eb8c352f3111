//! An unordered list that costs no allocation while it has one element.
//!
//! Absent: order; removal moves the last element into the gap. Most filters have one subscriber and
//! most broker processes have few shards, so that the one-element case is the one to make small.

/// See the module's head.
#[derive(Debug, Clone, Default)]
pub(crate) enum SmallList<T> {
    /// Nothing.
    #[default]
    Empty,
    /// One element, in place.
    One(T),
    /// Two or more; stays this way until it is empty again.
    #[expect(clippy::box_collection, reason = "one word where most lists have one element")]
    Many(Box<Vec<T>>),
}

impl<T> SmallList<T> {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::Empty => &[],
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::Empty => &mut [],
            Self::One(item) => std::slice::from_mut(item),
            Self::Many(items) => items,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Appends an element and says where it stands.
    pub(crate) fn push(&mut self, item: T) -> usize {
        match std::mem::take(self) {
            Self::Empty => *self = Self::One(item),
            Self::One(first) => *self = Self::Many(Box::new(vec![first, item])),
            Self::Many(mut items) => {
                if items.len() == items.capacity() {
                    // By a quarter instead of to the double: a list may have a million members.
                    items.reserve_exact((items.len() / 4).max(2));
                }
                items.push(item);
                *self = Self::Many(items);
            }
        }
        self.len() - 1
    }

    /// Takes the element at `index` out; the last one moves to its place.
    pub(crate) fn swap_remove(&mut self, index: usize) -> Option<T> {
        match std::mem::take(self) {
            Self::Empty => None,
            Self::One(item) if index == 0 => Some(item),
            Self::One(item) => {
                *self = Self::One(item);
                None
            }
            Self::Many(mut items) => {
                let removed = (index < items.len()).then(|| items.swap_remove(index));
                if items.len() * 4 < items.capacity() {
                    items.shrink_to(items.len() * 2);
                }
                if !items.is_empty() {
                    *self = Self::Many(items);
                }
                removed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_as_a_vector_does() {
        let (mut list, mut model) = (SmallList::Empty, Vec::new());
        let mut state = 1u64;
        for step in 0..2_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step | 1);
            let choice = usize::try_from(state >> 40).unwrap_or(0);
            if choice % 5 < 3 && model.len() < 40 {
                assert_eq!(list.push(step), model.len());
                model.push(step);
            } else if !model.is_empty() {
                let index = choice % model.len();
                assert_eq!(list.swap_remove(index), Some(model.swap_remove(index)));
            }
            assert_eq!(list.as_slice(), model);
            assert_eq!(list.is_empty(), model.is_empty());
        }
        assert_eq!(list.swap_remove(99), None);
    }
}
