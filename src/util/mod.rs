//! Foundations without I/O: time, deadlines, handles with generations, randomness as a trait.

mod id_map;
pub mod pcapng;
pub mod pool;
mod prefetch;
mod rng;
mod scan;
mod short_text;
mod slab;
mod time;
mod wheel;

pub use core::time::Duration;
pub use id_map::{IdHasher, IdMap};
pub use prefetch::{prefetch, prefetch_bytes, prefetch_line, prefetch_lines};
pub use rng::{Rng, SeededRng};
pub use scan::{find_byte, find_line_end, find_of_three};
pub use short_text::ShortText;
pub use slab::{Key, Slab};
pub use time::Time;
pub use wheel::{Wheel, SLOT};
