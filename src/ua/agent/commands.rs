//! What the engine wants of the agent.

use super::super::account::is_usable_proxy;
use super::super::api::*;
use super::super::base::Cx;
use super::super::call::{is_secure, Call, Order};
use super::super::hop::transport_of;
use super::super::request::check_header;
use super::super::target::parse_target;
use super::super::way::Way;
use super::{Agent, NO_USER};
use crate::proto::sdp::{Direction, SrtpMode};
use crate::proto::sip::{Transport, Uri};
use crate::util::Time;

impl Agent {
    pub fn handle_command(&mut self, now: Time, command: Command) -> Result<(), UaError> {
        self.now = now;
        if self.stopped {
            return Err(UaError::State);
        }
        let result = self.command(now, command);
        self.work(now);
        result
    }
    fn command(&mut self, now: Time, command: Command) -> Result<(), UaError> {
        match command {
            Command::AddAccount { account, config } => self.add_account(now, account, config),
            Command::RemoveAccount { account } => self.accounts.remove(&mut self.base, now, account),
            Command::Register { account } => self.accounts.register(&mut self.base, now, account),
            Command::Unregister { account } => self.accounts.unregister(&mut self.base, now, account),
            Command::Dial { call, account, target, options } => {
                self.dial(now, call, account, &target, options)
            }
            Command::Ring { call } => self.on_call(now, call, Call::command_ring),
            Command::Progress { call } => self.on_call(now, call, Call::command_progress),
            Command::Answer { call } => self.on_call(now, call, Call::command_answer),
            Command::Reject { call, code, reason } => {
                self.on_call(now, call, |c, cx| c.command_reject(cx, code, reason.as_deref()))
            }
            Command::Redirect { call, target } => {
                let target = self.target_for(call, &target)?;
                self.on_call(now, call, |c, cx| c.command_redirect(cx, &target))
            }
            Command::Hangup { call } => self.on_call(now, call, Call::command_hangup),
            Command::Hold { call } => self.direct(now, call, |d| match d {
                Direction::RecvOnly | Direction::Inactive => Direction::Inactive,
                _ => Direction::SendOnly,
            }),
            Command::Resume { call } => self.direct(now, call, |_| Direction::SendRecv),
            Command::SetDirection { call, direction } => self.direct(now, call, |_| direction),
            Command::SendInfoDtmf { call, digit, duration_ms } => {
                self.on_call(now, call, |c, cx| c.command_info(cx, digit, duration_ms))
            }
            Command::Transfer { call, target } => {
                let target = self.target_for(call, &target)?;
                self.on_call(now, call, |c, cx| c.command_transfer(cx, target))
            }
            Command::TransferTo { call, other } => {
                let target = self.replacement_of(call, other)?;
                self.on_call(now, call, |c, cx| c.command_transfer(cx, target))
            }
            Command::SetPublicAddress(address) => {
                self.base.config.public_address = address;
                self.accounts.contacts_changed(&mut self.base, now);
                Ok(())
            }
            Command::AcceptCalls(yes) => {
                self.accept_calls = yes;
                Ok(())
            }
            Command::SendMessage { message, account, target, text } => {
                self.send_message(now, message, account, &target, text)
            }
            Command::AcceptMessages(yes) => {
                self.base.accept_messages = yes;
                Ok(())
            }
            Command::Stop { deadline } => self.stop(now, deadline),
        }
    }
    fn direct(
        &mut self,
        now: Time,
        id: CallId,
        change: impl FnOnce(Direction) -> Direction,
    ) -> Result<(), UaError> {
        self.on_call(now, id, |c, cx| c.command_direction(cx, change))
    }
    /// A target said to a call, completed with its account's domain.
    fn target_for(&self, call: CallId, text: &str) -> Result<String, UaError> {
        let key = self.by_id.get(&call).ok_or(UaError::Unknown)?;
        let account = self.calls.get(*key).and_then(|c| c.account).and_then(|id| self.accounts.get(id));
        parse_target(text, account.map(|a| a.domain()).as_deref())
    }

