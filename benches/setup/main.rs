//! What set-up, registrations and idling cost a whole phone, measured in a process of its own.
//!
//! `cargo bench --bench setup -- [callee|caller|accounts|idle|phones] [count]` prints `key value` lines. The measured
//! side is a child of this program that uses the C API as a host does, pinned to one core; the load side sends prepared
//! messages from another core. CPU is the kernel's account of the child, resident memory its own `smaps_rollup`.

mod child;
mod load;
mod proc;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let word = |i: usize| args.get(i).map(String::as_str);
    if word(0) == Some("child") {
        return child::run(word(1).unwrap_or_default(), &args[2..]);
    }
    let wanted = |name: &str| word(0).is_none() || word(0) == Some(name);
    let count = |default: usize| word(1).and_then(|n| n.parse().ok()).unwrap_or(default);
    proc::pin(1);
    if wanted("idle") {
        idle();
    }
    if wanted("phones") {
        phones(count(200));
    }
    for window in [1, 16, 128] {
        if wanted("callee") {
            callee(count(20_000), window);
        }
        if wanted("caller") {
            caller(count(20_000), window);
        }
    }
    if wanted("accounts") {
        for n in [10, 100, 1000, count(10_000)] {
            accounts(n);
        }
    }
}

/// A child of this program, and what it says.
struct Measured {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    prefix: String,
}

impl Measured {
    fn start(prefix: &str, args: &[&str]) -> Measured {
        let program = std::env::current_exe().expect("our own path");
        let mut command = Command::new(program);
        command.arg("child").args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Measured { child, lines, prefix: prefix.to_owned() }
    }
    fn line(&mut self) -> String {
        self.lines.next().expect("a line of the child").expect("text")
    }
    fn port(&mut self) -> u16 {
        self.line().parse().expect("the port of the child")
    }
    fn tell(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("its input");
        writeln!(stdin, "{text}").expect("the child listens");
    }
    /// Prints the `key value` lines up to `end` under this row's name.
    fn report(&mut self) {
        loop {
            let line = self.line();
            if line == "end" {
                return;
            }
            println!("setup_{}_{line}", self.prefix);
        }
    }
    fn finish(mut self) {
        self.report();
        assert!(self.child.wait().expect("it ends").success());
    }
}

fn idle() {
    let mut row = Measured::start("idle", &["idle"]);
    let mut registrar = load::Registrar::new();
    row.tell(&registrar.port().to_string());
    registrar.serve_until(1, 1);
    row.tell("look");
    row.finish();
}

fn phones(count: usize) {
    Measured::start("phones", &["phones", &count.to_string()]).finish();
}

fn callee(count: usize, window: usize) {
    let mut row = Measured::start(&format!("callee_{window}"), &["callee", &window.to_string()]);
    let port = row.port();
    let mut load = load::Caller::new(port, window);
    load.run(window * 20);
    row.tell("begin");
    assert_eq!(row.line(), "begun");
    let rate = load.run(count);
    row.tell(&count.to_string());
    row.report();
    println!("setup_callee_{window}_per_second {rate:.0}");
    println!("setup_callee_{window}_retransmissions {}", load.again);
    row.tell("quit");
    row.finish();
}

fn caller(count: usize, window: usize) {
    let mut callee = load::Callee::new();
    let args = ["caller", &window.to_string(), &callee.port().to_string(), &count.to_string()];
    let row = Measured::start(&format!("caller_{window}"), &args);
    callee.serve(count + window * 20);
    row.finish();
}

fn accounts(count: usize) {
    let mut row = Measured::start(&format!("accounts_{count}"), &["accounts", &count.to_string()]);
    let mut registrar = load::Registrar::new();
    row.tell(&registrar.port().to_string());
    registrar.serve_until(count, count);
    row.tell("look");
    row.report();
    // Each is refreshed once more: the grants are short.
    registrar.serve_until(count, 2 * count);
    row.tell("look");
    row.report();
    println!("setup_accounts_{count}_most_in_100_ms {}", registrar.most_in_100_ms());
    row.tell("quit");
    row.finish();
}
