//! How many SRTP packets a second one core protects and unprotects: libvoip as its media sessions do it, libvoip through
//! its C API, and Debian's libsrtp2 through its own, all in the same run and byte-identical. Time is the thread's own, so that a busy machine does not count; `LIBVOIP_BENCH_RUNS`
//! sets how many runs the medians are of.

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::{null, null_mut};
use voip::ffi::*;
use voip::proto::srtp::{MasterKey, Profile, Protector, Unprotector};

/// Packets of one run: protected one after the other, then unprotected.
const BATCH: usize = 1000;
const PAYLOAD_BYTES: usize = 160;
const HEADER_BYTES: usize = 12;
const ROOM: usize = 32;

/// Profile, the shim's number of it, bytes of the key, bytes of the salt.
const PROFILES: [(voip_srtp_profile, c_int, usize, usize); 6] = [
    (voip_srtp_profile::VOIP_SRTP_AES_CM_128_HMAC_SHA1_80, 1, 16, 14),
    (voip_srtp_profile::VOIP_SRTP_AES_CM_128_HMAC_SHA1_32, 2, 16, 14),
    (voip_srtp_profile::VOIP_SRTP_AES_256_CM_HMAC_SHA1_80, 0x1001, 32, 14),
    (voip_srtp_profile::VOIP_SRTP_AES_256_CM_HMAC_SHA1_32, 0x1002, 32, 14),
    (voip_srtp_profile::VOIP_SRTP_AEAD_AES_128_GCM, 7, 16, 12),
    (voip_srtp_profile::VOIP_SRTP_AEAD_AES_256_GCM, 8, 32, 12),
];

fn main() {
    let runs = std::env::var("LIBVOIP_BENCH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(31);
    let peer = Libsrtp::load();
    let against = match &peer {
        Ok(peer) => peer.version(),
        Err(why) => format!("no libsrtp2: {why}"),
    };
    println!(
        "SRTP packets of {PAYLOAD_BYTES} bytes of payload a second on one core, median of {runs} runs; {against}"
    );
    println!(
        "{:26} {:>10} {:>10} {:>10} {:>6} {:>6}",
        "profile", "libvoip", "C API", "libsrtp2", "ratio", "C API"
    );
    for row in PROFILES {
        profile(row, peer.as_ref().ok(), runs);
    }
}

fn profile(row: (voip_srtp_profile, c_int, usize, usize), peer: Option<&Libsrtp>, runs: usize) {
    let (profile, number, key_bytes, salt_bytes) = row;
    let secret: Vec<u8> = (0..key_bytes + salt_bytes).map(|n| n as u8 * 7 + 3).collect();
    let (key, salt) = secret.split_at(key_bytes);
    let mut ours = Engine::new(profile, key, salt);
    let mut doors = Doors::new(profile, key, salt);
    let mut theirs = peer.and_then(|peer| Theirs::new(peer, number, &secret));
    // Protect and unprotect of each.
    let mut figures = [const { (Vec::new(), Vec::new()) }; 3];
    let mut sequence = 1;
    for _ in 0..runs {
        let plain = packets(sequence);
        sequence = sequence.wrapping_add(BATCH as u16);
        let sealed = round(&mut ours, &plain, &mut figures[0]);
        assert!(sealed == round(&mut doors, &plain, &mut figures[1]), "the C API protects otherwise");
        if let Some(theirs) = &mut theirs {
            assert!(sealed == round(theirs, &plain, &mut figures[2]), "libsrtp2 protects otherwise");
        }
    }
    // SAFETY: a static string.
    let name = unsafe { CStr::from_ptr(voip_srtp_profile_name(profile as i32)) }.to_string_lossy();
    let [ours, doors, theirs] = figures.map(|(protect, unprotect)| (median(protect), median(unprotect)));
    print_row(&format!("{name}"), ours.0, doors.0, theirs.0);
    print_row("  unprotect", ours.1, doors.1, theirs.1);
}

fn print_row(what: &str, ours: f64, doors: f64, theirs: f64) {
    let rate = |ns: f64| if ns.is_finite() { format!("{:.0}", 1e9 / ns) } else { "none".into() };
    let ratio = |ns: f64| if theirs.is_finite() { format!("{:.2}", theirs / ns) } else { "-".into() };
    println!(
        "{what:26} {:>10} {:>10} {:>10} {:>6} {:>6}",
        rate(ours),
        rate(doors),
        rate(theirs),
        ratio(ours),
        ratio(doors)
    );
}

/// One packet after the other, as a stream has them.
fn packets(first: u16) -> Vec<Packet> {
    let make = |n: usize| {
        let mut bytes = [0; HEADER_BYTES + PAYLOAD_BYTES + ROOM];
        let sequence = first.wrapping_add(n as u16);
        bytes[0] = 0x80;
        bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        bytes[8..12].copy_from_slice(&0x1122_3344u32.to_be_bytes());
        bytes[HEADER_BYTES..HEADER_BYTES + PAYLOAD_BYTES].fill(n as u8);
        Packet { bytes, len: HEADER_BYTES + PAYLOAD_BYTES }
    };
    (0..BATCH).map(make).collect()
}

#[derive(Clone)]
struct Packet {
    bytes: [u8; HEADER_BYTES + PAYLOAD_BYTES + ROOM],
    len: usize,
}

impl PartialEq for Packet {
    fn eq(&self, other: &Packet) -> bool {
        self.bytes[..self.len] == other.bytes[..other.len]
    }
}

trait Srtp {
    fn protect(&mut self, packet: &mut Packet);
    fn unprotect(&mut self, packet: &mut Packet);
}

/// Protects and unprotects copies of the packets and gives what went over the wire; the figures are nanoseconds a packet.
fn round(srtp: &mut impl Srtp, plain: &[Packet], figures: &mut (Vec<f64>, Vec<f64>)) -> Vec<Packet> {
    let mut packets = plain.to_vec();
    let start = thread_time();
    packets.iter_mut().for_each(|p| srtp.protect(p));
    figures.0.push((thread_time() - start) / BATCH as f64);
    let sealed = packets.clone();
    let start = thread_time();
    packets.iter_mut().for_each(|p| srtp.unprotect(p));
    figures.1.push((thread_time() - start) / BATCH as f64);
    assert!(packets == plain, "unprotected is not what was protected");
    sealed
}

/// Nanoseconds that this thread has had of a processor.
fn thread_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::INFINITY)
}

