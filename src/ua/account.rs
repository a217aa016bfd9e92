//! The accounts: who we are, which registration each one keeps, which of them an incoming call is for.

use super::api::*;
use super::base::{Alarm, Asker, Base, Owner};
use super::hop::{transport_of, HAS_TLS};
use super::registration::{
    address_of_record, outbound_route, Hop, NoResponse, Pace, RegisterRequest, Registration,
    RegistrationAction,
};
use crate::proto::sip::{Host, Message, Peer, Transport, Uri};
use crate::util::{Duration, Time};
use core::net::SocketAddr;
use std::collections::{BTreeMap, HashMap};

/// How long the removal of a binding may take when an account is unregistered or removed.
const UNREGISTER_PATIENCE: Duration = Duration::from_secs(4);

pub(super) struct Account {
    pub config: AccountConfig,
    registration: Registration,
    /// The request that waits for the address of its hop.
    waiting: Option<(QueryId, RegisterRequest)>,
    /// Where the last request went.
    flow: Option<Peer>,
    /// The deadline that the heap holds.
    alarm: Option<Time>,
    removing: bool,
    /// Where the last request went.
    reached: Option<core::net::IpAddr>,
    /// Counted in `busy`.
    busy: bool,
}

/// All accounts, in the order of their ids.
#[derive(Default)]
pub(super) struct Accounts {
    by_id: BTreeMap<AccountId, Account>,
    /// User part of the AOR, for incoming calls.
    by_user: HashMap<Box<str>, Vec<AccountId>>,
    /// How many have business with their registrars.
    busy: usize,
    pace: Pace,
}

impl Accounts {
    pub fn get(&self, id: AccountId) -> Option<&Account> {
        self.by_id.get(&id)
    }
    pub fn len(&self) -> usize {
        self.by_id.len()
    }
    pub fn ids(&self) -> Vec<AccountId> {
        self.by_id.keys().copied().collect()
    }
    /// Does any account still have business with its registrar?
    pub fn are_quiet(&self) -> bool {
        self.busy == 0
    }

