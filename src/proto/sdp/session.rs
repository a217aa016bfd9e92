//! A session description (RFC 8866): its parts, look-ups in it, and how it is written.

use core::fmt::Write as _;
use core::net::IpAddr;

use crate::proto::sip::ParseError;
use crate::util::ShortText;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
    pub const fn new(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
    /// The same stream seen from the other side.
    pub const fn reversed(self) -> Direction {
        Direction::new(self.receives(), self.sends())
    }
    /// The name of the attribute: `sendrecv`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
    /// From the name of an attribute, without case.
    pub fn from_name(name: &str) -> Option<Direction> {
        const ALL: [Direction; 4] =
            [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        ALL.into_iter().find(|d| d.as_str().eq_ignore_ascii_case(name))
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    pub username: ShortText,
    pub session_id: ShortText,
    pub version: u64,
    /// `IP4` of `IN IP4 192.0.2.1`; another network type stands before it (`TN RFC2543`).
    pub address_type: ShortText,
    /// The address as written.
    pub address: ShortText,
}

impl Default for Origin {
    fn default() -> Origin {
        Origin {
            username: "-".into(),
            session_id: "0".into(),
            version: 0,
            address_type: "IP4".into(),
            address: "0.0.0.0".into(),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// As written, with ttl and count if any.
    pub address: ShortText,
    /// `IP4`, `IP6`; another network type than `IN` stands before it.
    pub address_type: ShortText,
}

impl Connection {
    pub fn new(ip: IpAddr) -> Connection {
        Connection { address: ip.to_string().into(), address_type: address_type(ip).into() }
    }
    /// The address as a number; None for a host name and for other networks.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.split('/').next()?.parse().ok()
    }
    /// `0.0.0.0` or `::`: the old way of holding (RFC 3264 section 8.4).
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }
}

/// `IP4` or `IP6`.
pub fn address_type(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attribute {
    pub name: ShortText,
    pub value: Option<ShortText>,
}

impl Attribute {
    pub fn flag(name: &str) -> Attribute {
        Attribute { name: name.into(), value: None }
    }
    pub fn new(name: &str, value: &str) -> Attribute {
        Attribute { name: name.into(), value: Some(value.into()) }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// `audio`
    pub kind: ShortText,
    pub port: u16,
    /// The count after `/`, 1 as a rule.
    pub port_count: u16,
    /// `RTP/AVP`
    pub protocol: ShortText,
    pub formats: Vec<ShortText>,
    pub connection: Option<Connection>,
    pub attributes: Vec<Attribute>,
    /// Lines `i=`, `b=`, `k=`, further `c=` and unknown ones, whole, as they came.
    pub other_lines: Vec<ShortText>,
}

impl Media {
    pub fn is_audio(&self) -> bool {
        self.kind.eq_ignore_ascii_case("audio")
    }
    /// The value of the first attribute of that name; `""` for a flag.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        values_of(&self.attributes, name).next()
    }
    /// The values of all attributes of that name.
    pub fn attribute_values<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        values_of(&self.attributes, name)
    }
    /// The same stream refused: port 0, formats and transport as they were (RFC 3264 section 6).
    pub fn refused(&self) -> Media {
        Media {
            port: 0,
            port_count: 1,
            connection: None,
            attributes: Vec::new(),
            other_lines: Vec::new(),
            ..self.clone()
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionDescription {
    pub origin: Origin,
    pub name: ShortText,
    pub connection: Option<Connection>,
    /// Values of `t=` lines; a repeat line stands behind its time as `r=…`.
    pub times: Vec<ShortText>,
    pub attributes: Vec<Attribute>,
    pub media: Vec<Media>,
    /// Other lines of the session part, whole, as they came.
    pub other_lines: Vec<ShortText>,
}

impl SessionDescription {
    /// Bounds and liberties: see [`super::parse`].
    pub fn parse(bytes: &[u8]) -> Result<SessionDescription, ParseError> {
        super::parse::parse(bytes)
    }

    /// The direction of a stream: its own attribute, else the session's, else sendrecv.
    pub fn direction(&self, media: usize) -> Direction {
        let own = self.media.get(media).and_then(|m| direction_in(&m.attributes));
        own.or_else(|| direction_in(&self.attributes)).unwrap_or_default()
    }

    /// The `c=` line that holds for a stream: its own, else the session's.
    pub fn connection_of(&self, media: usize) -> Option<&Connection> {
        self.media.get(media)?.connection.as_ref().or(self.connection.as_ref())
    }

    /// The value of the first session attribute of that name; `""` for a flag.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        values_of(&self.attributes, name).next()
    }

    /// Everything but the version of the `o=` line is the same.
    pub fn same_content(&self, other: &SessionDescription) -> bool {
        let Origin { username, session_id, version: _, address_type, address } = &self.origin;
        let o = &other.origin;
        (username, session_id, address_type, address)
            == (&o.username, &o.session_id, &o.address_type, &o.address)
            && (&self.name, &self.connection, &self.times) == (&other.name, &other.connection, &other.times)
            && (&self.attributes, &self.media, &self.other_lines)
                == (&other.attributes, &other.media, &other.other_lines)
    }

    /// Gives this description the version that is due after `previous` of the same session: the same
    /// one when nothing changed, otherwise one more (RFC 3264 section 8).
    pub fn follow_version(&mut self, previous: &SessionDescription) {
        let step = u64::from(!self.same_content(previous));
        self.origin.version = previous.origin.version.wrapping_add(step);
    }

    /// The text with CRLF line ends, in the order of RFC 8866 section 5. CR, LF and NUL inside a
    /// value are left out, so that a value can't become a line; [`Self::check`] refuses them.
    pub fn write(&self) -> String {
        let mut out = String::with_capacity(512);
        line(&mut out, 'v', &["0"]);
        write_origin(&mut out, &self.origin);
        line(&mut out, 's', &[if self.name.is_empty() { "-" } else { &self.name }]);
        write_others(&mut out, &self.other_lines, "iuep");
        write_connection(&mut out, self.connection.as_ref());
        write_others(&mut out, &self.other_lines, "cb");
        self.write_times(&mut out);
        write_others(&mut out, &self.other_lines, "zk");
        write_unknown(&mut out, &self.other_lines, "iuepcbzk");
        write_attributes(&mut out, &self.attributes);
        for media in &self.media {
            write_media(&mut out, media);
        }
        out
    }

    fn write_times(&self, out: &mut String) {
        if self.times.is_empty() {
            line(out, 't', &["0 0"]);
        }
        for time in &self.times {
            match time.strip_prefix("r=") {
                Some(repeat) => line(out, 'r', &[repeat]),
                None => line(out, 't', &[time]),
            }
        }
    }

    /// Refuses values with CR, LF or NUL; the error's offset is the place in the offending value.
    pub fn check(&self) -> Result<(), ParseError> {
        let session = [&self.name, &self.origin.username, &self.origin.session_id]
            .into_iter()
            .chain([&self.origin.address, &self.origin.address_type])
            .chain(&self.times)
            .chain(&self.other_lines);
        let media = self
            .media
            .iter()
            .flat_map(|m| [&m.kind, &m.protocol].into_iter().chain(&m.formats).chain(&m.other_lines));
        let connections = self.media.iter().map(|m| &m.connection).chain([&self.connection]).flatten();
        let attributes = self.media.iter().flat_map(|m| &m.attributes).chain(&self.attributes);
        session.chain(media).try_for_each(|text| check_text(text))?;
        for connection in connections {
            check_text(&connection.address)?;
            check_text(&connection.address_type)?;
        }
        for attribute in attributes {
            check_text(&attribute.name)?;
            check_text(attribute.value.as_deref().unwrap_or(""))?;
        }
        Ok(())
    }
}

fn values_of<'a, 'n>(
    attributes: &'a [Attribute],
    name: &'n str,
) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
    attributes
        .iter()
        .filter(move |a| a.name.eq_ignore_ascii_case(name))
        .map(|a| a.value.as_deref().unwrap_or(""))
}

fn direction_in(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|a| Direction::from_name(&a.name))
}

fn check_text(text: &str) -> Result<(), ParseError> {
    match text.find(['\r', '\n', '\0']) {
        Some(offset) => Err(ParseError { offset, expected: "a value without cr, lf or nul" }),
        None => Ok(()),
    }
}

fn line(out: &mut String, letter: char, parts: &[&str]) {
    out.push(letter);
    out.push('=');
    for part in parts {
        out.extend(part.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')));
    }
    out.push_str("\r\n");
}

/// `IN` before an address type that names no network of its own.
fn network(address_type: &str) -> &'static str {
    if address_type.contains(' ') {
        ""
    } else {
        "IN "
    }
}

fn write_origin(out: &mut String, o: &Origin) {
    let version = o.version.to_string();
    let network = network(&o.address_type);
    let parts = [&o.username, " ", &o.session_id, " ", &version, " ", network, &o.address_type];
    line(out, 'o', &[&parts.concat(), " ", &o.address]);
}

fn write_connection(out: &mut String, connection: Option<&Connection>) {
    if let Some(c) = connection {
        line(out, 'c', &[network(&c.address_type), &c.address_type, " ", &c.address]);
    }
}

/// Lines of the given letters, in the order of the letters.
fn write_others(out: &mut String, lines: &[ShortText], letters: &str) {
    for letter in letters.chars() {
        for text in lines.iter().filter(|l| l.starts_with(letter)) {
            raw(out, text);
        }
    }
}

fn write_unknown(out: &mut String, lines: &[ShortText], known: &str) {
    for text in lines.iter().filter(|l| !l.starts_with(|c| known.contains(c))) {
        raw(out, text);
    }
}

fn raw(out: &mut String, text: &str) {
    if let Some((letter, value)) = text.split_once('=') {
        if let (Some(letter), 1) = (letter.chars().next(), letter.chars().count()) {
            line(out, letter, &[value]);
        }
    }
}

fn write_attributes(out: &mut String, attributes: &[Attribute]) {
    for attribute in attributes {
        match &attribute.value {
            Some(value) => line(out, 'a', &[&attribute.name, ":", value]),
            None => line(out, 'a', &[&attribute.name]),
        }
    }
}

fn write_media(out: &mut String, media: &Media) {
    let mut port = media.port.to_string();
    if media.port_count != 1 {
        let _ = write!(port, "/{}", media.port_count);
    }
    let mut formats = String::new();
    for format in &media.formats {
        formats.push(' ');
        formats.push_str(format);
    }
    line(out, 'm', &[&media.kind, " ", &port, " ", &media.protocol, &formats]);
    write_others(out, &media.other_lines, "i");
    write_connection(out, media.connection.as_ref());
    write_others(out, &media.other_lines, "cbk");
    write_unknown(out, &media.other_lines, "icbk");
    write_attributes(out, &media.attributes);
}