/// What a media session has.
struct Engine(Protector, Unprotector);

impl Engine {
    fn new(profile: voip_srtp_profile, key: &[u8], salt: &[u8]) -> Engine {
        // SAFETY: a static string.
        let name = unsafe { CStr::from_ptr(voip_srtp_profile_name(profile as i32)) }.to_string_lossy();
        let profile = Profile::from_name(&name).expect("a profile");
        let master = MasterKey::new(profile, key, salt, &[]).expect("a key of its length");
        Engine(
            Protector::new(&master).expect("a protector"),
            Unprotector::new(&master).expect("an unprotector"),
        )
    }
}

impl Srtp for Engine {
    fn protect(&mut self, packet: &mut Packet) {
        packet.len = self.0.protect_rtp(&mut packet.bytes, packet.len).expect("a packet");
    }
    fn unprotect(&mut self, packet: &mut Packet) {
        packet.len = self.1.unprotect_rtp(&mut packet.bytes[..packet.len]).expect("a packet");
    }
}

/// Two contexts of the C API.
struct Doors([*mut voip_srtp; 2]);

impl Doors {
    fn new(profile: voip_srtp_profile, key: &[u8], salt: &[u8]) -> Doors {
        let make = |direction: voip_srtp_direction| {
            let mut made = null_mut();
            // SAFETY: pointers with their lengths.
            let status = unsafe {
                let (key, salt) = ((key.as_ptr(), key.len()), (salt.as_ptr(), salt.len()));
                voip_srtp_new(
                    profile as i32,
                    direction as i32,
                    key.0,
                    key.1,
                    salt.0,
                    salt.1,
                    null(),
                    0,
                    &mut made,
                )
            };
            assert!(status == voip_status::VOIP_OK);
            made
        };
        Doors([make(voip_srtp_direction::VOIP_SRTP_SEND), make(voip_srtp_direction::VOIP_SRTP_RECEIVE)])
    }
}

