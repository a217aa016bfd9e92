//! Voice activity: when the other side begins to speak, and when it has ended.

use super::error::{voip_status, Fail};
use super::objects;
use super::panic::guard;
use super::sized::{self, SizeFirst};
use super::strings;
use super::types::*;
use crate::media::VadConfig;

/// How voice is told from noise. Begin with `VOIP_VAD_OPTIONS_INIT`; 0 stands for the default of each.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_vad_options {
    /// sizeof(voip_vad_options).
    pub size: usize,
    /// RMS (1 to 32767) from which sound is voice; 0: decided by the noise of the line, which is followed.
    pub threshold_rms: u32,
    /// Without a threshold: how far above the noise voice is, 3 to 40 dB (9).
    pub margin_db: u32,
    /// How much voice makes a beginning, 10 to 160 ms (50). Shorter is quicker, longer is surer.
    pub begin_ms: u32,
    /// How much silence makes an end, 50 to 10000 ms (400).
    pub hangover_ms: u32,
}

// SAFETY: the size is first, all members are numbers.
unsafe impl SizeFirst for voip_vad_options {
    const NAME: &'static str = "voip_vad_options";
}

/// Has `on_voice_activity` tell when the other side begins and ends to speak, from now on; also before the answer.
///
/// What is heard is looked at in pieces of 10 ms, before `voip_call_set_gain`. Without a fixed threshold the noise of the line
/// is followed; steady sound (a fan, a tone) is noise after 1.5 s. What does not come is silence, so that an utterance ends
/// also when packets stop.
/// @param options how; NULL: no longer. An utterance that goes on ends here, and is told.
///
/// Thread: any.
/// Callback: yes.
/// Blocks: no.
/// Errors: VOIP_ERR_HANDLE, _ARGUMENT, _RANGE, _CALL_ENDED, _LIMIT.
/// Since: 0.1.0
#[no_mangle]
pub unsafe extern "C" fn voip_call_set_vad(
    call: *mut voip_call,
    options: *const voip_vad_options,
) -> voip_status {
    guard(|| {
        let call = objects::call(call)?;
        let config = match options.is_null() {
            true => None,
            false => Some(config(&unsafe { sized::read(options) }?)?),
        };
        call.engine.set_vad(config).map_err(Fail::from)
    })
}

fn config(options: &voip_vad_options) -> super::error::FfiResult<VadConfig> {
    let default = VadConfig::default();
    let or = |value: u32, default: u32| if value == 0 { default } else { value };
    let threshold = strings::within(options.threshold_rms, 0, 32_767, "threshold", "")?;
    Ok(VadConfig {
        threshold: u16::try_from(threshold).unwrap_or(u16::MAX),
        margin_db: strings::within(or(options.margin_db, default.margin_db), 3, 40, "margin", " dB")?,
        begin_ms: strings::within(or(options.begin_ms, default.begin_ms), 10, 160, "beginning", " ms")?,
        hangover_ms: strings::within(
            or(options.hangover_ms, default.hangover_ms),
            50,
            10_000,
            "hangover",
            " ms",
        )?,
    })
}
