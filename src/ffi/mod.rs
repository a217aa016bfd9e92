//! The C API: check arguments, call the engine, write outputs. One file per handle.
