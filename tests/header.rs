//! The committed header is the one that the sources make.

use std::path::Path;

fn committed(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_committed_header_is_what_the_sources_make() {
    let made = std::fs::read_to_string(env!("VOIP_MADE_HEADER")).expect("the made header can be read");
    let header = committed("include/voip.h");
    let differs = made.lines().zip(header.lines()).enumerate().find(|(_, (a, b))| a != b);
    if let Some((number, (made, committed))) = differs {
        panic!(
            "include/voip.h has drifted, line {}:\n  sources: {made}\n  header:  {committed}\n\
             run VOIP_UPDATE_HEADER=1 cargo build",
            number + 1
        );
    }
    assert_eq!(made.len(), header.len(), "include/voip.h has drifted: run VOIP_UPDATE_HEADER=1 cargo build");
}

#[test]
fn the_header_defines_only_its_guard_and_the_initial_values() {
    for line in committed("include/voip.h").lines().filter(|line| line.starts_with("#define")) {
        let name = line.split_whitespace().nth(1).expect("a name");
        let name = name.split('(').next().unwrap_or(name);
        assert!(name == "VOIP_H" || (name.starts_with("VOIP_") && name.ends_with("_INIT")), "{line}");
    }
}

#[test]
fn every_struct_that_the_host_fills_has_its_initial_value() {
    let header = committed("include/voip.h");
    let mut seen = 0;
    for line in header.lines().filter(|line| line.trim_start().starts_with("* sizeof(")) {
        let name = line.split(['(', ')']).nth(1).expect("a name");
        let init = format!("#define {}_INIT", name.to_uppercase());
        assert_eq!(header.matches(&init).count(), 2, "{name}: one {init} for C and one for C++");
        seen += 1;
    }
    assert!(seen >= 7, "only {seen} structs found");
}

#[test]
fn every_public_enum_is_in_the_header() {
    let (types, header) = (committed("src/ffi/types.rs"), committed("include/voip.h"));
    let names = types.lines().filter_map(|line| line.strip_prefix("pub enum ")?.split_whitespace().next());
    let mut seen = 0;
    for name in names {
        assert!(header.contains(&format!("enum {name}\n")), "{name}: add it to `export` in cbindgen.toml");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} enums found");
}