impl Srtp for Doors {
    fn protect(&mut self, packet: &mut Packet) {
        // SAFETY: the buffer with its length.
        let status = unsafe {
            voip_srtp_protect(self.0[0], packet.bytes.as_mut_ptr(), &mut packet.len, packet.bytes.len())
        };
        assert!(status == voip_status::VOIP_OK);
    }
    fn unprotect(&mut self, packet: &mut Packet) {
        // SAFETY: as above.
        let status = unsafe { voip_srtp_unprotect(self.0[1], packet.bytes.as_mut_ptr(), &mut packet.len) };
        assert!(status == voip_status::VOIP_OK);
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        // SAFETY: handles of ours.
        self.0
            .iter()
            .for_each(|&context| assert!(unsafe { voip_srtp_free(context) } == voip_status::VOIP_OK));
    }
}

/// The shim `benches/libsrtp2.c`, made into a shared object and loaded.
struct Libsrtp {
    new: unsafe extern "C" fn(c_int, *mut u8, c_int) -> *mut c_void,
    protect: unsafe extern "C" fn(*mut c_void, *mut u8, c_int) -> c_int,
    unprotect: unsafe extern "C" fn(*mut c_void, *mut u8, c_int) -> c_int,
    free: unsafe extern "C" fn(*mut c_void),
    version: unsafe extern "C" fn() -> *const c_char,
}

impl Libsrtp {
    fn load() -> Result<Libsrtp, String> {
        let object = compile()?;
        let path = CString::new(object.as_os_str().as_encoded_bytes()).map_err(|e| e.to_string())?;
        // SAFETY: a path with its NUL.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            return Err("it cannot be loaded".into());
        }
        // SAFETY: the shim defines these functions with these types.
        unsafe {
            let find = |name: &CStr| libc::dlsym(library, name.as_ptr());
            Ok(Libsrtp {
                new: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(_, _, _) -> _>(find(
                    c"peer_new",
                )),
                protect: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(_, _, _) -> _>(find(
                    c"peer_protect",
                )),
                unprotect: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(_, _, _) -> _>(find(
                    c"peer_unprotect",
                )),
                free: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(_)>(find(c"peer_free")),
                version: std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> _>(find(
                    c"peer_version",
                )),
            })
        }
    }

    fn version(&self) -> String {
        // SAFETY: a static string.
        unsafe { CStr::from_ptr((self.version)()) }.to_string_lossy().into_owned()
    }
}

fn compile() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/libsrtp2.c");
    let object = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libsrtp2-shim.so");
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&object).arg(source).arg("-lsrtp2");
    match cc.output() {
        Ok(done) if done.status.success() => Ok(object),
        Ok(_) => Err("libsrtp2-dev is not installed".into()),
        Err(e) => Err(format!("cc: {e}")),
    }
}

/// Two sessions of libsrtp2.
struct Theirs<'a> {
    peer: &'a Libsrtp,
    sessions: [*mut c_void; 2],
}

impl Theirs<'_> {
    fn new<'a>(peer: &'a Libsrtp, profile: c_int, secret: &[u8]) -> Option<Theirs<'a>> {
        let mut secret = secret.to_vec();
        // SAFETY: the secret has the length that the profile says.
        let sessions = [0, 1].map(|inbound| unsafe { (peer.new)(profile, secret.as_mut_ptr(), inbound) });
        (!sessions.iter().any(|s| s.is_null())).then_some(Theirs { peer, sessions })
    }
}

impl Srtp for Theirs<'_> {
    fn protect(&mut self, packet: &mut Packet) {
        // SAFETY: the buffer has room for the tag.
        let len =
            unsafe { (self.peer.protect)(self.sessions[0], packet.bytes.as_mut_ptr(), packet.len as c_int) };
        packet.len = usize::try_from(len).expect("libsrtp2 protects");
    }
    fn unprotect(&mut self, packet: &mut Packet) {
        // SAFETY: as above.
        let len = unsafe {
            (self.peer.unprotect)(self.sessions[1], packet.bytes.as_mut_ptr(), packet.len as c_int)
        };
        packet.len = usize::try_from(len).expect("libsrtp2 unprotects");
    }
}

impl Drop for Theirs<'_> {
    fn drop(&mut self) {
        // SAFETY: sessions of ours.
        self.sessions.iter().for_each(|&session| unsafe { (self.peer.free)(session) });
    }
}
