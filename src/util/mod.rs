//! Foundations without I/O: time, deadlines, handles with generations, randomness as a trait.

mod prefetch;
mod rng;
mod slab;
mod time;
mod wheel;

pub use core::time::Duration;
pub use prefetch::prefetch;
pub use rng::{Rng, SeededRng};
pub use slab::{Key, Slab};
pub use time::Time;
pub use wheel::{Wheel, SLOT};
