//! The C tests of `tests/c`, each compiled as C11 and as C++17 against the public header and run.
//!
//! `LIBVOIP_VALGRIND=1` runs them under valgrind (CMake's ctest does so too, as `make test` runs it).

mod c_program;
mod shared_object;

use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles `tests/c/<name>` with one compiler for one standard and runs the program.
fn compile_and_run(name: &str, compiler: &str, standard: &str, language: &str) {
    let source = root().join("tests/c").join(name);
    print!("{}", c_program::compile_and_run(&source, compiler, standard, language, &[]));
}

macro_rules! c_tests {
    ($($name:ident)*) => {
        mod as_c11 {
            $(#[test] fn $name() { super::compile_and_run(concat!(stringify!($name), ".c"), "cc", "c11", "c"); })*
        }
        mod as_cxx17 {
            $(#[test] fn $name() { super::compile_and_run(concat!(stringify!($name), ".c"), "c++", "c++17", "c++"); })*
        }
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

c_tests! {
    test_account test_audio test_call test_call_rtp test_capture test_call_srtp test_codec test_config test_dtmf test_dtmf_detector
    test_errors test_format test_handles test_library test_log test_media_sockets test_message test_network
    test_pcm_buffer test_phone test_playback
    test_player test_recorder test_rtcp test_rtp_mux test_rtp_packet test_rtp_session test_sdp test_sip_message
    test_srtp test_stats test_stun test_sync_group test_sync_sessions test_voice test_wav
}

#[test]
fn the_cxx_header_works() {
    compile_and_run("test_cpp.cpp", "c++", "c++17", "c++");
}

#[test]
fn no_c_test_is_left_out() {
    for entry in std::fs::read_dir(root().join("tests/c")).expect("tests/c") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".c") {
            assert!(NAMES.contains(&stem), "{name} is not in tests/c_api.rs");
        }
    }
}
