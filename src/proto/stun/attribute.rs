//! Attributes: their types by name, and the values that have a structure (RFC 8489 section 14).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::message::{u16_at, TransactionId};
use super::MAGIC_COOKIE;

/// Type of an attribute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttributeType(pub u16);

macro_rules! attribute_types {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl AttributeType {
            $(pub const $name: AttributeType = AttributeType($value);)*
            /// All types that have a name here.
            pub const NAMED: &'static [AttributeType] = &[$(AttributeType($value)),*];

            /// The registered name: `XOR-MAPPED-ADDRESS`.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

attribute_types! {
    // RFC 8489.
    MAPPED_ADDRESS = 0x0001, "MAPPED-ADDRESS";
    USERNAME = 0x0006, "USERNAME";
    MESSAGE_INTEGRITY = 0x0008, "MESSAGE-INTEGRITY";
    ERROR_CODE = 0x0009, "ERROR-CODE";
    UNKNOWN_ATTRIBUTES = 0x000a, "UNKNOWN-ATTRIBUTES";
    REALM = 0x0014, "REALM";
    NONCE = 0x0015, "NONCE";
    MESSAGE_INTEGRITY_SHA256 = 0x001c, "MESSAGE-INTEGRITY-SHA256";
    PASSWORD_ALGORITHM = 0x001d, "PASSWORD-ALGORITHM";
    USERHASH = 0x001e, "USERHASH";
    XOR_MAPPED_ADDRESS = 0x0020, "XOR-MAPPED-ADDRESS";
    PASSWORD_ALGORITHMS = 0x8002, "PASSWORD-ALGORITHMS";
    ALTERNATE_DOMAIN = 0x8003, "ALTERNATE-DOMAIN";
    SOFTWARE = 0x8022, "SOFTWARE";
    ALTERNATE_SERVER = 0x8023, "ALTERNATE-SERVER";
    FINGERPRINT = 0x8028, "FINGERPRINT";
    // RFC 5780.
    CHANGE_REQUEST = 0x0003, "CHANGE-REQUEST";
    PADDING = 0x0026, "PADDING";
    RESPONSE_PORT = 0x0027, "RESPONSE-PORT";
    RESPONSE_ORIGIN = 0x802b, "RESPONSE-ORIGIN";
    OTHER_ADDRESS = 0x802c, "OTHER-ADDRESS";
    // RFC 8445.
    PRIORITY = 0x0024, "PRIORITY";
    USE_CANDIDATE = 0x0025, "USE-CANDIDATE";
    ICE_CONTROLLED = 0x8029, "ICE-CONTROLLED";
    ICE_CONTROLLING = 0x802a, "ICE-CONTROLLING";
    // RFC 8656.
    CHANNEL_NUMBER = 0x000c, "CHANNEL-NUMBER";
    LIFETIME = 0x000d, "LIFETIME";
    XOR_PEER_ADDRESS = 0x0012, "XOR-PEER-ADDRESS";
    DATA = 0x0013, "DATA";
    XOR_RELAYED_ADDRESS = 0x0016, "XOR-RELAYED-ADDRESS";
    REQUESTED_ADDRESS_FAMILY = 0x0017, "REQUESTED-ADDRESS-FAMILY";
    EVEN_PORT = 0x0018, "EVEN-PORT";
    REQUESTED_TRANSPORT = 0x0019, "REQUESTED-TRANSPORT";
    DONT_FRAGMENT = 0x001a, "DONT-FRAGMENT";
    RESERVATION_TOKEN = 0x0022, "RESERVATION-TOKEN";
    ADDITIONAL_ADDRESS_FAMILY = 0x8000, "ADDITIONAL-ADDRESS-FAMILY";
    ADDRESS_ERROR_CODE = 0x8001, "ADDRESS-ERROR-CODE";
    ICMP = 0x8004, "ICMP";
}

impl AttributeType {
    /// Comprehension-required: an agent that doesn't know it must not go on (section 14).
    pub const fn must_be_understood(self) -> bool {
        self.0 < 0x8000
    }
}

/// ERROR-CODE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// Empty when it isn't UTF-8.
    pub reason: &'a str,
}

impl<'a> ErrorCode<'a> {
    pub fn decode(value: &'a [u8]) -> Option<ErrorCode<'a>> {
        let [_, _, class, number, reason @ ..] = value else { return None };
        let class = u16::from(class & 7);
        if !(3..=6).contains(&class) || *number > 99 {
            return None;
        }
        let code = class * 100 + u16::from(*number);
        Some(ErrorCode { code, reason: core::str::from_utf8(reason).unwrap_or("") })
    }

    /// Class and number as they stand on the wire; None outside of 300 to 699.
    pub fn encode(code: u16) -> Option<[u8; 4]> {
        let class = u8::try_from(code / 100).ok().filter(|class| (3..=6).contains(class))?;
        Some([0, 0, class, u8::try_from(code % 100).ok()?])
    }
}

/// What a password is turned into a key with (RFC 8489 section 18.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PasswordAlgorithm {
    Md5,
    Sha256,
}

impl PasswordAlgorithm {
    pub const fn number(self) -> u16 {
        match self {
            PasswordAlgorithm::Md5 => 1,
            PasswordAlgorithm::Sha256 => 2,
        }
    }
    /// The algorithms of a PASSWORD-ALGORITHMS or PASSWORD-ALGORITHM value that are known here.
    pub fn decode_list(mut value: &[u8]) -> impl Iterator<Item = PasswordAlgorithm> + '_ {
        core::iter::from_fn(move || {
            let number = u16_at(value, 0)?;
            let parameters = usize::from(u16_at(value, 2)?);
            value = value.get(4 + super::message::padded(parameters)..).unwrap_or(&[]);
            Some(number)
        })
        .filter_map(|number| match number {
            1 => Some(PasswordAlgorithm::Md5),
            2 => Some(PasswordAlgorithm::Sha256),
            _ => None,
        })
    }
}

pub(super) fn decode_address(value: &[u8]) -> Option<SocketAddr> {
    let [_, family, p1, p2, address @ ..] = value else { return None };
    let ip = match family {
        1 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?)),
        2 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([*p1, *p2])))
}

/// The value of an address attribute and how many bytes of it count.
pub(super) fn encode_address(address: SocketAddr) -> ([u8; 20], usize) {
    let mut value = [0; 20];
    let (family, length) = match address.ip() {
        IpAddr::V4(ip) => {
            value[4..8].copy_from_slice(&ip.octets());
            (1, 8)
        }
        IpAddr::V6(ip) => {
            value[4..20].copy_from_slice(&ip.octets());
            (2, 20)
        }
    };
    value[1] = family;
    value[2..4].copy_from_slice(&address.port().to_be_bytes());
    (value, length)
}

/// Obfuscates or clears an address: it is its own inverse (section 14.2).
pub(super) fn xor_address(address: SocketAddr, id: &TransactionId) -> SocketAddr {
    let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from(u32::from(ip) ^ MAGIC_COOKIE)),
        IpAddr::V6(ip) => {
            let mut mask = [0; 16];
            mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            mask[4..].copy_from_slice(&id.0);
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) ^ u128::from_be_bytes(mask)))
        }
    };
    SocketAddr::new(ip, port)
}
