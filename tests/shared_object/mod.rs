//! The shared object that the tests look at: the development build, made once per test program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `libvoip.so` beside the test programs, as fresh as the sources.
pub fn path() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        // target/<profile>/deps/<test program>
        let program = std::env::current_exe().expect("the test program has a path");
        let profile = program.ancestors().nth(2).expect("target/<profile>");
        let target = profile.parent().expect("target");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--lib", "--quiet", "--manifest-path"]);
        build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
        build.arg("--target-dir").arg(target);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let done = build.output().expect("cargo runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let library = profile.join("libvoip.so");
        assert!(library.exists(), "{} was not made", library.display());
        library
    })
}

/// What a tool of binutils says about the shared object.
#[allow(dead_code)]
pub fn output(tool: &str, arguments: &[&str]) -> String {
    let done = Command::new(tool).args(arguments).arg(path()).output();
    let done = done.unwrap_or_else(|e| panic!("{tool}: {e} (apt-get install binutils)"));
    assert!(done.status.success(), "{tool}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}
