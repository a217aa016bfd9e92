//! The calls that we made and that are over: whose late 2xx is still ours to end (RFC 3261 section 13.2.2.4).

use crate::util::{Duration, Time};
use std::collections::{HashSet, VecDeque};

/// How long, and how many of, our calls are remembered for a late 2xx. Timer C is the longest that a proxy waits.
const REMEMBER: Duration = Duration::from_secs(200);
const MAX_REMEMBERED: usize = 16_384;

/// Our tags of calls that are over, oldest first.
#[derive(Default)]
pub(super) struct Ended {
    tags: HashSet<Box<str>>,
    order: VecDeque<(Time, Box<str>)>,
}

impl Ended {
    pub fn insert(&mut self, now: Time, tag: Box<str>) {
        let old = |(at, _): &(Time, Box<str>), len: usize| now.since(*at) > REMEMBER || len >= MAX_REMEMBERED;
        while self.order.front().is_some_and(|first| old(first, self.order.len())) {
            if let Some((_, tag)) = self.order.pop_front() {
                self.tags.remove(&tag);
            }
        }
        self.tags.insert(tag.clone());
        self.order.push_back((now, tag));
    }
    pub fn contains(&self, tag: &str) -> bool {
        self.tags.contains(tag)
    }
}
