//! The measured side: a host of the C API.

// Between two looks of a measuring program nobody waits for anything.
#![allow(clippy::disallowed_methods)]

use super::proc;
use std::ffi::{c_void, CString};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use voip::ffi::*;

static ENDED: AtomicUsize = AtomicUsize::new(0);
static REGISTERED: AtomicUsize = AtomicUsize::new(0);
/// Calls that the caller still has to place.
static LEFT: AtomicI64 = AtomicI64::new(0);
static PHONE: AtomicPtr<voip_phone> = AtomicPtr::new(null_mut());
static TARGET: AtomicPtr<i8> = AtomicPtr::new(null_mut());

pub fn run(role: &str, args: &[String]) {
    let number = |i: usize| args.get(i).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    proc::pin(0);
    match role {
        "callee" => callee(number(0)),
        "caller" => caller(number(0), number(1), number(2)),
        "idle" => idle(),
        "accounts" => accounts(number(0)),
        "phones" => phones(number(0)),
        other => panic!("no role {other}"),
    }
    println!("end");
}

fn ok(status: voip_status) {
    assert_eq!(status, voip_status::VOIP_OK);
}

fn listen() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the other side speaks");
    line.trim().to_owned()
}

fn callbacks() -> voip_callbacks {
    // SAFETY: every field is a number or an optional function, for which zeros are valid.
    let mut table: voip_callbacks = unsafe { std::mem::zeroed() };
    table.size = size_of::<voip_callbacks>();
    table
}

/// `port` 0: no server.
fn phone(max_calls: u32, port: u16, table: &voip_callbacks) -> *mut voip_phone {
    let (mut config, mut phone) = (null_mut(), null_mut());
    let host = CString::new("127.0.0.1").expect("no zero in it");
    // SAFETY: as the header says; all pointers live through the calls.
    unsafe {
        ok(voip_config_new(&mut config));
        ok(voip_config_set_bind(config, host.as_ptr(), 0));
        ok(voip_config_set_max_calls(config, max_calls));
        if port != 0 {
            let (user, password) = (c"alice", c"secret");
            ok(voip_config_set_server(config, host.as_ptr(), i32::from(port)));
            ok(voip_config_set_credentials(config, user.as_ptr(), user.as_ptr(), password.as_ptr()));
        }
        ok(voip_phone_new(config, &mut phone));
        ok(voip_config_free(config));
        ok(voip_phone_set_callbacks(phone, table, null_mut(), None));
        ok(voip_phone_start(phone));
    }
    phone
}

fn port(phone: *mut voip_phone) -> u16 {
    let mut buffer = [0i8; 64];
    let mut needed = 0;
    // SAFETY: the buffer is as long as said.
    let text = unsafe {
        ok(voip_phone_get_local_address(phone, buffer.as_mut_ptr(), buffer.len(), &mut needed));
        std::ffi::CStr::from_ptr(buffer.as_ptr())
    };
    text.to_str().ok().and_then(|t| t.rsplit(':').next()?.parse().ok()).expect("a port")
}

