//! Registrations over days of virtual time.

use super::calls::{address, bad_world, idle_script, ms};
use super::host::{config, Host};
use super::registrar::{Mood, Registrar, REALM};
use super::world::{Shared, World};
use voip::proto::sip::auth::{Credentials, Secret};
use voip::proto::sip::Transport;
use voip::ua::{AccountConfig, AccountId, AccountStatus, Command};
use voip::util::Duration;

const ACCOUNT: AccountId = AccountId(1);
const DAY: u64 = 24 * 3600;

pub fn account(server: u8, user: &str, password: &str, expires: u32) -> AccountConfig {
    AccountConfig {
        server: address(server).ip().to_string(),
        port: address(server).port(),
        transport: Transport::Udp,
        user: user.into(),
        display_name: None,
        credentials: vec![Credentials {
            realm: Some(REALM.into()),
            user: user.into(),
            secret: Secret::Password(password.to_owned().into()),
        }],
        register: true,
        expires,
        outbound_proxy: None,
        retry_min: Duration::from_secs(2),
        retry_max: Duration::from_secs(60),
        srtp: None,
    }
}

fn registered(mut world: World, password: &str, expires: u32) -> (World, Shared<Host>, Shared<Registrar>) {
    let (a, b) = (world.fork_seed(), world.fork_seed());
    let host = world.add(Host::new(address(1), a, config(), idle_script()));
    let registrar = world.add(Registrar::new(address(9), b, "right"));
    let config = account(9, "alice", password, expires);
    host.borrow_mut().command(Command::AddAccount { account: ACCOUNT, config });
    host.borrow_mut().command(Command::Register { account: ACCOUNT });
    (world, host, registrar)
}

#[test]
fn a_day_of_refreshes_never_lapses() {
    let (mut world, host, registrar) = registered(World::new(31), "right", 120);
    world.run_for(Duration::from_secs(1));
    while world.now.as_millis() < (1000 + DAY) * 1000 {
        assert!(registrar.borrow().is_bound(world.now, "alice"), "seed 31: lapsed at {:?}", world.now);
        assert_eq!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 31");
        world.run_for(Duration::from_secs(10));
    }
    let refreshes = registrar.borrow().answered(200);
    assert!((700..2000).contains(&refreshes), "seed 31: {refreshes} in a day at 120 s");
}

#[test]
fn what_is_said_to_be_registered_is_registered_through_loss() {
    let (mut world, host, registrar) = registered(bad_world(32), "right", 120);
    world.run_for(Duration::from_secs(40));
    let mut lapsed = 0;
    for _ in 0..DAY / 10 {
        let says = host.borrow().status(ACCOUNT) == Some(AccountStatus::Registered);
        let is = registrar.borrow().is_bound(world.now, "alice");
        lapsed += u32::from(!is);
        assert!(is || !says, "seed 32: REGISTERED without a binding at {:?}", world.now);
        world.run_for(Duration::from_secs(10));
    }
    assert!(lapsed < 20, "seed 32: lapsed in {lapsed} of 8640 looks");
    assert_eq!(registrar.borrow().answered(403), 0, "seed 32");
}

#[test]
fn stale_nonces_are_answered_without_a_lapse() {
    let (mut world, host, registrar) = registered(World::new(33), "right", 120);
    registrar.borrow_mut().nonce_uses = 2;
    world.run_for(Duration::from_secs(DAY / 4));
    assert_eq!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 33");
    let registrar = registrar.borrow();
    assert!(registrar.answered(401) > 50 && registrar.answered(200) > 100, "seed 33");
    assert_eq!(registrar.answered(403), 0, "seed 33");
}

#[test]
fn wrong_credentials_are_final_and_bring_no_storm() {
    let (mut world, host, registrar) = registered(World::new(34), "wrong", 120);
    world.run_for(Duration::from_secs(DAY));
    assert_eq!(host.borrow().status(ACCOUNT), Some(AccountStatus::Failed), "seed 34");
    let seen = registrar.borrow().log.len();
    assert!(seen <= 2, "seed 34: {seen} REGISTERs with a wrong password");
}

#[test]
fn an_expiry_too_short_is_raised_and_one_granted_is_kept() {
    let (mut world, host, registrar) = registered(World::new(35), "right", 20);
    registrar.borrow_mut().min_expires = 90;
    registrar.borrow_mut().granted = 90;
    world.run_for(Duration::from_secs(3600));
    assert_eq!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 35");
    let registrar = registrar.borrow();
    assert!(registrar.answered(423) >= 1, "seed 35");
    assert!(registrar.is_bound(world.now, "alice"), "seed 35");
    let refreshes = registrar.answered(200);
    assert!((39..120).contains(&refreshes), "seed 35: {refreshes} in an hour at 90 s");
}

#[test]
fn retry_after_is_waited_for() {
    let (mut world, host, registrar) = registered(World::new(36), "right", 120);
    registrar.borrow_mut().moods.push_back(Mood::Refuse(503, Some(100)));
    world.run_for(Duration::from_secs(99));
    assert_eq!(registrar.borrow().log.len(), 1, "seed 36: nothing before Retry-After");
    assert_ne!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 36");
    world.run_for(Duration::from_secs(60));
    assert_eq!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 36");
}

#[test]
fn a_registrar_that_falls_silent_is_noticed_and_found_again() {
    let (mut world, host, _registrar) = registered(World::new(37), "right", 120);
    world.run_for(Duration::from_secs(10));
    assert_eq!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 37");
    world.network.cut_off.insert(address(9));
    world.run_for(Duration::from_secs(200));
    assert_ne!(
        host.borrow().status(ACCOUNT),
        Some(AccountStatus::Registered),
        "seed 37: the binding is gone"
    );
    world.network.cut_off.clear();
    world.run_for(Duration::from_secs(120));
    assert_eq!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 37");
}

#[test]
fn a_binding_that_the_registrar_forgot_is_made_again() {
    let (mut world, _host, registrar) = registered(World::new(38), "right", 120);
    world.run_for(Duration::from_secs(10));
    registrar.borrow_mut().bindings.clear();
    world.run_for(Duration::from_secs(120));
    assert!(registrar.borrow().is_bound(world.now, "alice"), "seed 38");
}

#[test]
fn a_removed_account_leaves_no_binding_and_nothing_to_do() {
    let (mut world, host, registrar) = registered(World::new(39), "right", 120);
    world.run_for(Duration::from_secs(10));
    assert!(registrar.borrow().is_bound(world.now, "alice"), "seed 39");
    host.borrow_mut().command(Command::RemoveAccount { account: ACCOUNT });
    world.run_idle(Duration::from_secs(100));
    assert!(!registrar.borrow().is_bound(world.now, "alice"), "seed 39");
    assert_eq!(host.borrow().agent.stats().accounts, 0, "seed 39");
    host.borrow().assert_nothing_left();
}

#[test]
fn a_registrar_out_of_sorts_is_asked_again_with_growing_patience() {
    let (mut world, host, registrar) = registered(World::new(40), "right", 120);
    let moods = (0..6).map(|i| if i % 2 == 0 { Mood::Refuse(500, None) } else { Mood::Silent });
    registrar.borrow_mut().moods.extend(moods);
    world.run_for(ms(500));
    assert_ne!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 40");
    world.run_for(Duration::from_secs(600));
    assert_eq!(host.borrow().status(ACCOUNT), Some(AccountStatus::Registered), "seed 40");
}
