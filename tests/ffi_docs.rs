//! Every exported function says who may call it, and what each argument is.

use std::path::Path;

struct Exported {
    file: String,
    name: String,
    docs: Vec<String>,
    parameters: Vec<String>,
}

/// Every `#[no_mangle]` function of `src/ffi` with the documentation above it.
fn exported() -> Vec<Exported> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi");
    let mut found = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir(dir).expect("src/ffi").map(|e| e.expect("entry").path()).collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a source");
        let lines: Vec<&str> = text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.trim() == "#[no_mangle]") {
            let above = lines[..at].iter().rev().take_while(|line| line.starts_with("///"));
            let mut docs: Vec<String> = above.map(|line| line[3..].trim().to_owned()).collect();
            docs.reverse();
            let signature: String =
                lines[at + 1..].iter().take_while(|l| !l.starts_with("    guard")).copied().collect();
            let inside = signature.split_once('(').expect("parameters").1;
            let inside = inside.split(") ->").next().expect("parameters");
            let name = signature.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).expect("a name");
            found.push(Exported {
                file: path.file_name().expect("a name").to_string_lossy().into_owned(),
                name: name.to_owned(),
                docs,
                parameters: parameters(inside),
            });
        }
    }
    found
}

fn parameters(inside: &str) -> Vec<String> {
    let names =
        inside.split(',').filter_map(|part| part.split_once(':').map(|(name, _)| name.trim().to_owned()));
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_exported_function_has_the_lines_about_its_use() {
    let all = exported();
    assert!(all.len() > 120, "only {} functions found", all.len());
    for function in &all {
        let at = format!("{}: {}", function.file, function.name);
        for label in ["Thread:", "Callback:", "Blocks:", "Errors:", "Since:"] {
            let lines = function.docs.iter().filter(|line| line.starts_with(label)).count();
            assert_eq!(lines, 1, "{at} has {lines} lines `{label}`");
        }
        let first = function.docs.first().map_or("", String::as_str);
        assert!(
            first.len() > 10 && first.starts_with(char::is_uppercase),
            "{at} begins with no sentence: {first}"
        );
    }
}

#[test]
fn every_argument_but_the_handle_is_described() {
    const HANDLES: &[&str] = &[
        "config", "phone", "account", "call", "message", "sdp", "srtp", "builder", "codec", "buffer", "wav",
        "session", "mux", "group", "detector",
    ];
    let mut missing = Vec::new();
    for function in exported() {
        let text = function.docs.join("\n");
        if text.contains("Arguments as") {
            continue;
        }
        let described: Vec<&str> = text
            .split("@param ")
            .skip(1)
            .flat_map(|rest| rest.split_whitespace().next().unwrap_or("").split(','))
            .collect();
        for (at, name) in function.parameters.iter().enumerate() {
            let handle = at == 0 && HANDLES.contains(&name.as_str());
            if !handle && !described.contains(&name.as_str()) {
                missing.push(format!("{}: {} does not describe {name}", function.file, function.name));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_function_that_refuses_callbacks_says_so_and_names_the_error() {
    for function in exported() {
        let line = |label: &str| {
            let found = function.docs.iter().position(|line| line.starts_with(label)).unwrap_or(0);
            let rest = function.docs[found + 1..]
                .iter()
                .take_while(|line| !line.contains(": ") || line.starts_with("  "));
            std::iter::once(&function.docs[found]).chain(rest).cloned().collect::<Vec<_>>().join(" ")
        };
        if line("Callback:").starts_with("Callback: no") {
            assert!(line("Errors:").contains("IN_CALLBACK"), "{} lacks VOIP_ERR_IN_CALLBACK", function.name);
        }
    }
}
