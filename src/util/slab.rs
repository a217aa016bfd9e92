//! A slab whose keys carry a generation: a stale key finds nothing.

/// Index and generation of an entry. Generation 0 is never given out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }
    pub const fn from_u64(v: u64) -> Key {
        Key { index: v as u32, generation: (v >> 32) as u32 }
    }
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// Values at stable keys; insertion, look-up and removal in O(1); iteration in index order.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    /// Of entries that are made new: later than any that was given out for one that is gone.
    first_generation: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab::new()
    }
}

impl<T> Slab<T> {
    pub const fn new() -> Slab<T> {
        Slab { entries: Vec::new(), free: Vec::new(), first_generation: 1 }
    }
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Inserts what `make` builds out of the key that the value will have.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.entries.push(Entry { generation: self.first_generation, value: None });
                (self.entries.len() - 1) as u32
            }
        };
        let entry = &mut self.entries[index as usize];
        let key = Key { index, generation: entry.generation };
        entry.value = Some(make(key));
        key
    }

    pub fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key.index())?;
        if entry.generation == key.generation {
            entry.value.as_ref()
        } else {
            None
        }
    }
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index())?;
        if entry.generation == key.generation {
            entry.value.as_mut()
        } else {
            None
        }
    }
    /// Has the entry at hand.
    pub fn prefetch(&self, key: Key) {
        if let Some(entry) = self.entries.get(key.index()) {
            super::prefetch_line(entry);
        }
    }
    /// Gives back the room behind the last value. Keys stay as they are, stale ones stay stale. The room is made small and
    /// not freed: the C library takes the size of a large block that is freed as a measure of what it may keep.
    pub fn shrink(&mut self) {
        let len = self.entries.iter().rposition(|entry| entry.value.is_some()).map_or(0, |last| last + 1);
        let gone = self.entries.drain(len..).map(|entry| entry.generation);
        self.first_generation = gone.fold(self.first_generation, u32::max);
        self.free.retain(|index| (*index as usize) < len);
        self.free.shrink_to_fit();
        self.entries.shrink_to(1);
    }
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index())?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1).max(1);
        self.free.push(key.index);
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries.iter().enumerate().filter_map(|(i, e)| {
            let key = Key { index: i as u32, generation: e.generation };
            e.value.as_ref().map(|v| (key, v))
        })
    }
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.entries.iter_mut().enumerate().filter_map(|(i, e)| {
            let key = Key { index: i as u32, generation: e.generation };
            e.value.as_mut().map(|v| (key, v))
        })
    }
    pub fn keys(&self) -> Vec<Key> {
        self.iter().map(|(k, _)| k).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slab_that_shrank_gives_no_key_twice_and_keeps_those_that_are_in_use() {
        let mut slab = Slab::new();
        let keys: Vec<Key> = (0..100).map(|n| slab.insert(n)).collect();
        for key in keys.iter().filter(|key| key.index() != 40) {
            slab.remove(*key);
        }
        slab.shrink();
        assert_eq!((slab.get(keys[40]), slab.len()), (Some(&40), 1));
        let more: Vec<Key> = (0..100).map(|n| slab.insert(n)).collect();
        assert!(more.iter().all(|key| !keys.contains(key)));
        assert!(keys.iter().filter(|key| key.index() != 40).all(|key| !slab.contains(*key)));
        for key in more.iter().chain([&keys[40]]) {
            assert!(slab.remove(*key).is_some());
        }
        slab.shrink();
        assert!(slab.is_empty() && slab.insert(1) != more[0]);
    }

    #[test]
    fn a_removed_key_finds_nothing_even_when_its_place_is_taken_again() {
        let mut slab = Slab::new();
        let a = slab.insert("a");
        assert_eq!(slab.remove(a), Some("a"));
        let b = slab.insert("b");
        assert_eq!(a.index(), b.index());
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.get(b), Some(&"b"));
        assert_eq!(slab.len(), 1);
    }
}
