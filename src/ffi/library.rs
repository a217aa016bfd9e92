//! The library itself: version and what this build can do.

use std::ffi::{c_char, CStr};

/// What `voip_has_feature` knows in this version, and whether this build has it.
static FEATURES: &[(&CStr, bool)] = &[
    (c"udp", true),
    (c"tcp", true),
    (c"tls", cfg!(feature = "tls")),
    (c"ipv6", true),
    (c"pcmu", true),
    (c"pcma", true),
    (c"telephone-event", true),
    (c"srtp", true),
    (c"dtls", false),
    (c"ice", false),
    (c"opus", false),
];

/// Gives the version as text, like `0.1.0`.
///
/// @return a static string, never NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Gives the version as one number: major * 1000000 + minor * 1000 + patch.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_version_number() -> u32 {
    number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + number(env!("CARGO_PKG_VERSION_PATCH"))
}

/// Gives the number of the binary interface: programs built against another number must be rebuilt.
///
/// It is the number in the SONAME (`libvoip.so.0`).
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_abi_version() -> u32 {
    0
}

/// Says whether this build has a feature.
///
/// @param name as in `voip_features`; NULL and unknown names give 0.
/// @return 1 if it is there, 0 if not (functions that need it return `VOIP_ERR_NOT_SUPPORTED`).
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_has_feature(name: *const c_char) -> i32 {
    if name.is_null() {
        return 0;
    }
    // SAFETY: not NULL, NUL-terminated by the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    i32::from(FEATURES.iter().any(|(feature, there)| *there && *feature == name))
}

/// Gives the names of the features of this build, separated by spaces.
///
/// @return a static string, never NULL.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_features() -> *const c_char {
    #[cfg(feature = "tls")]
    let list = c"udp tcp tls ipv6 pcmu pcma telephone-event srtp";
    #[cfg(not(feature = "tls"))]
    let list = c"udp tcp ipv6 pcmu pcma telephone-event srtp";
    list.as_ptr()
}

// Runs in the compiler, where an index out of bounds is an error and no panic.
#[allow(clippy::indexing_slicing)]
const fn number(digits: &str) -> u32 {
    let bytes = digits.as_bytes();
    let mut value = 0;
    let mut at = 0;
    while at < bytes.len() {
        // invariant: `at` is below the length, and cargo's version parts are digits.
        value = value * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_features_names_exactly_those_that_are_there() {
        let list = unsafe { CStr::from_ptr(voip_features()) }.to_str().unwrap();
        let there: Vec<_> = FEATURES.iter().filter(|f| f.1).map(|f| f.0.to_str().unwrap()).collect();
        assert_eq!(list, there.join(" "));
    }
}
