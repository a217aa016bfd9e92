//! The file thread `voip-rec`: one a phone, from the first recording or capture on. It empties their taps into files, so
//! that neither a media worker nor the control thread ever waits for a disk.

use super::clock;
use super::error::{Error, ErrorKind, Result};
use super::link::{Link, ToControl};
use super::signal::Signal;
use super::thread;
use crate::media::wav::Format;
use crate::media::RecordDrain;
use crate::ua::CallId;
use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the taps are emptied; their rings hold some seconds.
const ROUND: Duration = Duration::from_millis(100);
const HEADER_BYTES: usize = 44;
/// Recordings that wait to be taken up.
const QUEUE: usize = 1024;

/// Something that is written while a call goes on.
pub trait Job: Send {
    /// True when it is over and everything was written.
    fn work(&mut self) -> bool;
    /// Closes the file and says so.
    fn finish(&mut self, link: &Weak<Link>);
}

/// One recording on its way to the thread.
pub struct Recording {
    pub call: CallId,
    pub id: u64,
    pub drain: RecordDrain,
    pub file: WavFile,
}

#[derive(Default)]
pub struct Recorder(Mutex<Option<Running>>);

struct Running {
    sender: Sender<Box<dyn Job>>,
    join: JoinHandle<()>,
    over: Arc<Over>,
}

/// Set and notified as the thread's last act.
#[derive(Default)]
struct Over {
    yes: AtomicBool,
    signal: Signal,
}

impl Recorder {
    /// Starts the thread if it doesn't run. What comes back takes one job.
    pub fn sender(&self, link: &Arc<Link>) -> Result<Sender<Box<dyn Job>>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            return Ok(running.sender.clone());
        }
        let (sender, jobs) = bounded(QUEUE);
        let weak = Arc::downgrade(link);
        let over = Arc::new(Over::default());
        let end = over.clone();
        let join = thread::spawn("voip-rec", link.hook.clone(), move || {
            let outcome = thread::caught(|| run(&jobs, &weak));
            if let Err(text) = outcome {
                log::error!(target: "voip::engine", "the file thread panicked: {text}");
            }
            end.yes.store(true, Ordering::Release);
            end.signal.notify();
        })?;
        *running = Some(Running { sender: sender.clone(), join, over });
        Ok(sender)
    }

    /// Ends the thread and its recordings; a disk that hangs is waited for until `wait` is over at most.
    pub fn stop(&self, wait: Duration) {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { sender, join, over }) = taken else { return };
        drop(sender);
        let done = || over.yes.load(Ordering::Acquire).then_some(());
        if over.signal.wait(Some(clock::now() + wait), done).is_some() {
            let _ = join.join();
        } else {
            log::warn!(target: "voip::engine", "a recording is still being written");
        }
    }
}

fn run(queue: &Receiver<Box<dyn Job>>, link: &Weak<Link>) {
    let mut jobs: Vec<Box<dyn Job>> = Vec::new();
    let mut open = true;
    while open || !jobs.is_empty() {
        match if jobs.is_empty() {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(ROUND)
        } {
            Ok(job) => jobs.push(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                // Nobody can end what still runs; the taps are gone with their sessions.
                open = false;
            }
        }
        jobs.retain_mut(|job| {
            let finished = job.work() || !open;
            if finished {
                job.finish(link);
            }
            !finished
        });
    }
}

impl Job for Recording {
    fn work(&mut self) -> bool {
        let finished = self.drain.is_finished();
        let mut samples = [0i16; 4096];
        loop {
            let n = self.drain.read(&mut samples);
            self.file.write(samples.get(..n).unwrap_or_default());
            if n < samples.len() {
                return finished || self.drain.is_finished();
            }
        }
    }

    fn finish(&mut self, link: &Weak<Link>) {
        let lost = self.drain.lost_frames();
        let ok = self.file.finish() && lost == 0;
        if lost > 0 {
            log::warn!(target: "voip::engine", "a recording lost {lost} frames: the disk was too slow");
        }
        if let Some(link) = link.upgrade() {
            let frames = self.file.frames();
            let _ = link.post(ToControl::RecordFinished { call: self.call, id: self.id, frames, ok });
        }
    }
}

/// A WAV file that grows: 16 bit PCM, with the sizes put into the header at the end.
pub struct WavFile {
    file: io::BufWriter<File>,
    channels: u16,
    rate: u32,
    samples: u64,
    failed: bool,
}

impl WavFile {
    pub fn create(path: &str, rate: u32, channels: u8) -> Result<WavFile> {
        let file = File::create(path).map_err(|e| Error::system(&format!("creating {path}"), &e))?;
        let channels = u16::from(channels.max(1));
        let mut wav = WavFile {
            file: io::BufWriter::with_capacity(1 << 16, file),
            channels,
            rate,
            samples: 0,
            failed: false,
        };
        let header = wav.header();
        if let Err(e) = wav.file.write_all(&header).and_then(|()| wav.file.flush()) {
            return Err(Error::system(&format!("writing {path}"), &e));
        }
        Ok(wav)
    }

    pub fn frames(&self) -> u64 {
        self.samples / u64::from(self.channels)
    }

    /// Appends samples; what fails is told by `finish`.
    pub fn write(&mut self, samples: &[i16]) {
        // The sizes of the format are 32 bits wide.
        let room = (u64::from(u32::MAX) - HEADER_BYTES as u64) / 2 - self.samples;
        if self.failed || samples.len() as u64 > room {
            self.failed |= !samples.is_empty();
            return;
        }
        for sample in samples {
            self.failed |= self.file.write_all(&sample.to_le_bytes()).is_err();
        }
        self.samples += samples.len() as u64;
    }

    /// False if something of it could not be written.
    pub fn finish(&mut self) -> bool {
        let header = self.header();
        let done = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&header))
            .and_then(|()| self.file.flush());
        if let Err(error) = &done {
            log::error!(target: "voip::engine", "a recording could not be finished: {error}");
        }
        done.is_ok() && !self.failed
    }

    fn header(&self) -> Vec<u8> {
        Format::pcm16(self.rate, self.channels).header(self.samples * 2)
    }
}

pub fn busy() -> Error {
    Error::new(ErrorKind::Limit, "too many recordings start at once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_has_its_sizes_in_the_header_at_the_end() {
        let path = std::env::temp_dir().join(format!("libvoip-rec-{}.wav", std::process::id()));
        let mut wav = WavFile::create(path.to_str().unwrap(), 8000, 2).unwrap();
        wav.write(&[1, -1, 2, -2]);
        assert!(wav.finish());
        assert_eq!(wav.frames(), 2);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bytes.len(), 44 + 8);
        assert_eq!(bytes[4..8], 44u32.to_le_bytes());
        assert_eq!(bytes[22..24], 2u16.to_le_bytes());
        assert_eq!(bytes[24..28], 8000u32.to_le_bytes());
        assert_eq!(bytes[28..32], 32_000u32.to_le_bytes());
        assert_eq!(bytes[40..44], 8u32.to_le_bytes());
        assert_eq!(bytes[44..48], [1, 0, 255, 255]);
    }
}
