//! Worlds that are worse than any real one: bytes change on their way, half of them are lost, hosts do
//! what comes to their mind. No agent falls over, and nothing is left in the end.

use super::calls::{address, answering, erratic, ms};
use super::host::{config, Host};
use super::registrar::Registrar;
use super::registrations::account;
use super::wire::{sdp, Ask, Wire};
use super::world::World;
use voip::proto::sip::Method;
use voip::ua::{AccountId, AgentConfig, Command};
use voip::util::Duration;

fn chaos(seed: u64, calls: u32, spoil: impl Fn(&mut World)) {
    let mut world = World::new(seed);
    world.network.jitter = ms(40);
    spoil(&mut world);
    let mut hosts = Vec::new();
    for last in 1..=3 {
        let s = world.fork_seed();
        let host = world.add(Host::new(address(last), s, config(), erratic()));
        host.borrow_mut().keep_events = false;
        hosts.push(host);
    }
    let s = world.fork_seed();
    world.add(Registrar::new(address(9), s, "right"));
    let config = account(9, "alice", "right", 60);
    hosts[0].borrow_mut().command(Command::AddAccount { account: AccountId(1), config });
    hosts[0].borrow_mut().command(Command::Register { account: AccountId(1) });
    for i in 0..calls {
        let (from, to) = (i as usize % 3, (i + 1 + i / 3 % 2) % 3 + 1);
        let account = (from == 0).then_some(AccountId(1)).filter(|_| i % 4 == 0);
        hosts[from].borrow_mut().dial(account, &format!("sip:x@{}", address(to as u8)));
        world.run_for(ms(20));
    }
    world.run_for(Duration::from_secs(400));
    hosts[0].borrow_mut().command(Command::RemoveAccount { account: AccountId(1) });
    world.run_idle(Duration::from_secs(400));
    for host in &hosts {
        host.borrow().assert_nothing_left();
    }
}

#[test]
fn bytes_that_change_on_their_way_leave_nothing_behind() {
    for seed in 101..105 {
        chaos(seed, 500, |world| {
            world.network.corrupt = 100;
            world.network.loss = 100;
        });
    }
}

#[test]
fn half_of_everything_lost_leaves_nothing_behind() {
    for seed in 111..115 {
        chaos(seed, 500, |world| {
            world.network.loss = 500;
            world.network.duplicate = 200;
            world.network.reorder = 300;
        });
    }
}

#[test]
fn delays_beyond_every_timer_leave_nothing_behind() {
    for seed in 121..123 {
        chaos(seed, 300, |world| {
            world.network.reorder = 200;
            world.network.delay = Duration::from_secs(5);
        });
    }
}

#[test]
fn a_flood_of_strangers_fills_no_table_beyond_its_bound() {
    let seed = 131;
    let mut world = World::new(seed);
    let settings = AgentConfig { max_calls: 50, max_transactions: 200, ..config() };
    let host = world.add(Host::new(address(1), seed, settings, answering(10)));
    let wire = world.add(Wire::silent(address(2)));
    let offer = sdp(address(2), "sendrecv");
    let (from, to) = (address(2), address(1));
    for n in 0..5000_u32 {
        let id = format!("flood-{n}");
        let method = [Method::Invite, Method::Options, Method::Bye, Method::Cancel][n as usize % 4].clone();
        let ask = Ask {
            method: &method,
            from,
            to,
            branch: &id,
            call_id: &id,
            cseq: 1,
            to_tag: "",
            sdp: None,
            extra: "",
        };
        let sdp = (method == Method::Invite).then_some(offer.as_str());
        wire.borrow_mut().send(to, Ask { sdp, ..ask }.text());
        wire.borrow_mut().send(to, format!("{id}\0\u{ff}").repeat(n as usize % 50));
        world.run_for(Duration::from_micros(500));
        let stats = host.borrow().agent.stats();
        assert!(stats.calls <= 50, "seed {seed}: {stats:?}");
        // 200 under way, and eight times as many that are finished and wait for their last timers.
        assert!(
            stats.server_transactions <= 200 * 9 && stats.client_transactions <= 200,
            "seed {seed}: {stats:?}"
        );
    }
    let refused = wire.borrow().count("503 INVITE") + wire.borrow().count("486 INVITE");
    assert!(refused > 500, "seed {seed}: {refused} of 1250");
    world.run_idle(Duration::from_secs(400));
    let host = host.borrow();
    assert!(host.agent.stats().unparsable > 4000, "seed {seed}: {:?}", host.agent.stats());
    host.assert_nothing_left();
}
