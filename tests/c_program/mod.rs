//! Compiles a C or C++ program against the public header and runs it.

use crate::shared_object;
use std::path::{Path, PathBuf};
use std::process::Command;

const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-D_POSIX_C_SOURCE=200809L"];

/// What the program printed; it must leave with 0. `more` are further arguments for the compiler, behind the source.
pub fn compile_and_run(
    source: &Path,
    compiler: &str,
    standard: &str,
    language: &str,
    more: &[&str],
) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = shared_object::path();
    let name = source.strip_prefix(root).unwrap_or(source).to_string_lossy().replace('/', "-");
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
    compile.arg("-I").arg(root.join("include")).arg("-I").arg(root.join("tests/c"));
    compile.arg(source).args(["-x", "none", "-o"]).arg(&program);
    compile.args(more).arg("-L").arg(&links).args(["-lvoip", "-lm", "-lpthread"]);
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
    run(start.env("LD_LIBRARY_PATH", &links).current_dir(root))
}

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        done.status.success(),
        "{command:?}: {}\n{}{}",
        done.status,
        text(&done.stdout),
        text(&done.stderr)
    );
    text(&done.stdout)
}