    pub fn add(&mut self, base: &mut Base, id: AccountId, config: AccountConfig) -> Result<(), UaError> {
        if self.by_id.contains_key(&id) {
            return Err(UaError::State);
        }
        if config.server.is_empty() || config.user.chars().chain(config.server.chars()).any(char::is_control)
        {
            return Err(UaError::Target);
        }
        match config.transport {
            Transport::Udp | Transport::Tcp => {}
            Transport::Tls if HAS_TLS => {}
            _ => return Err(UaError::NotSupported),
        }
        if !proxy_is_as_secure(&config) {
            return Err(UaError::NotSupported);
        }
        self.by_user.entry(config.user.as_str().into()).or_default().push(id);
        let registration = Registration::new(&config, base.rng.as_mut());
        let account = Account {
            config,
            registration,
            waiting: None,
            flow: None,
            alarm: None,
            removing: false,
            reached: None,
            busy: false,
        };
        self.by_id.insert(id, account);
        self.pace.set_accounts(self.by_id.len());
        Ok(())
    }
    fn forget(&mut self, base: &mut Base, id: AccountId) {
        let Some(account) = self.by_id.remove(&id) else { return };
        self.pace.set_accounts(self.by_id.len());
        self.busy -= usize::from(account.busy);
        if let Some((query, _)) = account.waiting {
            base.queries.remove(&query);
        }
        if let Some(ids) = self.by_user.get_mut(account.config.user.as_str()) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_user.remove(account.config.user.as_str());
            }
        }
    }

    /// The account that an incoming request is for: by the user of the Request-URI, then by the domain of To.
    pub fn for_request(&self, message: &Message) -> Option<AccountId> {
        if self.by_user.is_empty() {
            return None;
        }
        let ids = self.by_user.get(message.request_uri_ref().ok()?.user?)?;
        let domain = message.to().ok().map(|to| to.uri.host);
        let same = |id: &&AccountId| match (&domain, self.get(**id)) {
            (Some(Host::Name(name)), Some(a)) => name.eq_ignore_ascii_case(&a.config.server),
            (Some(Host::Ip(ip)), Some(a)) => a.config.server.trim_matches(['[', ']']).parse() == Ok(*ip),
            _ => false,
        };
        ids.iter().find(same).or_else(|| ids.first()).copied()
    }

    // Registration.

    pub fn register(&mut self, base: &mut Base, now: Time, id: AccountId) -> Result<(), UaError> {
        let account = self.by_id.get_mut(&id).ok_or(UaError::Unknown)?;
        if account.removing {
            return Err(UaError::State);
        }
        let contact = account.contact(base);
        account.registration.start(now, base.rng.as_mut(), &mut self.pace, &contact);
        self.settle(base, now, id);
        Ok(())
    }
    /// Contacts have changed: bindings that name another one are made anew.
    pub fn contacts_changed(&mut self, base: &mut Base, now: Time) {
        for id in self.ids() {
            let Some(account) = self.by_id.get_mut(&id) else { continue };
            let contact = account.contact(base);
            if !account.removing && account.registration.wants_contact(&contact) {
                account.registration.start(now, base.rng.as_mut(), &mut self.pace, &contact);
                self.settle(base, now, id);
            }
        }
    }
    pub fn unregister(&mut self, base: &mut Base, now: Time, id: AccountId) -> Result<(), UaError> {
        self.leave(base, now, id, now + UNREGISTER_PATIENCE)
    }
    pub fn remove(&mut self, base: &mut Base, now: Time, id: AccountId) -> Result<(), UaError> {
        let account = self.by_id.get_mut(&id).ok_or(UaError::Unknown)?;
        if account.removing {
            return Err(UaError::State);
        }
        account.removing = true;
        self.leave(base, now, id, now + UNREGISTER_PATIENCE)
    }
    pub fn leave(
        &mut self,
        base: &mut Base,
        now: Time,
        id: AccountId,
        deadline: Time,
    ) -> Result<(), UaError> {
        let account = self.by_id.get_mut(&id).ok_or(UaError::Unknown)?;
        account.registration.stop(now, base.rng.as_mut(), deadline);
        self.settle(base, now, id);
        Ok(())
    }

    pub fn on_response(&mut self, base: &mut Base, now: Time, id: AccountId, response: &Message) {
        let Some(account) = self.by_id.get_mut(&id) else { return };
        let before = account.registration.observed_address();
        account.registration.on_response(now, base.rng.as_mut(), response);
        let seen = account.registration.observed_address();
        let own = account.reached.and_then(|ip| base.local_towards(ip));
        if let (Some(address), Some(before)) = (seen, before.or(own)) {
            if address != before {
                base.event(Event::PublicAddress { account: id, address, before });
            }
        }
        self.settle(base, now, id);
    }
    pub fn on_no_response(&mut self, base: &mut Base, now: Time, id: AccountId, why: NoResponse) {
        let Some(account) = self.by_id.get_mut(&id) else { return };
        account.registration.on_no_response(now, base.rng.as_mut(), why);
        self.settle(base, now, id);
    }
    /// A connection is gone: what was registered through it is registered again (RFC 5626 section 4.4).
    pub fn on_connection_lost(&mut self, base: &mut Base, now: Time, peer: Peer) {
        let concerned = self.by_id.iter().filter(|(_, a)| a.flow == Some(peer)).map(|(id, _)| *id);
        for id in concerned.collect::<Vec<_>>() {
            if let Some(account) = self.by_id.get_mut(&id) {
                account.registration.on_flow_lost(now, base.rng.as_mut());
            }
            self.settle(base, now, id);
        }
    }
    /// Is a registration kept through that connection?
    pub fn uses(&self, peer: Peer) -> bool {
        self.by_id.values().any(|a| a.flow == Some(peer) && a.registration.next_deadline().is_some())
    }
    pub fn holds(&self, id: AccountId, at: Time) -> bool {
        self.get(id).is_some_and(|a| a.alarm == Some(at))
    }
    pub fn on_alarm(&mut self, base: &mut Base, now: Time, id: AccountId) {
        let Some(account) = self.by_id.get_mut(&id) else { return };
        account.alarm = None;
        account.registration.on_deadline(now, base.rng.as_mut(), &mut self.pace);
        self.settle(base, now, id);
    }
    pub fn on_resolved(
        &mut self,
        base: &mut Base,
        now: Time,
        id: AccountId,
        query: QueryId,
        addresses: Result<Vec<SocketAddr>, ()>,
    ) {
        let Some(account) = self.by_id.get_mut(&id) else { return };
        let Some((_, request)) = account.waiting.take_if(|(q, _)| *q == query) else { return };
        let address =
            addresses.unwrap_or_default().into_iter().find(|a| base.local_towards(a.ip()).is_some());
        match address {
            Some(address) => self.send(base, now, id, address, &request),
            None => self.on_no_response(base, now, id, NoResponse::Unresolved),
        }
    }

    /// Does what the registration wants done, and keeps the heap at its next deadline.
    fn settle(&mut self, base: &mut Base, now: Time, id: AccountId) {
        while let Some(action) = self.by_id.get_mut(&id).and_then(|a| a.registration.poll_action()) {
            match action {
                RegistrationAction::Status(s) => base.event(Event::AccountStatus {
                    account: id,
                    status: s.status,
                    sip_code: s.sip_code,
                    reason: s.reason,
                    expires: s.expires,
                    retry_in: s.retry_in,
                }),
                RegistrationAction::Send(request) => self.dispatch(base, now, id, request),
            }
        }
        let Some(account) = self.by_id.get_mut(&id) else { return };
        let next = account.registration.next_deadline();
        let busy = next.is_some() || account.registration.is_bound();
        if busy != account.busy {
            account.busy = busy;
            self.busy = if busy { self.busy + 1 } else { self.busy - 1 };
        }
        if account.removing && next.is_none() {
            self.forget(base, id);
            return base.event(Event::AccountRemoved { account: id });
        }
        if next != account.alarm {
            account.alarm = next;
            if let Some(at) = next {
                base.deadlines.push(at, Alarm::Account(id));
            }
        }
    }
    fn dispatch(&mut self, base: &mut Base, now: Time, id: AccountId, request: RegisterRequest) {
        let port = match request.hop.port {
            0 => request.hop.transport.default_port(),
            port => port,
        };
        if let Ok(ip) = request.hop.host.parse() {
            return self.send(base, now, id, SocketAddr::new(ip, port), &request);
        }
        let query = base.resolve(Asker::Account(id), &request.hop.host, port);
        if let Some(account) = self.by_id.get_mut(&id) {
            if let Some((old, _)) = account.waiting.replace((query, request)) {
                base.queries.remove(&old);
            }
        }
    }
    fn send(
        &mut self,
        base: &mut Base,
        now: Time,
        id: AccountId,
        address: SocketAddr,
        request: &RegisterRequest,
    ) {
        let name = Some(&*request.hop.host).filter(|host| host.parse::<core::net::IpAddr>().is_err());
        let to = base.flows.peer(request.hop.transport, address, name);
        if let Some(account) = self.by_id.get_mut(&id) {
            account.flow = Some(to);
            account.reached = Some(address.ip());
        }
        let sent = base.local_towards(address.ip()).and_then(|local| {
            let via = base.via(to.transport, local);
            let bytes = request.build(&via, &base.config.user_agent).ok()?;
            base.send(now, to, bytes, Owner::Account(id), false)
        });
        if sent.is_none() {
            self.on_no_response(base, now, id, NoResponse::Transport);
        }
    }
}

