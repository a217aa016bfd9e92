//! One phone with thousands of accounts: what their registrar sees over hours.

use super::calls::{address, idle_script};
use super::host::{config, Host};
use super::registrar::Registrar;
use super::registrations::account;
use super::world::{Shared, World};
use std::collections::BTreeMap;
use voip::ua::{AccountConfig, AccountId, AccountStatus, Command};
use voip::util::{Duration, Time};

const HOUR: u64 = 3600;
const TENTH: u64 = 100_000_000;

struct Crowd {
    world: World,
    host: Shared<Host>,
    registrar: Shared<Registrar>,
    count: u64,
}

impl Crowd {
    /// All are told to register at the same instant.
    fn new(seed: u64, count: u64, expires: u32) -> Crowd {
        let mut world = World::new(seed);
        let (a, b) = (world.fork_seed(), world.fork_seed());
        let host = world.add(Host::new(address(1), a, config(), idle_script()));
        let mut registrar = Registrar::new(address(9), b, "right");
        (registrar.challenge, registrar.granted) = (false, expires);
        let registrar = world.add(registrar);
        host.borrow_mut().keep_events = false;
        for n in 0..count {
            let retry_max = Duration::from_secs(300);
            let config = AccountConfig { retry_max, ..account(9, &format!("u{n}"), "right", expires) };
            host.borrow_mut().command(Command::AddAccount { account: AccountId(n), config });
            host.borrow_mut().command(Command::Register { account: AccountId(n) });
        }
        Crowd { world, host, registrar, count }
    }

    fn run_for(&mut self, seconds: u64) {
        self.world.run_for(Duration::from_secs(seconds));
    }

    fn assert_all_bound(&self) {
        let (registrar, host, seed) = (self.registrar.borrow(), self.host.borrow(), self.world.seed);
        let bound = (0..self.count).filter(|n| registrar.is_bound(self.world.now, &format!("u{n}"))).count();
        assert_eq!(bound as u64, self.count, "seed {seed}: bindings at {:?}", self.world.now);
        let registered = |n: &u64| host.status(AccountId(*n)) == Some(AccountStatus::Registered);
        assert_eq!((0..self.count).filter(registered).count() as u64, self.count, "seed {seed}");
    }

    /// How many REGISTERs came in each window of `width` ns that had any, of those since `since`.
    fn by_window(&self, since: Time, width: u64) -> BTreeMap<u64, u64> {
        let mut windows = BTreeMap::new();
        for (at, _) in self.registrar.borrow().log.iter().filter(|(at, _)| *at >= since) {
            *windows.entry(at.since(since).as_nanos() as u64 / width).or_insert(0) += 1;
        }
        windows
    }

    /// No window since then holds more than an even stream of a third more requests would bring by chance (Poisson,
    /// one in a thousand over all windows).
    fn assert_even(&self, since: Time, width: u64) -> f64 {
        let windows = self.by_window(since, width);
        let all = self.world.now.since(since).as_nanos() as u64 / width;
        let mean = windows.values().sum::<u64>() as f64 / all as f64;
        let (busiest, most) = (windows.values().max().copied().unwrap_or(0), chance(mean * 4.0 / 3.0, all));
        assert!(
            busiest <= most,
            "seed {}: {busiest} in {width} ns, {mean:.2} on average, {most} by chance",
            self.world.seed
        );
        busiest as f64 / mean
    }
}

/// The count that one of `windows` exceeds with a probability of a thousandth if they are Poisson with that mean.
fn chance(mean: f64, windows: u64) -> u64 {
    let (mut term, mut below, mut count) = ((-mean).exp(), 0.0, 0);
    while count < mean as u64 || (1.0 - below) * windows as f64 > 1e-3 {
        below += term;
        count += 1;
        term *= mean / count as f64;
    }
    count
}

#[test]
fn ten_thousand_accounts_begin_by_turns_and_refresh_evenly_for_hours() {
    let mut crowd = Crowd::new(41, 10_000, HOUR as u32);
    let began = crowd.world.now;
    crowd.run_for(15);
    crowd.assert_all_bound();
    let busiest = crowd.by_window(began, TENTH).into_values().max();
    assert!(busiest <= Some(210), "seed 41: {busiest:?} first registrations in a tenth of a second");
    crowd.run_for(3 * HOUR);
    crowd.assert_all_bound();
    let since = began + Duration::from_secs(HOUR / 5);
    crowd.assert_even(since, TENTH);
    crowd.assert_even(since, 100 * TENTH);
    let registrar = crowd.registrar.borrow();
    assert_eq!(registrar.lapses, 0, "seed 41");
    // Four and a bit for each; first refreshes come early.
    assert!((38_000..46_000).contains(&registrar.log.len()), "seed 41: {}", registrar.log.len());
}

#[test]
fn a_short_lifetime_is_as_even_by_the_tenth_of_a_second() {
    let mut crowd = Crowd::new(42, 1500, 60);
    crowd.run_for(60);
    let since = crowd.world.now;
    crowd.run_for(240);
    crowd.assert_all_bound();
    let ratio = crowd.assert_even(since, TENTH);
    assert!(ratio < 4.5 && crowd.assert_even(since, 10 * TENTH) < 2.0, "seed 42: {ratio}");
    assert_eq!(crowd.registrar.borrow().lapses, 0, "seed 42");
}

#[test]
fn after_an_outage_there_is_no_herd_and_the_refreshes_are_even_again() {
    let mut crowd = Crowd::new(43, 1000, 600);
    crowd.run_for(300);
    crowd.world.network.cut_off.insert(address(9));
    crowd.run_for(1200);
    crowd.world.network.cut_off.clear();
    let back = crowd.world.now;
    crowd.run_for(320);
    crowd.assert_all_bound();
    let busiest = crowd.by_window(back, TENTH).into_values().max();
    assert!(busiest <= Some(12), "seed 43: {busiest:?} in a tenth of a second when the registrar is back");
    let since = crowd.world.now + Duration::from_secs(300);
    crowd.run_for(1800);
    crowd.assert_all_bound();
    crowd.assert_even(since, TENTH);
    crowd.assert_even(since, 50 * TENTH);
}

#[test]
fn another_lifetime_for_all_finds_them_even_again() {
    let mut crowd = Crowd::new(44, 600, 300);
    crowd.run_for(400);
    // 423 for what is asked for, then a longer lifetime.
    crowd.registrar.borrow_mut().min_expires = 1200;
    crowd.run_for(1800);
    crowd.assert_all_bound();
    assert_eq!(crowd.registrar.borrow().answered(423), 600, "seed 44: each is told once");
    crowd.registrar.borrow_mut().min_expires = 60;
    crowd.registrar.borrow_mut().granted = 120;
    let since = crowd.world.now + Duration::from_secs(1300);
    crowd.run_for(1800);
    crowd.assert_all_bound();
    crowd.assert_even(since, TENTH);
    crowd.assert_even(since, 10 * TENTH);
    assert_eq!(crowd.registrar.borrow().lapses, 0, "seed 44");
}
