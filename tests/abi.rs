//! What the shared object exports, and what its dynamic section promises.

mod shared_object;

use std::collections::BTreeSet;
use std::path::Path;

fn committed_symbols() -> BTreeSet<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi/symbols.txt");
    let text = std::fs::read_to_string(list).expect("tests/abi/symbols.txt");
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn exported_symbols() -> BTreeSet<String> {
    let text = shared_object::output("nm", &["-D", "--defined-only"]);
    text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

#[test]
fn the_shared_object_exports_exactly_the_committed_symbols() {
    let (now, then) = (exported_symbols(), committed_symbols());
    let new: Vec<_> = now.difference(&then).collect();
    let gone: Vec<_> = then.difference(&now).collect();
    assert!(new.is_empty() && gone.is_empty(), "new: {new:?}, gone: {gone:?}");
    assert!(now.iter().all(|name| name.starts_with("voip_")));
}

#[test]
fn the_header_declares_exactly_the_committed_symbols() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/voip.h");
    let header = std::fs::read_to_string(header).expect("include/voip.h");
    let mut declared = BTreeSet::new();
    for line in header.lines().filter(|line| !line.starts_with([' ', '*', '/', '#'])) {
        let Some((before, _)) = line.split_once('(') else { continue };
        let name = before.rsplit([' ', '*']).next().unwrap_or("");
        if name.starts_with("voip_") && !line.starts_with("typedef") && !line.starts_with("template") {
            declared.insert(name.to_owned());
        }
    }
    assert_eq!(declared, committed_symbols());
}

#[test]
fn the_dynamic_section_keeps_its_promises() {
    let dynamic = shared_object::output("readelf", &["-dW"]);
    assert!(dynamic.contains("[libvoip.so.0]"), "SONAME:\n{dynamic}");
    assert!(dynamic.contains("BIND_NOW") || dynamic.contains("Flags: NOW"), "bound at start:\n{dynamic}");
    assert!(dynamic.contains("NODELETE"), "stays loaded:\n{dynamic}");
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let known = ["[libc.so.", "[libm.so.", "[libgcc_s.so.", "[ld-linux"];
        assert!(known.iter().any(|name| line.contains(name)), "{line}");
    }
}

#[test]
fn relocations_are_read_only_and_the_stack_is_not_executable() {
    let headers = shared_object::output("readelf", &["-lW"]);
    assert!(headers.contains("GNU_RELRO"), "{headers}");
    let stack = headers.lines().find(|line| line.contains("GNU_STACK")).expect("a GNU_STACK header");
    assert!(!stack.contains("RWE"), "{stack}");
}
