//! Events of the engine become calls of the host's callbacks.

use super::account::account_status;
use super::call_end::{end_cause, ended_by};
use super::call_info::{call_state, media_direction};
use super::callbacks::*;
use super::objects::{CallObject, Keep, PhoneShared};
use super::panic::in_host;
use super::phone_info::phone_status;
use super::stats::voip_call_stats;
use super::types::*;
use crate::engine::{Event, EventKind, EventSink};
use crate::media::MediaEvent;
use crate::ua::{self, AccountId, AccountStatus, CallInfo, CallState, EndInfo};
use std::ffi::CString;
use std::mem::size_of;
use std::ptr::null;
use std::sync::Arc;
use std::time::Duration;

/// What the engine calls for each event.
pub(crate) fn sink(shared: Arc<PhoneShared>) -> EventSink {
    Box::new(move |event| {
        let set = shared.callbacks();
        let call = event.call.as_ref().and_then(|call| shared.adopt(call, Keep::Event).ok());
        if let Some(set) = &set {
            let delivery = Delivery { shared: &shared, set, call: call.as_deref() };
            delivery.deliver(event);
        }
        match (&event.kind, call) {
            (EventKind::Ua(ua::Event::CallEnded { .. }), Some(call)) => {
                call.library_lets_go();
                shared.port_freed();
            }
            (EventKind::Ua(ua::Event::AccountRemoved { account }), _) => shared.forget_account(*account),
            _ => {}
        }
    })
}

/// One event on its way to one table.
struct Delivery<'a> {
    shared: &'a PhoneShared,
    set: &'a CallbackSet,
    call: Option<&'a CallObject>,
}

/// Calls a callback of the table if it is there. The host promised that it fits the pointers.
macro_rules! tell {
    ($self:ident . $name:ident ( $($argument:expr),* )) => {
        if let Some(callback) = $self.set.table.$name {
            // SAFETY: the host's function, with what its signature says; infos live until it returns.
            in_host(|| unsafe { callback($($argument),*, $self.set.user.pointer) });
        }
    };
}

