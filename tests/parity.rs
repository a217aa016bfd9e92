//! The pages that say where things are, held against the header and the tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every run of letters that C takes for a name.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The part of a table's row that says where it went.
fn answers(page: &str) -> impl Iterator<Item = &str> {
    page.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| there"))
        .map(|line| line.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default())
}

#[test]
fn every_name_of_the_parity_page_is_in_the_header() {
    let (page, header) = (read("docs/parity.md"), read("include/voip.h"));
    let known = names(&header);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for answer in answers(&page) {
        let mut before = "";
        for name in
            quoted(answer).flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        {
            let own = name.starts_with("voip_") || name.starts_with("VOIP_") || name.starts_with("on_");
            // `_suffix` stands for a name like the one before it with another end.
            let short = name.starts_with('_') && before.starts_with("voip_");
            seen += usize::from(own || short);
            let parts: Vec<&str> = before.split('_').collect();
            let shortened = |n: usize| known.contains(format!("{}{name}", parts[..n].join("_")).as_str());
            if own && !known.contains(name) || short && !(2..=parts.len()).any(shortened) {
                wrong.push(format!("{name} (behind {before})"));
            }
            if own {
                before = name;
            }
        }
    }
    assert!(seen > 150, "only {seen} names found: the reader is broken");
    assert!(wrong.is_empty(), "not in voip.h:\n{}", wrong.join("\n"));
}

fn sources(dir: PathBuf, out: &mut String) {
    for entry in fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            sources(entry, out);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            out.push_str(&fs::read_to_string(entry).expect("a source"));
        }
    }
}

#[test]
fn each_of_the_28_defects_names_tests_that_exist() {
    let page = read("docs/defects.md");
    let mut code = String::new();
    for dir in ["tests", "src"] {
        sources(Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut code);
    }
    for number in 1..=28 {
        let row = page.lines().find(|line| line.starts_with(&format!("| {number} |")));
        let row = row.unwrap_or_else(|| panic!("defect {number} has no row"));
        let tests: Vec<&str> =
            quoted(row).filter(|t| t.starts_with("defect_") || t.starts_with("seed_")).collect();
        assert!(!tests.is_empty(), "defect {number} names no test");
        for test in tests {
            assert!(code.contains(&format!("fn {test}(")), "defect {number}: no test is called {test}");
        }
    }
}
