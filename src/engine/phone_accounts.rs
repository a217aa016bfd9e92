//! The accounts of a phone as the host sees them. What they do is the agent's.

use super::call::{lock, timed_out, Timeout};
use super::clock;
use super::error::{Error, ErrorKind, Result};
use super::link::ToControl;
use super::phone::{AccountInfo, Phone, PhoneShared, PhoneStatus};
use crate::ua::{AccountConfig, AccountId, AccountStatus, Command, Event};
use crate::util::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// The account that the configuration brings along.
const DEFAULT: AccountId = AccountId(1);
/// Accounts of one phone.
const MAX_ACCOUNTS: usize = 100_000;

pub struct Accounts {
    entries: BTreeMap<AccountId, Entry>,
    next: u64,
}

impl Default for Accounts {
    fn default() -> Accounts {
        Accounts { entries: BTreeMap::new(), next: DEFAULT.0 + 1 }
    }
}

impl Accounts {
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

struct Entry {
    config: AccountConfig,
    status: AccountStatus,
    sip_code: u16,
    reason: Box<str>,
    expires_at: Option<Time>,
    removing: bool,
}

impl Entry {
    fn new(config: AccountConfig) -> Entry {
        let status = if config.register { AccountStatus::Registering } else { AccountStatus::Inactive };
        Entry { config, status, sip_code: 0, reason: "".into(), expires_at: None, removing: false }
    }

    fn uri(&self) -> String {
        let AccountConfig { user, server, port, .. } = &self.config;
        let host = bracketed(server);
        match port {
            0 | 5060 => format!("sip:{user}@{host}"),
            port => format!("sip:{user}@{host}:{port}"),
        }
    }
}

fn bracketed(server: &str) -> String {
    match server.parse::<std::net::Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]"),
        Err(_) => server.to_owned(),
    }
}

fn unknown(account: AccountId) -> Error {
    Error::new(ErrorKind::Handle, format!("the phone has no account {}", account.0))
}

impl Phone {
    pub fn default_account(&self) -> Option<AccountId> {
        self.config().account.as_ref().map(|_| DEFAULT)
    }

    pub fn add_account(&self, config: AccountConfig) -> Result<AccountId> {
        if config.server.is_empty() || config.user.is_empty() {
            return Err(Error::new(ErrorKind::Argument, "an account needs a server and a user"));
        }
        let account = {
            let mut accounts = lock(&self.shared().accounts);
            if accounts.entries.len() >= MAX_ACCOUNTS {
                return Err(Error::new(ErrorKind::Limit, format!("{MAX_ACCOUNTS} accounts are the limit")));
            }
            let account = AccountId(accounts.next);
            accounts.next += 1;
            accounts.entries.insert(account, Entry::new(config.clone()));
            account
        };
        if self.status() == PhoneStatus::Running {
            let posted = self.account_command(Command::AddAccount { account, config });
            if let Err(error) = posted {
                lock(&self.shared().accounts).entries.remove(&account);
                return Err(error);
            }
        }
        Ok(account)
    }

    pub fn remove_account(&self, account: AccountId) -> Result<()> {
        let running = self.status() == PhoneStatus::Running;
        {
            let mut accounts = lock(&self.shared().accounts);
            let entry = accounts.entries.get_mut(&account).filter(|e| !e.removing);
            let entry = entry.ok_or_else(|| unknown(account))?;
            entry.removing = running;
            if !running {
                accounts.entries.remove(&account);
                return Ok(());
            }
        }
        let posted = self.account_command(Command::RemoveAccount { account });
        if posted.is_err() {
            if let Some(entry) = lock(&self.shared().accounts).entries.get_mut(&account) {
                entry.removing = false;
            }
        }
        posted
    }

    pub fn register(&self, account: AccountId) -> Result<()> {
        self.account_info(account)?;
        self.account_command(Command::Register { account })?;
        // A later wait is for the outcome of this, not of what was before.
        if let Some(entry) = lock(&self.shared().accounts).entries.get_mut(&account) {
            if matches!(entry.status, AccountStatus::Failed | AccountStatus::Inactive) {
                entry.status = AccountStatus::Registering;
            }
        }
        Ok(())
    }
    pub fn unregister(&self, account: AccountId) -> Result<()> {
        self.account_info(account)?;
        self.account_command(Command::Unregister { account })
    }

    fn account_command(&self, command: Command) -> Result<()> {
        self.link().post(ToControl::Command(command))
    }

