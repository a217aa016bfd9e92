//! Writing what a call says on the wire into a pcapng file.

use super::call::Call;
use super::capture;
use super::error::Result;
use super::link::ToControl;
use super::recorder::busy;

impl Call {
    /// `media` false: only its SIP messages. The file is created here, so errors are immediate;
    /// `MediaEvent::CaptureFinished` follows when it is closed.
    pub fn capture_start(&self, path: &str, media: bool) -> Result<u64> {
        self.require_live()?;
        let id = self.link().next_id();
        let (start, job) = capture::create(path, self.id(), id, media)?;
        let jobs = self.link().recorder.sender(self.link())?;
        if jobs.is_full() {
            return Err(busy());
        }
        self.link().post(ToControl::Capture(Box::new(start)))?;
        jobs.try_send(Box::new(job)).map_err(|_| busy())?;
        Ok(id)
    }

    pub fn capture_stop(&self) -> Result<()> {
        self.require_live()?;
        self.link().post(ToControl::CaptureStop { call: self.id() })
    }
}