impl Delivery<'_> {
    fn deliver(&self, event: &Event) {
        match &event.kind {
            EventKind::Phone(status) => {
                let size = size_of::<voip_phone_status_info>();
                let info = voip_phone_status_info { size, status: phone_status(*status) };
                tell!(self.on_phone_status(self.shared.handle(), &info));
            }
            EventKind::CallStats(stats) => {
                let Some(call) = self.call else { return };
                let stats = voip_call_stats::from(stats);
                tell!(self.on_call_stats(call.handle(), &stats));
            }
            EventKind::Capture(end) => {
                let Some(call) = self.call else { return };
                let size = size_of::<voip_capture_info>();
                let info =
                    voip_capture_info { size, packets: end.packets, lost: end.lost, ok: i32::from(end.ok) };
                tell!(self.on_capture_finished(call.handle(), &info));
            }
            EventKind::Media(event) => {
                let Some(call) = self.call else { return };
                self.media(call, event);
            }
            EventKind::Ua(event) => self.agent(event),
        }
    }

    fn agent(&self, event: &ua::Event) {
        if let ua::Event::AccountStatus { account, status, sip_code, reason, expires, retry_in } = event {
            return self.account(*account, *status, *sip_code, reason, *expires, *retry_in);
        }
        match event {
            ua::Event::Message { account, from_name, from_uri, content_type, body } => {
                return self.message(*account, from_name, from_uri, content_type, body);
            }
            ua::Event::PublicAddress { account, address, before } => {
                return self.public_address(*account, &address.to_string(), &before.to_string());
            }
            ua::Event::MessageResult { message, sip_code, reason } => {
                return self.message_result(message.0, *sip_code, reason);
            }
            _ => {}
        }
        let Some(call) = self.call else { return };
        match event {
            ua::Event::IncomingCall { info, .. } => self.incoming(call, info),
            ua::Event::CallState { state, sip_code, reason, .. } if *state != CallState::Ended => {
                self.state(call, *state, *sip_code, reason, None);
            }
            ua::Event::CallEnded { end, .. } => {
                self.state(call, CallState::Ended, end.sip_code, &end.reason, Some(end));
            }
            ua::Event::CallMedia { .. } => self.call_media(call, voip_media_event::VOIP_MEDIA_NEGOTIATED),
            ua::Event::Dtmf { digit, duration_ms, .. } => {
                let info = dtmf(*digit, *duration_ms, voip_dtmf_method::VOIP_DTMF_INFO);
                tell!(self.on_dtmf(call.handle(), &info));
            }
            ua::Event::Transfer { sip_code, reason, finished, .. } => {
                let reason = text(reason);
                let info = voip_transfer_info {
                    size: size_of::<voip_transfer_info>(),
                    sip_code: i32::from(*sip_code),
                    reason: reason.as_ptr(),
                    finished: i32::from(*finished),
                };
                tell!(self.on_transfer(call.handle(), &info));
            }
            _ => {}
        }
    }

    fn account(
        &self,
        account: AccountId,
        status: AccountStatus,
        sip_code: u16,
        reason: &str,
        expires: u32,
        retry_in: Option<Duration>,
    ) {
        let Ok(account) = self.shared.account_handle(account) else { return };
        let reason = text(reason);
        let info = voip_account_status_info {
            size: size_of::<voip_account_status_info>(),
            status: account_status(status),
            sip_code: i32::from(sip_code),
            reason: reason.as_ptr(),
            expires_s: expires,
            retry_in_ms: retry_in.map_or(-1, |t| i64::try_from(t.as_millis()).unwrap_or(i64::MAX)),
        };
        tell!(self.on_account_status(account, &info));
    }

    fn message(&self, account: Option<AccountId>, name: &str, uri: &str, kind: &str, body: &[u8]) {
        let account = account.and_then(|id| self.shared.account_handle(id).ok());
        let (name, uri, kind) = (text(name), text(uri), text(kind));
        let info = voip_message_info {
            size: size_of::<voip_message_info>(),
            account: account.unwrap_or(std::ptr::null_mut()),
            from_uri: uri.as_ptr(),
            from_name: name.as_ptr(),
            content_type: kind.as_ptr(),
            body: body.as_ptr(),
            body_len: body.len(),
        };
        tell!(self.on_message(self.shared.handle(), &info));
    }

    fn public_address(&self, account: AccountId, address: &str, previous: &str) {
        let Ok(account) = self.shared.account_handle(account) else { return };
        let (address, previous) = (text(address), text(previous));
        let info = voip_public_address_info {
            size: size_of::<voip_public_address_info>(),
            account,
            address: address.as_ptr(),
            previous: previous.as_ptr(),
        };
        tell!(self.on_public_address_changed(self.shared.handle(), &info));
    }

    fn message_result(&self, message_id: u64, sip_code: u16, reason: &str) {
        let reason = text(reason);
        let info = voip_message_result_info {
            size: size_of::<voip_message_result_info>(),
            message_id,
            sip_code: i32::from(sip_code),
            reason: reason.as_ptr(),
        };
        tell!(self.on_message_result(self.shared.handle(), &info));
    }

    fn incoming(&self, call: &CallObject, info: &CallInfo) {
        let account = info.account.and_then(|id| self.shared.account_handle(id).ok());
        let (uri, name) = (text(&info.remote_uri), text(&info.remote_name));
        let (local, id) = (text(&info.local_uri), text(&info.sip_call_id));
        let info = voip_incoming_call_info {
            size: size_of::<voip_incoming_call_info>(),
            account: account.unwrap_or(std::ptr::null_mut()),
            remote_uri: uri.as_ptr(),
            remote_name: name.as_ptr(),
            local_uri: local.as_ptr(),
            call_id: id.as_ptr(),
        };
        tell!(self.on_incoming_call(self.shared.handle(), call.handle(), &info));
    }

    fn state(&self, call: &CallObject, state: CallState, code: u16, reason: &str, end: Option<&EndInfo>) {
        let reason = text(reason);
        let header = end.and_then(|end| end.reason_header.as_deref()).map(text);
        let info = voip_call_state_info {
            size: size_of::<voip_call_state_info>(),
            state: call_state(state),
            sip_code: i32::from(code),
            reason: reason.as_ptr(),
            cause: end.map_or(voip_end_cause::VOIP_END_NONE, |end| end_cause(end.cause)),
            by: end.map_or(voip_ended_by::VOIP_BY_NOBODY, |end| ended_by(end.by)),
            reason_header: header.as_ref().map_or(null(), |header| header.as_ptr()),
        };
        tell!(self.on_call_state(call.handle(), &info));
    }

    fn call_media(&self, call: &CallObject, event: voip_media_event) {
        let media = call.engine.media_info();
        let codec = text(&media.codec);
        let remote = text(&media.remote.map(|address| address.to_string()).unwrap_or_default());
        let info = voip_call_media_info {
            size: size_of::<voip_call_media_info>(),
            event,
            direction: media_direction(media.direction),
            held_by_us: i32::from(media.held_by_us),
            held_by_peer: i32::from(media.held_by_peer),
            codec: codec.as_ptr(),
            remote: remote.as_ptr(),
        };
        tell!(self.on_call_media(call.handle(), &info));
    }

    fn media(&self, call: &CallObject, event: &MediaEvent) {
        let play = |play_id: u64, completed: bool| voip_play_info {
            size: size_of::<voip_play_info>(),
            play_id,
            completed: i32::from(completed),
        };
        match event {
            MediaEvent::Dtmf { digit, duration_ms, end: true } => {
                let info = dtmf(*digit, *duration_ms, voip_dtmf_method::VOIP_DTMF_RTP);
                tell!(self.on_dtmf(call.handle(), &info));
            }
            MediaEvent::Dtmf { digit, .. } => {
                let info = dtmf(*digit, 0, voip_dtmf_method::VOIP_DTMF_RTP);
                tell!(self.on_dtmf_begin(call.handle(), &info));
            }
            MediaEvent::Started { .. } => self.call_media(call, voip_media_event::VOIP_MEDIA_STARTED),
            MediaEvent::SourceChanged { .. } => {
                self.call_media(call, voip_media_event::VOIP_MEDIA_SOURCE_CHANGED);
            }
            MediaEvent::Timeout => self.call_media(call, voip_media_event::VOIP_MEDIA_TIMEOUT),
            MediaEvent::Resumed => self.call_media(call, voip_media_event::VOIP_MEDIA_RESUMED),
            MediaEvent::PlayFinished { id, completed } => {
                let info = play(*id, *completed);
                tell!(self.on_play_finished(call.handle(), &info));
            }
            MediaEvent::DtmfSent { id } => {
                let info = play(*id, true);
                tell!(self.on_dtmf_sent(call.handle(), &info));
            }
            MediaEvent::Voice(change) => {
                let info = voip_voice_info {
                    size: size_of::<voip_voice_info>(),
                    speaking: i32::from(change.speaking),
                    level_rms: change.level.into(),
                    noise_rms: change.floor.into(),
                    voice_ms: change.voice_ms,
                };
                tell!(self.on_voice_activity(call.handle(), &info));
            }
            MediaEvent::PlayMark { mark, reached } => {
                let size = size_of::<voip_playback_mark_info>();
                let info = voip_playback_mark_info { size, mark: *mark, reached: i32::from(*reached) };
                tell!(self.on_playback_mark(call.handle(), &info));
            }
            MediaEvent::RecordFinished { frames, ok, .. } => {
                let size = size_of::<voip_record_info>();
                let info = voip_record_info { size, frames: *frames, ok: i32::from(*ok) };
                tell!(self.on_record_finished(call.handle(), &info));
            }
        }
    }
}

fn dtmf(digit: char, duration_ms: u32, method: voip_dtmf_method) -> voip_dtmf_info {
    let digit = u8::try_from(digit).unwrap_or(b'?') as std::ffi::c_char;
    voip_dtmf_info { size: size_of::<voip_dtmf_info>(), digit, duration_ms, method }
}

/// A text of the wire for C: a NUL in it becomes U+FFFD.
fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}
