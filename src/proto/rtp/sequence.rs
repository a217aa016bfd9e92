//! Serial arithmetic on sequence numbers and timestamps (RFC 3550 appendix A.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SequenceNumber(pub u16);
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timestamp(pub u32);
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExtendedSequence(pub u64);
