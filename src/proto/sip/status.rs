//! Phrases of response codes.

pub fn status_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        200 => "OK",
        _ => "Error",
    }
}
