//! What stands behind the handles: configurations, phones, accounts and calls, and who keeps them alive.

use super::account_config::AccountDraft;
use super::callbacks::CallbackSet;
use super::config::Draft;
use super::error::{voip_status, Fail, FfiResult};
use super::handle::{self, Kind, Ref, Table};
use super::types::*;
use crate::engine::{Call, Phone};
use crate::ua::{AccountId, CallState};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) struct Config(pub Mutex<Draft>);

pub(crate) struct AccountSettings(pub Mutex<AccountDraft>);

/// A phone as the host's handle names it.
pub(crate) struct PhoneObject {
    pub engine: Phone,
    pub shared: Arc<PhoneShared>,
    /// Set by the first `voip_phone_free`; a second one is stale.
    pub freeing: AtomicBool,
}

/// What the event sink needs of a phone. Does not keep the engine alive.
pub(crate) struct PhoneShared {
    pub token: usize,
    pub callbacks: Mutex<Option<Arc<CallbackSet>>>,
    pub user_data: AtomicUsize,
    /// `voip_phone_wait_call` was used: calls are welcome also without a callback.
    pub waits: AtomicBool,
    /// The phone was freed: no ENDED will be delivered any more.
    pub closed: AtomicBool,
    /// Notified when a port may have become free; the number counts the times.
    pub ports_freed: (Mutex<u64>, Condvar),
    /// Handles of the accounts and of the calls that live.
    pub accounts: Mutex<BTreeMap<AccountId, usize>>,
    pub calls: Mutex<BTreeMap<u64, usize>>,
}

pub(crate) struct AccountObject {
    /// The phone's token.
    phone: usize,
    pub id: AccountId,
    pub user_data: AtomicUsize,
}

pub(crate) struct CallObject {
    pub engine: Call,
    pub phone: Arc<PhoneShared>,
    token: usize,
    keepers: Mutex<Keepers>,
    pub last_play: AtomicU64,
    /// Where the rings of its audio were at first: good for a prefetch only.
    audio: usize,
}

/// Who keeps a call's handle alive.
struct Keepers {
    /// Until ENDED was delivered.
    library: bool,
    /// How often the host retained it.
    host: u32,
    /// Taken out of the table: nobody can keep it any more.
    gone: bool,
}

macro_rules! kind {
    ($object:ty, $opaque:ty, $tag:literal, $noun:literal) => {
        impl Kind for $object {
            type Opaque = $opaque;
            const TAG: u8 = $tag | 0x80;
            const NOUN: &'static str = $noun;
            fn table() -> &'static Table<Self> {
                static TABLE: Table<$object> = Table::new();
                &TABLE
            }
        }
    };
}

pub(crate) use kind;

kind!(Config, voip_config, b'c', "config");
kind!(AccountSettings, voip_account_config, b'a', "account config");
kind!(PhoneObject, voip_phone, b'P', "phone");
kind!(AccountObject, voip_account, b'A', "account");
kind!(CallObject, voip_call, b'C', "call");

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn phone(handle: *const voip_phone) -> FfiResult<Ref<PhoneObject>> {
    handle::get::<PhoneObject>(handle)
}

pub(crate) fn call(handle: *const voip_call) -> FfiResult<Ref<CallObject>> {
    handle::get::<CallObject>(handle)
}

/// For a door: the call and, as far as that helps, all that a read will look at.
#[inline]
pub(crate) fn call_to_read(handle: *const voip_call) -> Option<Ref<CallObject>> {
    let call = CallObject::table().find(handle as usize)?;
    call.engine.prefetch_read(call.audio);
    Some(call)
}

/// The same for a write.
#[inline]
pub(crate) fn call_to_write(handle: *const voip_call) -> Option<Ref<CallObject>> {
    let call = CallObject::table().find(handle as usize)?;
    call.engine.prefetch_write(call.audio);
    Some(call)
}

/// An account and its phone, both alive.
pub(crate) fn account(handle: *const voip_account) -> FfiResult<(Ref<AccountObject>, Ref<PhoneObject>)> {
    let account = handle::get::<AccountObject>(handle)?;
    let Ok(phone) = PhoneObject::table().get(account.phone) else {
        return Err(Fail::new(voip_status::VOIP_ERR_HANDLE, "the phone of the account was freed"));
    };
    Ok((account, phone))
}

impl PhoneShared {
    pub fn new(token: usize) -> PhoneShared {
        PhoneShared {
            token,
            callbacks: Mutex::new(None),
            user_data: AtomicUsize::new(0),
            waits: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ports_freed: (Mutex::new(0), Condvar::new()),
            accounts: Mutex::new(BTreeMap::new()),
            calls: Mutex::new(BTreeMap::new()),
        }
    }

    pub fn handle(&self) -> *mut voip_phone {
        self.token as *mut voip_phone
    }

