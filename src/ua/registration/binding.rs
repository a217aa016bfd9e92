//! Our own binding in a registrar's 200, how long it holds, and what our Via came back with.

use core::net::{IpAddr, SocketAddr};

use crate::proto::sip::{Host, Message, Uri};
use crate::util::{Duration, Rng};

/// Shortest and longest time before the expiry at which a refresh is sent. The longest leaves room for
/// three transactions that time out (3 * 64 * T1 = 96 s).
const MARGIN_SECONDS: (u64, u64) = (5, 120);

/// Seconds granted to our contact: its own `expires`, else the Expires header, else what we asked for.
/// None when the contact isn't listed.
pub(super) fn granted(
    response: &Message,
    contact: &str,
    observed: Option<SocketAddr>,
    asked: u32,
) -> Option<u32> {
    let ours = Uri::parse(contact).ok()?;
    let listed = response.contacts();
    let own = listed
        .iter()
        .find(|c| c.uri.equivalent(&ours))
        .or_else(|| listed.iter().find(|c| same_place(&c.uri, &ours, observed)))?;
    let param = own.param("expires").map(|text| text.trim().trim_matches('"'));
    // RFC 3261 section 20.10: a malformed value means 3600.
    let param = param.map(|text| text.parse().unwrap_or(3600));
    Some(param.or(response.expires()).unwrap_or(asked))
}

/// The same user at the same address and port, or at the address that the registrar saw instead of
/// ours: registrars and their proxies add parameters, or write the contact of a client behind NAT anew.
fn same_place(listed: &Uri, ours: &Uri, observed: Option<SocketAddr>) -> bool {
    if listed.user != ours.user {
        return false;
    }
    let port = |uri: &Uri| uri.port.unwrap_or(5060);
    let at = |ip: IpAddr, port_number: u16| {
        matches!(listed.host, Host::Ip(listed_ip) if listed_ip == ip) && port(listed) == port_number
    };
    (listed.host == ours.host && port(listed) == port(ours)) || observed.is_some_and(|o| at(o.ip(), o.port()))
}

/// A tenth of the lifetime within bounds, plus up to half of it again so that a fleet of phones that
/// registered together doesn't refresh together; never more than half of the lifetime.
pub(super) fn refresh_margin(granted: u32, rng: &mut dyn Rng) -> Duration {
    let lifetime = Duration::from_secs(u64::from(granted));
    let (least, most) = MARGIN_SECONDS;
    let margin = (lifetime / 10).clamp(Duration::from_secs(least), Duration::from_secs(most));
    let jitter = rng.below(u64::try_from((margin / 2).as_nanos()).unwrap_or(u64::MAX));
    (margin + Duration::from_nanos(jitter)).min(lifetime / 2)
}

/// How long after a grant the first refresh of one account among many is sent: anywhere in the time until it is due,
/// so that all later ones are as evenly spread. Those that began together would otherwise come together for ever.
pub(super) fn first_refresh(granted: u32, rng: &mut dyn Rng) -> Duration {
    let due = Duration::from_secs(u64::from(granted)) - refresh_margin(granted, rng);
    let least = due / 10;
    least + Duration::from_nanos(rng.below(u64::try_from((due - least).as_nanos()).unwrap_or(u64::MAX)))
}

/// Our address as the peer saw it: `received` (or the sent-by, if that is an address) and `rport` of
/// the top Via of its response (RFC 3581). None without a filled rport.
pub fn observed_in(response: &Message) -> Option<SocketAddr> {
    let via = response.top_via().ok()?;
    let port: u16 = via.param("rport")?.parse().ok()?;
    let ip: Option<IpAddr> = match via.param("received") {
        Some(text) => text.trim_matches(['[', ']']).parse().ok(),
        None => match via.host {
            Host::Ip(ip) => Some(ip),
            Host::Name(_) => None,
        },
    };
    Some(SocketAddr::new(ip?, port))
}
