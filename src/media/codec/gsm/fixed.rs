//! The 16 and 32 bit arithmetic that ETSI's full-rate speech is defined in (GSM 06.10 section 5.1).

/// Sum that stops at the ends of the range.
pub fn add(a: i16, b: i16) -> i16 {
    a.saturating_add(b)
}
/// Difference that stops at the ends of the range.
pub fn sub(a: i16, b: i16) -> i16 {
    a.saturating_sub(b)
}
/// Product of two fractions, cut.
pub fn mult(a: i16, b: i16) -> i16 {
    saturate((i32::from(a) * i32::from(b)) >> 15)
}
/// Product of two fractions, rounded.
pub fn mult_r(a: i16, b: i16) -> i16 {
    saturate((i32::from(a) * i32::from(b) + 0x4000) >> 15)
}
pub fn saturate(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}
/// Magnitude; that of the smallest number is the largest one.
pub fn magnitude(value: i16) -> i16 {
    value.saturating_abs()
}
/// Left shifts that a positive number can take before its sign changes.
pub fn norm(value: i32) -> u32 {
    debug_assert!(value > 0);
    value.leading_zeros().saturating_sub(1)
}
/// Quotient of two positive numbers as a fraction, `a` not above `b`.
pub fn fraction(a: i16, b: i16) -> i16 {
    if a >= b {
        return i16::MAX;
    }
    ((i32::from(a) << 15) / i32::from(b.max(1))) as i16
}
