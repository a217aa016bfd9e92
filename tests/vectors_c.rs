//! The shared vectors through the exported functions: `tests/vectors/*.c` call them by the public header. Each program says
//! how many cases of its family it ran.

mod c_program;
mod shared_object;

use std::path::Path;

fn family(name: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(format!("{name}.c"));
    // A family that doesn't need all of vectors.h leaves some of its functions unused.
    let told = c_program::compile_and_run(&source, "cc", "c11", "c", &["-Wno-unused-function"]);
    print!("{told}");
    assert!(told.contains(" cases"), "{name} doesn't say how many cases it ran");
}

macro_rules! families {
    ($($name:ident)*) => {
        $(#[test] fn $name() { family(stringify!($name)); })*
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

families! { codecs digest rtp sdp srtp stun }

#[test]
fn no_family_is_left_out() {
    for entry in
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")).expect("vectors")
    {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".c") {
            assert!(NAMES.contains(&stem), "{name} is not in tests/vectors_c.rs");
        }
    }
}