    /// What the peer of `call` has to call to take our place in `other`.
    fn replacement_of(&self, call: CallId, other: CallId) -> Result<String, UaError> {
        let key = self.by_id.get(&other).ok_or(UaError::Unknown)?;
        let replaced = self.calls.get(*key).ok_or(UaError::Unknown)?;
        if call == other {
            return Err(UaError::State);
        }
        replaced.replacement().ok_or(UaError::State)
    }

    fn dial(
        &mut self,
        now: Time,
        id: CallId,
        account: Option<AccountId>,
        target: &str,
        options: DialOptions,
    ) -> Result<(), UaError> {
        if self.stopping.is_some() || self.by_id.contains_key(&id) {
            return Err(UaError::State);
        }
        if self.calls.len() >= self.base.config.max_calls {
            return Err(UaError::Limit);
        }
        options.headers.iter().try_for_each(|(name, value)| check_header(name, value))?;
        let srtp = options.srtp.unwrap_or(self.srtp_of(account));
        let order = self.order(id, account, target, options)?;
        let call = Call::outgoing(&mut self.base, order, srtp);
        let tag = call.local_tag.clone();
        let key = self.calls.insert_with(|key| call.with_key(key));
        self.by_id.insert(id, key);
        self.by_tag.insert(tag, key);
        self.with_call(now, key, Call::start);
        Ok(())
    }
    /// How much a call of that account insists on SRTP.
    pub(super) fn srtp_of(&self, account: Option<AccountId>) -> SrtpMode {
        let own = account.and_then(|id| self.accounts.get(id)).and_then(|a| a.config.srtp);
        own.unwrap_or(self.base.config.srtp)
    }
    fn order(
        &self,
        id: CallId,
        account: Option<AccountId>,
        target: &str,
        options: DialOptions,
    ) -> Result<Order, UaError> {
        let way = self.way(account, target, options.display_name.clone())?;
        let Way { target, route, hop, transport, from, display, user } = way;
        Ok(Order { id, account, target, route, hop, transport, from, display, user, options })
    }
    fn way(&self, account: Option<AccountId>, target: &str, display: Option<String>) -> Result<Way, UaError> {
        let known = match account {
            Some(id) => Some(self.accounts.get(id).filter(|a| !a.is_removing()).ok_or(UaError::Unknown)?),
            None => None,
        };
        let target = parse_target(target, known.map(|a| a.domain()).as_deref())?;
        let (hop, route) = known.map_or((target.clone(), None), |a| a.way());
        let transport = known.map_or(self.base.config.transport, |a| a.config.transport);
        let by = Uri::parse(&hop).ok().and_then(|uri| transport_of(&uri, transport));
        let by = by.ok_or(UaError::NotSupported)?;
        let secure = is_secure(&target);
        // RFC 3261 section 26.2.1: TLS on every hop, or not at all.
        if secure && by != Transport::Tls {
            return Err(UaError::NotSupported);
        }
        let display = display.or_else(|| known.and_then(|a| a.config.display_name.clone()));
        Ok(Way {
            target,
            route,
            hop,
            transport: if secure { Transport::Tls } else { transport },
            from: known.map(|a| a.address_of_record()),
            display: display.unwrap_or_default(),
            user: known.map_or(NO_USER.to_owned(), |a| a.config.user.clone()),
        })
    }

    // Messages.

    pub(super) fn send_message(
        &mut self,
        now: Time,
        id: MessageId,
        account: Option<AccountId>,
        target: &str,
        text: Text,
    ) -> Result<(), UaError> {
        if self.stopping.is_some() {
            return Err(UaError::State);
        }
        let way = self.way(account, target, None)?;
        let config = account.and_then(|id| self.accounts.get(id)).map(|a| &a.config);
        let mut cx = Cx { now, base: &mut self.base, account: config };
        self.messages.send(&mut cx, id, account, way, text)
    }

    // Accounts.

    pub(super) fn add_account(
        &mut self,
        now: Time,
        id: AccountId,
        config: AccountConfig,
    ) -> Result<(), UaError> {
        if self.stopping.is_some() {
            return Err(UaError::State);
        }
        if config.outbound_proxy.as_deref().is_some_and(|proxy| !is_usable_proxy(proxy)) {
            return Err(UaError::Target);
        }
        let register = config.register;
        self.accounts.add(&mut self.base, id, config)?;
        if register {
            self.accounts.register(&mut self.base, now, id)?;
        }
        Ok(())
    }
}