    /// The handle of an account: made when it is seen first, the same one afterwards.
    pub fn account_handle(&self, id: AccountId) -> FfiResult<*mut voip_account> {
        let mut accounts = lock(&self.accounts);
        if let Some(token) = accounts.get(&id) {
            return Ok(*token as *mut voip_account);
        }
        let make = |_| AccountObject { phone: self.token, id, user_data: AtomicUsize::new(0) };
        let (token, _) = AccountObject::table().insert(make)?;
        accounts.insert(id, token);
        Ok(token as *mut voip_account)
    }

    pub fn forget_account(&self, id: AccountId) {
        let token = lock(&self.accounts).remove(&id);
        if let Some(token) = token {
            let _ = AccountObject::table().remove(token);
        }
    }

    /// The object of a call: made when it is seen first. `keep` is applied before anybody else can let go.
    pub fn adopt(self: &Arc<Self>, engine: &Call, keep: Keep) -> FfiResult<Ref<CallObject>> {
        let mut calls = lock(&self.calls);
        let known = calls.get(&engine.id().0).and_then(|token| CallObject::table().get(*token).ok());
        let call = match known {
            Some(call) => call,
            None => {
                // A call whose ENDED was delivered already is nobody's but the host's.
                let over = keep == Keep::Host && engine.state() == CallState::Ended;
                let library = !over && !self.closed.load(Ordering::Acquire);
                let make = |token| CallObject {
                    engine: engine.clone(),
                    phone: self.clone(),
                    token,
                    keepers: Mutex::new(Keepers { library, host: 0, gone: false }),
                    last_play: AtomicU64::new(0),
                    audio: engine.audio_memory(),
                };
                let (token, call) = CallObject::table().insert(make)?;
                calls.insert(engine.id().0, token);
                call
            }
        };
        if keep != Keep::Event {
            let mut keepers = lock(&call.keepers);
            keepers.host = keepers.host.saturating_add(1);
        }
        Ok(call)
    }

    pub fn port_freed(&self) {
        let (count, changed) = &self.ports_freed;
        *lock(count) += 1;
        changed.notify_all();
    }

    /// The phone is gone: its accounts go, and every call that the host does not keep.
    pub fn clear(&self) {
        let accounts = std::mem::take(&mut *lock(&self.accounts));
        for token in accounts.into_values() {
            let _ = AccountObject::table().remove(token);
        }
        let calls: Vec<usize> = {
            let calls = lock(&self.calls);
            // Under the lock, so that an `adopt` is either before it and in the list, or after it and sees it.
            self.closed.store(true, Ordering::Release);
            calls.values().copied().collect()
        };
        self.port_freed();
        for token in calls {
            if let Ok(call) = CallObject::table().get(token) {
                call.library_lets_go();
            }
        }
    }
}

/// For whom a call is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Borrowed in a callback.
    Event,
    /// A handle goes out to the host.
    Host,
    /// As `Host`, and ENDED is still to come for certain.
    Fresh,
}

impl CallObject {
    pub fn handle(&self) -> *mut voip_call {
        self.token as *mut voip_call
    }

    pub fn retain(&self) -> FfiResult {
        let mut keepers = lock(&self.keepers);
        if keepers.gone {
            let text = format!("call handle {:#x} is stale: what it named was freed", self.token);
            return Err(Fail::new(voip_status::VOIP_ERR_HANDLE, text));
        }
        keepers.host = keepers.host.saturating_add(1);
        Ok(())
    }

    pub fn release(&self) -> FfiResult {
        let mut keepers = lock(&self.keepers);
        let Some(left) = keepers.host.checked_sub(1) else {
            let text = format!("call handle {:#x} was released more often than retained", self.token);
            return Err(Fail::new(voip_status::VOIP_ERR_HANDLE, text));
        };
        keepers.host = left;
        let gone = left == 0 && !keepers.library;
        drop(keepers);
        self.remove_if(gone);
        Ok(())
    }

    /// ENDED was delivered, or never will be.
    pub fn library_lets_go(&self) {
        let gone = {
            let mut keepers = lock(&self.keepers);
            keepers.library = false;
            keepers.host == 0
        };
        self.remove_if(gone);
    }

    fn remove_if(&self, gone: bool) {
        if !gone {
            return;
        }
        let removed = {
            let mut calls = lock(&self.phone.calls);
            // Somebody may have retained it in between.
            let mut keepers = lock(&self.keepers);
            if keepers.host > 0 || keepers.library || keepers.gone {
                return;
            }
            keepers.gone = true;
            if calls.get(&self.engine.id().0) == Some(&self.token) {
                calls.remove(&self.engine.id().0);
            }
            CallObject::table().remove(self.token)
        };
        drop(removed);
    }
}

pub(crate) fn user_data(value: &AtomicUsize) -> *mut std::ffi::c_void {
    value.load(Ordering::Acquire) as *mut std::ffi::c_void
}