    pub fn account_info(&self, account: AccountId) -> Result<AccountInfo> {
        let accounts = lock(&self.shared().accounts);
        let entry = accounts.entries.get(&account).filter(|e| !e.removing);
        let entry = entry.ok_or_else(|| unknown(account))?;
        let left = entry.expires_at.map_or(Duration::ZERO, |at| at.since(clock::now()));
        Ok(AccountInfo {
            status: entry.status,
            last_sip_code: entry.sip_code,
            reason: entry.reason.to_string(),
            uri: entry.uri(),
            expires_in: u32::try_from(left.as_secs()).unwrap_or(u32::MAX),
        })
    }

    /// What completes a bare name that is dialled through an account.
    pub(super) fn account_domain(&self, account: AccountId) -> Result<String> {
        let accounts = lock(&self.shared().accounts);
        let entry = accounts.entries.get(&account).filter(|e| !e.removing);
        let AccountConfig { server, port, .. } = &entry.ok_or_else(|| unknown(account))?.config;
        Ok(match port {
            0 | 5060 => bracketed(server),
            port => format!("{}:{port}", bracketed(server)),
        })
    }

    /// Until it is Registered, Failed, or Inactive.
    pub fn wait_account(&self, account: AccountId, timeout: Timeout) -> Result<AccountStatus> {
        if timeout != Some(Duration::ZERO) {
            self.link().dispatcher.refuse_in_callback()?;
        }
        let settled = || match self.account_info(account) {
            Err(error) => Some(Err(error)),
            Ok(info) => match info.status {
                AccountStatus::Registering | AccountStatus::Deregistering => None,
                status => Some(Ok(status)),
            },
        };
        let signal = &self.shared().signal;
        signal.wait_for(timeout, settled).unwrap_or_else(|| Err(timed_out()))
    }

    /// Default account registered: Ok; failed: its error; not in time: Err(Timeout).
    pub fn wait_registered(&self, timeout: Timeout) -> Result<()> {
        let account = self.default_account();
        let account = account.ok_or_else(|| Error::new(ErrorKind::State, "no account was configured"))?;
        match self.wait_account(account, timeout)? {
            AccountStatus::Registered => Ok(()),
            _ => Err(registration_error(&self.account_info(account)?)),
        }
    }

    /// Hands all accounts to a control thread that has just started.
    pub(super) fn post_accounts(&self) {
        let all: Vec<(AccountId, AccountConfig)> = {
            let accounts = lock(&self.shared().accounts);
            accounts.entries.iter().map(|(id, e)| (*id, e.config.clone())).collect()
        };
        for (account, config) in all {
            self.link().post_urgent(ToControl::Command(Command::AddAccount { account, config }));
        }
    }
}

fn registration_error(info: &AccountInfo) -> Error {
    let kind = match info.last_sip_code {
        401 | 403 | 407 => ErrorKind::Auth,
        0 | 408 | 503 => ErrorKind::Unreachable,
        _ if info.status == AccountStatus::Inactive => ErrorKind::NotRegistered,
        _ => ErrorKind::Rejected,
    };
    let AccountInfo { uri, last_sip_code, reason, .. } = info;
    Error::new(kind, format!("{uri} is not registered: {last_sip_code} {reason}"))
}

impl PhoneShared {
    /// Before a start: nothing is known of any binding.
    pub(super) fn reset_accounts(&self) {
        let mut accounts = lock(&self.accounts);
        if let Some(config) = &self.config.account {
            accounts.entries.entry(DEFAULT).or_insert_with(|| Entry::new(config.clone()));
        }
        accounts.entries.retain(|_, e| !e.removing);
        for entry in accounts.entries.values_mut() {
            *entry = Entry::new(entry.config.clone());
        }
    }

    /// After the end: whatever a server still has, we keep no binding alive.
    pub(super) fn accounts_stopped(&self) {
        for entry in lock(&self.accounts).entries.values_mut() {
            entry.status = AccountStatus::Inactive;
            entry.expires_at = None;
        }
        self.signal.notify();
    }

    pub(super) fn account_event(&self, event: &Event) {
        match event {
            Event::AccountStatus { account, status, sip_code, reason, expires, .. } => {
                if let Some(entry) = lock(&self.accounts).entries.get_mut(account) {
                    entry.status = *status;
                    entry.sip_code = *sip_code;
                    entry.reason = reason.clone();
                    let bound = *status == AccountStatus::Registered;
                    let expires = Duration::from_secs(u64::from(*expires));
                    entry.expires_at = bound.then(|| clock::now() + expires);
                }
            }
            Event::AccountRemoved { account } => {
                let entry = lock(&self.accounts).entries.remove(account);
                drop(entry);
            }
            _ => {}
        }
        self.signal.notify();
    }
}
