//! Link arguments of the shared object, and the C header.
//!
//! The header is made into OUT_DIR on every change of `src/ffi`; `tests/header.rs` holds `include/voip.h`
//! against it. `VOIP_UPDATE_HEADER=1 cargo build` writes it.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libvoip.so.0");
    // Our threads must survive a dlclose of the host.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,relro,-z,now");
    layout();
    header();
}

/// Puts the functions that phones and calls run next to each other (`benches/layout.py`). GNU ld and lld take the
/// script; for a linker that doesn't, VOIP_PLAIN_LAYOUT=1.
fn layout() {
    println!("cargo:rerun-if-changed=tools/layout.ld");
    println!("cargo:rerun-if-env-changed=VOIP_PLAIN_LAYOUT");
    let is = |name, wanted| std::env::var(name).is_ok_and(|value| value == wanted);
    let plain = std::env::var_os("VOIP_PLAIN_LAYOUT").is_some();
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && !plain {
        let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        println!("cargo:rustc-cdylib-link-arg=-T{root}/tools/layout.ld");
    }
}

fn header() {
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src/ffi");
    println!("cargo:rerun-if-env-changed=VOIP_UPDATE_HEADER");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let made = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("voip.h");
    println!("cargo:rustc-env=VOIP_MADE_HEADER={}", made.display());
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources(&root.join("src/ffi")) {
        builder = builder.with_src(source);
    }
    match builder.generate() {
        Ok(bindings) => {
            bindings.write_to_file(&made);
        }
        // The compiler will say it better, with a place.
        Err(error) => {
            println!("cargo:warning=the header was not made: {error}");
            return;
        }
    }
    if std::env::var_os("VOIP_UPDATE_HEADER").is_some() {
        let include = root.join("include");
        std::fs::create_dir_all(&include).expect("include/ can be made");
        std::fs::copy(&made, include.join("voip.h")).expect("include/voip.h can be written");
    }
}

/// The files in the order in which `mod.rs` names them would change with every rename: by noun instead.
fn sources(dir: &Path) -> Vec<PathBuf> {
    const ORDER: &[&str] = &[
        "types",
        "library",
        "error",
        "sip_status",
        "log",
        "callbacks",
        "config",
        "config_media",
        "config_tls",
        "network",
        "account_config",
        "phone",
        "message",
        "phone_info",
        "account",
        "call",
        "call_info",
        "call_srtp",
        "call_end",
        "audio",
        "call_rtp",
        "dtmf",
        "voice",
        "player",
        "playback",
        "recorder",
        "capture",
        "stats",
        "sip_message",
        "sip_digest",
        "rtp_protocol",
        "sdp",
        "sdp_negotiate",
        "rtp_packet",
        "payload",
        "telephone_event",
        "rtcp",
        "rtcp_write",
        "srtp",
        "stun",
        "stun_builder",
        "stun_query",
        "pcm_buffer",
        "rtp_session",
        "rtp_session_options",
        "rtp_session_audio",
        "rtp_session_info",
        "rtp_mux",
        "sync_group",
        "dtmf_tone",
        "codec",
        "wav",
    ];
    ORDER.iter().map(|name| dir.join(name).with_extension("rs")).filter(|path| path.exists()).collect()
}
