//! What the vector tests share: where the shared vectors are, and a reader for their JSON lines.
#![allow(dead_code)]

use std::path::PathBuf;

/// The shared vectors, if this checkout has them beside it (or `LIBVOIP_VECTORS` names them).
pub fn vectors() -> Option<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let places = [
        std::env::var_os("LIBVOIP_VECTORS").map(PathBuf::from),
        Some(manifest.join("../shared/vectors")),
        Some(manifest.join("../../shared/vectors")),
    ];
    places.into_iter().flatten().find(|place| place.is_dir())
}

/// A folder of this repository's own test data.
pub fn data(family: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(family)
}

/// The rows of `cases.jsonl` in a folder.
pub fn cases(folder: &std::path::Path) -> Vec<Json> {
    let text = std::fs::read_to_string(folder.join("cases.jsonl")).expect("cases.jsonl");
    text.lines().filter(|line| !line.trim().is_empty()).map(Json::parse).collect()
}

/// A JSON value; numbers as f64, which is enough for sizes.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn parse(text: &str) -> Json {
        let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
        let value = reader.value();
        reader.space();
        assert_eq!(reader.at, text.len(), "text behind the JSON value");
        value
    }
    /// The member of that name; `Null` when there is none.
    pub fn get(&self, name: &str) -> &Json {
        match self {
            Json::Object(members) => {
                members.iter().find(|(n, _)| n == name).map_or(&Json::Null, |(_, value)| value)
            }
            _ => &Json::Null,
        }
    }
    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }
    pub fn number(&self) -> Option<f64> {
        match self {
            Json::Number(number) => Some(*number),
            _ => None,
        }
    }
    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => &[],
        }
    }
    /// The bytes of the case's first file.
    pub fn file(&self, folder: &std::path::Path) -> Vec<u8> {
        let path = self.get("files").list()[0].get("path").text().expect("a path").to_owned();
        std::fs::read(folder.join(&path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
    pub fn id(&self) -> &str {
        self.get("id").text().unwrap_or("?")
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }
    fn take(&mut self, literal: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(literal.as_bytes());
        self.at += if found { literal.len() } else { 0 };
        found
    }
    fn value(&mut self) -> Json {
        self.space();
        let first = self.bytes[self.at];
        match first {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => Json::Text(self.string()),
            _ if self.take("null") => Json::Null,
            _ if self.take("true") => Json::Bool(true),
            _ if self.take("false") => Json::Bool(false),
            _ => {
                let start = self.at;
                while self.bytes.get(self.at).is_some_and(|b| b"+-.eE0123456789".contains(b)) {
                    self.at += 1;
                }
                let text = std::str::from_utf8(&self.bytes[start..self.at]).expect("a number");
                Json::Number(text.parse().expect("a number"))
            }
        }
    }
    fn object(&mut self) -> Json {
        let mut members = Vec::new();
        self.at += 1;
        loop {
            self.space();
            if self.take("}") {
                return Json::Object(members);
            }
            let name = self.string();
            self.space();
            assert!(self.take(":"), "a colon at {}", self.at);
            members.push((name, self.value()));
            self.space();
            self.take(",");
        }
    }
    fn array(&mut self) -> Json {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.space();
            if self.take("]") {
                return Json::List(items);
            }
            items.push(self.value());
            self.space();
            self.take(",");
        }
    }
    fn hex(&mut self) -> u16 {
        let text = std::str::from_utf8(&self.bytes[self.at..self.at + 4]).expect("hex digits");
        self.at += 4;
        u16::from_str_radix(text, 16).expect("hex digits")
    }
    fn string(&mut self) -> String {
        assert!(self.take("\""), "a string at {}", self.at);
        let mut out: Vec<u8> = Vec::new();
        loop {
            let b = self.bytes[self.at];
            self.at += 1;
            match b {
                b'"' => return String::from_utf8(out).expect("UTF-8"),
                b'\\' => out.extend_from_slice(self.escape().encode_utf8(&mut [0; 4]).as_bytes()),
                b => out.push(b),
            }
        }
    }
    fn escape(&mut self) -> char {
        let b = self.bytes[self.at];
        self.at += 1;
        match b {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let mut units = vec![self.hex()];
                if (0xd800..0xdc00).contains(&units[0]) && self.take("\\u") {
                    units.push(self.hex());
                }
                char::decode_utf16(units).next().and_then(Result::ok).unwrap_or('\u{fffd}')
            }
            b => char::from(b),
        }
    }
}
