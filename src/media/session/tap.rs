//! A tap in the session: whoever set it gets what is heard and what is sent as it passes, at the host's rate.
//!
//! It runs inside the session, so it must not block; dropping it is the sign that it won't run any more.

use crate::media::resample::Resampler;

/// Gets frames at the host's rate; true: sent.
pub type TapFn = Box<dyn FnMut(bool, &[i16]) + Send>;

const BLOCK: usize = 240;

pub struct Tap {
    sink: TapFn,
    host_rate: u32,
    codec_rate: u32,
    to_host: Option<Resampler>,
}

impl Tap {
    pub fn new(sink: TapFn, host_rate: u32, codec_rate: u32) -> Tap {
        let mut this = Tap { sink, host_rate, codec_rate: 0, to_host: None };
        this.set_codec_rate(codec_rate);
        this
    }
    pub fn set_host_rate(&mut self, rate: u32) {
        self.host_rate = rate;
        let codec_rate = core::mem::take(&mut self.codec_rate);
        self.set_codec_rate(codec_rate);
    }
    pub fn set_codec_rate(&mut self, rate: u32) {
        if rate != self.codec_rate {
            self.codec_rate = rate;
            self.to_host = Resampler::between(rate, self.host_rate);
        }
    }
    /// At the host's rate.
    pub fn heard(&mut self, frames: &[i16]) {
        (self.sink)(false, frames);
    }
    /// At the codec's rate.
    pub fn said(&mut self, frames: &[i16]) {
        let Some(to_host) = &mut self.to_host else { return (self.sink)(true, frames) };
        for block in frames.chunks(BLOCK) {
            let mut out = [0; BLOCK * 6 + 8];
            let n = to_host.process(block, &mut out);
            (self.sink)(true, &out[..n]);
        }
    }
}
