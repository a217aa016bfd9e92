//! The layers of the design, held against the source: imports go downwards only, and the layers without I/O have none.

use std::fs;
use std::path::{Path, PathBuf};

/// What each layer may name, beside itself. `ffi` sees proto and media only for the stand-alone tools; both `ffi` and
/// `engine` name `ua`'s vocabulary (states, causes, ids), which is what they carry.
const MAY_USE: &[(&str, &[&str])] = &[
    ("util", &[]),
    ("proto", &["util"]),
    ("media", &["util", "proto"]),
    ("ua", &["util", "proto"]),
    ("engine", &["util", "proto", "media", "ua"]),
    ("ffi", &["util", "proto", "media", "ua", "engine"]),
];

/// Words that mean a clock, a socket, a thread, a file or randomness of one's own.
const IMPURE: &[&str] = &[
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::thread",
    "std::fs",
    "Instant::now",
    "SystemTime::now",
    "thread::sleep",
    "rand::",
    "libc::",
    "mio::",
];

struct Source {
    layer: String,
    path: PathBuf,
    code: String,
}

#[test]
fn imports_go_down_the_layers_only() {
    let sources = sources();
    let mut edges = 0;
    let mut wrong = Vec::new();
    for source in &sources {
        let Some((_, allowed)) = MAY_USE.iter().find(|(layer, _)| *layer == source.layer) else {
            wrong.push(format!("{}: the layer {} is not in the table", source.path.display(), source.layer));
            continue;
        };
        for used in crate_edges(&source.code) {
            edges += 1;
            if used != source.layer && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {} uses {used}", source.path.display(), source.layer));
            }
        }
    }
    assert!(edges > 20, "only {edges} edges found: the reader is broken");
    assert!(wrong.is_empty(), "upward imports:\n{}", wrong.join("\n"));
}

#[test]
fn media_sees_only_rtp_of_the_protocols() {
    for source in sources().iter().filter(|s| s.layer == "media") {
        for wrong in ["crate::proto::sip", "crate::proto::{"] {
            assert!(!source.code.contains(wrong), "{}: {wrong}", source.path.display());
        }
    }
}

#[test]
fn layers_without_io_have_no_clock_socket_thread_file_or_randomness() {
    let pure = ["util", "proto", "media", "ua"];
    let sources = sources();
    let looked_at = sources.iter().filter(|s| pure.contains(&s.layer.as_str()));
    let mut count = 0;
    for source in looked_at {
        count += 1;
        for word in IMPURE {
            assert!(
                !has_word(&source.code, word),
                "{}: {word} in a layer without I/O",
                source.path.display()
            );
        }
    }
    assert!(count > 10, "only {count} files looked at");
}

/// `word` not preceded by a letter (`rand::` is not found in `operand::`).
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// The first module of every `crate::…` path, also inside `crate::{a, b::c}`.
fn crate_edges(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(first_name(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => found.push(first_name(&std::mem::take(&mut item))),
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 0 => item.push(c),
                _ => {}
            }
        }
        found.push(first_name(&item));
    }
    found.retain(|name| MAY_USE.iter().any(|(layer, _)| layer == name));
    found
}

fn first_name(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Every file of src below a layer, without comments and without its tests at the end.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let mut sources = Vec::new();
    for path in files {
        let inside = path.strip_prefix(&root).expect("below src");
        let Some(layer) = inside.iter().next().and_then(|s| s.to_str()) else { continue };
        if inside.components().count() < 2 || is_test_file(inside) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable source file");
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or("");
        let code = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        sources.push(Source { layer: layer.to_string(), path: path.clone(), code });
    }
    sources
}

fn is_test_file(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
        || path
            .file_stem()
            .and_then(|s| s.to_str())
            .is_some_and(|s| s.ends_with("_tests") || s.ends_with("_test"))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}