fn wait_for(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(100), "it takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

unsafe extern "C" fn answer(
    _: *mut voip_phone,
    call: *mut voip_call,
    _: *const voip_incoming_call_info,
    _: *mut c_void,
) {
    voip_call_answer(call);
}

unsafe extern "C" fn state(call: *mut voip_call, info: *const voip_call_state_info, _: *mut c_void) {
    match (*info).state {
        voip_call_state::VOIP_CALL_ENDED => {
            ENDED.fetch_add(1, Ordering::SeqCst);
            dial_next();
        }
        voip_call_state::VOIP_CALL_ANSWERED if !TARGET.load(Ordering::Relaxed).is_null() => {
            voip_call_hangup(call);
        }
        _ => {}
    }
}

unsafe extern "C" fn account(_: *mut voip_account, info: *const voip_account_status_info, _: *mut c_void) {
    REGISTERED.fetch_add(usize::from((*info).sip_code == 200), Ordering::SeqCst);
}

fn dial_next() {
    let (phone, target) = (PHONE.load(Ordering::Relaxed), TARGET.load(Ordering::Relaxed));
    if target.is_null() || LEFT.fetch_sub(1, Ordering::SeqCst) <= 0 {
        return;
    }
    let mut call = null_mut();
    // SAFETY: both live as long as the process.
    unsafe {
        ok(voip_phone_dial(phone, target, null(), &mut call));
        ok(voip_call_release(call));
    }
}

/// CPU and threads since it was made.
struct Meter {
    cpu: (f64, f64),
    threads: std::collections::BTreeMap<String, f64>,
    begun: Instant,
}

impl Meter {
    fn new() -> Meter {
        Meter { cpu: proc::cpu_us(), threads: proc::threads_us(), begun: Instant::now() }
    }
    fn say(&self, what: &str, count: usize) {
        let (user, system) = proc::cpu_us();
        let each = |us: f64| us / count as f64;
        println!("count {count}");
        println!("cpu_us_{what} {:.1}", each(user + system - self.cpu.0 - self.cpu.1));
        println!("cpu_user_us_{what} {:.1}", each(user - self.cpu.0));
        println!("cpu_system_us_{what} {:.1}", each(system - self.cpu.1));
        for (name, us) in proc::threads_us().iter().filter(|(name, _)| name.starts_with("voip-")) {
            let before = self.threads.get(name).copied().unwrap_or(0.0);
            println!("cpu_us_{what}_{name} {:.1}", each(us - before));
        }
        println!("seconds {:.2}", self.begun.elapsed().as_secs_f64());
    }
}

fn callee(window: usize) {
    let mut table = callbacks();
    table.on_incoming_call = Some(answer);
    table.on_call_state = Some(state);
    let phone = phone(window as u32 * 4 + 64, 0, &table);
    println!("{}", port(phone));
    assert_eq!(listen(), "begin");
    wait_for(|| ENDED.load(Ordering::SeqCst) >= window * 20);
    let (meter, resident) = (Meter::new(), proc::private_kib());
    println!("begun");
    let count: usize = listen().parse().expect("a number");
    wait_for(|| ENDED.load(Ordering::SeqCst) >= window * 20 + count);
    meter.say("a_call", count);
    // All of their transactions still wait for their timers unless it took longer than those.
    println!(
        "grown_bytes_a_call {:.0}",
        (proc::private_kib() as f64 - resident as f64) * 1024.0 / count as f64
    );
    println!("resident_kib {}", proc::resident_kib());
    println!("end");
    assert_eq!(listen(), "quit");
    // SAFETY: nobody uses it any more.
    unsafe { ok(voip_phone_free(phone)) };
}

fn caller(window: usize, port: usize, count: usize) {
    let mut table = callbacks();
    table.on_call_state = Some(state);
    let phone = phone(window as u32 * 4 + 64, 0, &table);
    let target = CString::new(format!("sip:bob@127.0.0.1:{port}")).expect("no zero in it");
    PHONE.store(phone, Ordering::SeqCst);
    TARGET.store(target.into_raw().cast(), Ordering::SeqCst);
    let round = |count: usize| {
        let before = ENDED.load(Ordering::SeqCst);
        LEFT.store(count as i64, Ordering::SeqCst);
        (0..window).for_each(|_| dial_next());
        wait_for(|| ENDED.load(Ordering::SeqCst) >= before + count);
    };
    round(window * 20);
    let meter = Meter::new();
    round(count);
    meter.say("a_call", count);
    println!("per_second {:.0}", count as f64 / meter.begun.elapsed().as_secs_f64());
    println!("resident_kib {}", proc::resident_kib());
}

fn idle() {
    let server: u16 = listen().parse().expect("a port");
    let mut table = callbacks();
    table.on_account_status = Some(account);
    let bare = proc::resident_kib();
    let begun = Instant::now();
    let phone = phone(64, server, &table);
    println!("start_us {:.0}", begun.elapsed().as_secs_f64() * 1e6);
    wait_for(|| REGISTERED.load(Ordering::SeqCst) == 1);
    assert_eq!(listen(), "look");
    println!("process_kib {bare}");
    println!("resident_kib {}", proc::resident_kib());
    println!("private_kib {}", proc::private_kib());
    // SAFETY: nobody uses it any more.
    unsafe { ok(voip_phone_free(phone)) };
}

fn accounts(count: usize) {
    let server: u16 = listen().parse().expect("a port");
    let mut table = callbacks();
    table.on_account_status = Some(account);
    let phone = phone(64, 0, &table);
    let (mut meter, resident) = (Meter::new(), proc::private_kib());
    for n in 0..count {
        add_account(phone, server, n);
    }
    let mut registered = 0;
    loop {
        if listen() == "quit" {
            break;
        }
        registered += count;
        wait_for(|| REGISTERED.load(Ordering::SeqCst) >= registered);
        meter.say(if registered == count { "a_registration" } else { "a_refresh" }, count);
        let grown = proc::private_kib() as f64 - resident as f64;
        println!("grown_bytes_an_account {:.0}", grown * 1024.0 / count as f64);
        meter = Meter::new();
        println!("end");
    }
    // SAFETY: nobody uses it any more.
    unsafe { ok(voip_phone_free(phone)) };
}

fn add_account(phone: *mut voip_phone, server: u16, n: usize) {
    let (mut config, mut account) = (null_mut(), null_mut());
    let user = CString::new(format!("user{n}")).expect("no zero in it");
    // SAFETY: as the header says; all pointers live through the calls.
    unsafe {
        ok(voip_account_config_new(&mut config));
        ok(voip_account_config_set_server(config, c"127.0.0.1".as_ptr(), i32::from(server)));
        ok(voip_account_config_set_credentials(config, user.as_ptr(), user.as_ptr(), c"secret".as_ptr()));
        // The queue of commands is bounded: a host that is faster than the phone asks again.
        while voip_account_add(phone, config, &mut account) != voip_status::VOIP_OK {
            std::thread::sleep(Duration::from_millis(1));
        }
        ok(voip_account_config_free(config));
    }
}

/// Starts of phones, all of which then live at once.
fn phones(count: usize) {
    let table = callbacks();
    let mut times: Vec<f64> = Vec::with_capacity(count);
    let (meter, resident) = (Meter::new(), proc::private_kib());
    let phones: Vec<_> = (0..count)
        .map(|_| {
            let begun = Instant::now();
            let phone = phone(64, 0, &table);
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            phone
        })
        .collect();
    println!("private_kib_each {}", proc::private_kib().saturating_sub(resident) / count as u64);
    println!("threads {}", std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count));
    for phone in phones {
        // SAFETY: nobody uses it any more.
        unsafe { ok(voip_phone_free(phone)) };
    }
    meter.say("a_phone", count);
    times.sort_by(f64::total_cmp);
    println!("start_us_p50 {:.0}", times[count / 2]);
    println!("start_us_p99 {:.0}", times[count * 99 / 100]);
    println!("threads_after {}", std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count));
}
