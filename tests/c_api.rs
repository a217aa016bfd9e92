//! The C tests of `tests/c`, each compiled as C11 and as C++17 against the public header and run.
//!
//! `LIBVOIP_VALGRIND=1` runs them under valgrind (CMake's ctest does so too, as `make test` runs it).

mod shared_object;

use std::path::{Path, PathBuf};
use std::process::Command;

const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-D_POSIX_C_SOURCE=200809L"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        done.status.success(),
        "{command:?}: {}\n{}{}",
        done.status,
        text(&done.stdout),
        text(&done.stderr)
    );
    print!("{}", text(&done.stdout));
}

/// Compiles `tests/c/<name>` with one compiler for one standard and runs the program.
fn compile_and_run(name: &str, compiler: &str, standard: &str, language: &str) {
    let library = shared_object::path();
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{standard}"));
    // The loader looks for the SONAME; the links beside the program are made anew each time.
    let links = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{standard}-lib"));
    std::fs::create_dir_all(&links).expect("a folder for the link");
    for link in ["libvoip.so", "libvoip.so.0"] {
        let link = links.join(link);
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(library, &link).expect("a link to the library");
    }
    let mut compile = Command::new(compiler);
    compile.arg(format!("-std={standard}")).args(STRICT).args(["-O1", "-g", "-x", language]);
    compile.arg("-I").arg(root().join("include")).arg("-I").arg(root().join("tests/c"));
    compile.arg(root().join("tests/c").join(name)).args(["-x", "none", "-o"]).arg(&program);
    compile.arg("-L").arg(&links).args(["-lvoip", "-lm", "-lpthread"]);
    run(&mut compile);

    let mut start = match std::env::var_os("LIBVOIP_VALGRIND") {
        Some(_) => {
            let mut valgrind = Command::new("valgrind");
            valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full", "--fair-sched=try"]);
            valgrind
                .args(["--errors-for-leak-kinds=definite,indirect", "--show-leak-kinds=definite,indirect"]);
            valgrind.arg(&program);
            valgrind
        }
        None => Command::new(&program),
    };
    run(start.env("LD_LIBRARY_PATH", &links));
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
    test_account test_audio test_call test_call_rtp test_call_srtp test_codec test_config test_dtmf test_errors test_handles test_library test_log
    test_message test_pcm_buffer test_phone test_playback test_player test_recorder test_rtcp test_rtp_packet test_sdp test_sip_message test_srtp
    test_stats test_stun test_voice test_wav
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