impl Account {
    /// Our contact URI towards the registrar; towards anywhere as long as its address isn't known.
    fn contact(&self, base: &mut Base) -> String {
        let hop = Hop::of_account(&self.config);
        let known = hop.host.parse().ok().or(self.reached);
        let towards = known.unwrap_or(core::net::IpAddr::from([192, 0, 2, 1]));
        match base.local_towards(towards) {
            Some(local) => {
                let contact = base.contact(&self.config.user, local, towards, hop.transport, false);
                contact.trim_matches(['<', '>']).to_owned()
            }
            None => address_of_record(&self.config),
        }
    }
    /// The domain that completes a bare number: the server, with its port if it isn't the default.
    pub fn domain(&self) -> String {
        domain_of(&self.config)
    }
    /// Request-URI's next hop and Route: the outbound proxy, or the server itself.
    pub fn way(&self) -> (String, Option<String>) {
        match outbound_route(&self.config) {
            Some(route) => (route.trim_matches(['<', '>']).to_owned(), Some(route)),
            None => (format!("sip:{}", self.domain()), None),
        }
    }
    pub fn address_of_record(&self) -> String {
        address_of_record(&self.config)
    }
    pub fn is_removing(&self) -> bool {
        self.removing
    }
}

/// Host, in brackets if it is an IPv6 address, and port if it isn't the default one.
fn domain_of(config: &AccountConfig) -> String {
    let host = config.server.trim_matches(['[', ']']);
    let host = match host.parse() {
        Ok(core::net::IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.to_owned(),
    };
    match config.port {
        0 => host,
        port if port == config.transport.default_port() => host,
        port => format!("{host}:{port}"),
    }
}

/// RFC 3261 section 26.2: an account over TLS has no proxy without it.
fn proxy_is_as_secure(config: &AccountConfig) -> bool {
    let Some(proxy) = config.outbound_proxy.as_deref() else { return true };
    let uri = Uri::parse(proxy.trim().trim_matches(['<', '>']));
    uri.is_ok_and(|uri| transport_of(&uri, config.transport).is_some())
}

/// Is the text a URI that requests can be sent along? (checked when an account is added)
pub(super) fn is_usable_proxy(text: &str) -> bool {
    Uri::parse(text.trim().trim_matches(['<', '>'])).is_ok()
}
