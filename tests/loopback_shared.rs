//! The calls of `loopback`, with sockets that they share.

#[path = "loopback.rs"]
mod loopback;
