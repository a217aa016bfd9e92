//! Values in blocks of the pool: a box, a boxed slice, a counted value.

use super::Block;
use core::alloc::Layout;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{fence, AtomicUsize, Ordering};

/// A value in a block of its own: a box.
#[derive(Debug)]
pub struct Pooled<T> {
    block: Block,
    owns: PhantomData<T>,
}

// SAFETY: as a box.
unsafe impl<T: Send> Send for Pooled<T> {}
// SAFETY: as a box.
unsafe impl<T: Sync> Sync for Pooled<T> {}

impl<T> Pooled<T> {
    pub fn new(value: T) -> Pooled<T> {
        let block = Block::new(Layout::new::<T>());
        // SAFETY: the block has the layout of a T.
        unsafe { block.as_ptr().cast::<T>().write(value) };
        Pooled { block, owns: PhantomData }
    }
    pub fn into_inner(self) -> T {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: the value is read once and not dropped here; the block is read once, too, and dropped.
        unsafe {
            let value = this.block.as_ptr().cast::<T>().read();
            drop(core::ptr::read(&this.block));
            value
        }
    }
}

impl<T> Deref for Pooled<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it holds a T while it lives.
        unsafe { &*self.block.as_ptr().cast::<T>() }
    }
}

impl<T> DerefMut for Pooled<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and it is ours alone.
        unsafe { &mut *self.block.as_ptr().cast::<T>() }
    }
}

impl<T> Drop for Pooled<T> {
    fn drop(&mut self) {
        // SAFETY: it holds a T, which nobody uses any more.
        unsafe { self.block.as_ptr().cast::<T>().drop_in_place() };
    }
}

/// Values in a block of their own: a boxed slice.
#[derive(Debug)]
pub struct Row<T> {
    first: Pooled<T>,
    count: usize,
}

impl<T: Copy> Row<T> {
    /// `count` (at least 1) times this value.
    pub fn of(value: T, count: usize) -> Row<T> {
        let layout = Layout::array::<T>(count).expect("a size");
        let block = Block::new(layout);
        for n in 0..count {
            // SAFETY: the block has room for so many.
            unsafe { block.as_ptr().cast::<T>().add(n).write(value) };
        }
        // What is Copy has nothing to drop, so that it does not matter that there is more than the first.
        Row { first: Pooled { block, owns: PhantomData }, count }
    }
}

impl<T> Deref for Row<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: there are so many.
        unsafe { core::slice::from_raw_parts(self.first.block.as_ptr().cast(), self.count) }
    }
}

impl<T> DerefMut for Row<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and they are ours alone.
        unsafe { core::slice::from_raw_parts_mut(self.first.block.as_ptr().cast(), self.count) }
    }
}

/// A counted value in a block of its own: an `Arc` without weak references.
#[derive(Debug)]
pub struct Counted<T> {
    at: NonNull<Inner<T>>,
}

#[repr(C)]
struct Inner<T> {
    value: T,
    count: AtomicUsize,
    block: Block,
}

// SAFETY: as an `Arc`.
unsafe impl<T: Send + Sync> Send for Counted<T> {}
// SAFETY: as an `Arc`.
unsafe impl<T: Send + Sync> Sync for Counted<T> {}

impl<T> Counted<T> {
    pub fn new(value: T) -> Counted<T> {
        let block = Block::new(Layout::new::<Inner<T>>());
        let at = block.at.cast::<Inner<T>>();
        // SAFETY: the block has the layout of an Inner.
        unsafe { at.write(Inner { value, count: AtomicUsize::new(1), block }) };
        Counted { at }
    }
}

impl<T> Clone for Counted<T> {
    fn clone(&self) -> Counted<T> {
        // SAFETY: it lives while somebody has a reference.
        unsafe { self.at.as_ref() }.count.fetch_add(1, Ordering::Relaxed);
        Counted { at: self.at }
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it lives while somebody has a reference.
        unsafe { &self.at.as_ref().value }
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        // SAFETY: it lives until the last reference goes.
        if unsafe { self.at.as_ref() }.count.fetch_sub(1, Ordering::Release) > 1 {
            return;
        }
        fence(Ordering::Acquire);
        // SAFETY: it was the last reference, and all that others did came before. The block outlives what lies in it.
        unsafe {
            let block = core::ptr::read(&raw const (*self.at.as_ptr()).block);
            (&raw mut (*self.at.as_ptr()).value).drop_in_place();
            drop(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_dropped_once_when_the_last_reference_goes() {
        struct Drops<'a>(&'a AtomicUsize);
        impl Drop for Drops<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let drops = AtomicUsize::new(0);
        let counted = Counted::new(Drops(&drops));
        let again = counted.clone();
        drop(counted);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(again);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        drop(Pooled::new(Drops(&drops)));
        assert_eq!(drops.load(Ordering::Relaxed), 2);
        let kept = Pooled::new(Drops(&drops)).into_inner();
        assert_eq!(drops.load(Ordering::Relaxed), 2);
        drop(kept);
        let mut text = Pooled::new(String::from("voice"));
        text.push('s');
        assert_eq!((&**text, text.clone().len()), ("voices", 6));
    }
}
