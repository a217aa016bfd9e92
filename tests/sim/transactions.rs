//! The transaction layer alone between two nodes of a bad network.

use super::layer_node::LayerNode;
use super::network::Verdict;
use super::proxy::Proxy;
use super::world::{Shared, World};
use std::net::SocketAddr;
use voip::proto::sip::transaction::TimerName;
use voip::proto::sip::Method;
use voip::util::Duration;

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 5060))
}

fn bad_world(seed: u64) -> (World, Shared<LayerNode>, Shared<LayerNode>) {
    let mut world = World::new(seed);
    world.network.loss = 200;
    world.network.duplicate = 50;
    world.network.reorder = 100;
    world.network.jitter = Duration::from_millis(30);
    let (a, b) = (world.fork_seed(), world.fork_seed());
    let client = world.add(LayerNode::new(address(1), a));
    let server = world.add(LayerNode::new(address(2), b));
    (world, client, server)
}

fn run(seed: u64, method: &Method, count: u32) -> (World, Shared<LayerNode>, Shared<LayerNode>) {
    let (mut world, client, server) = bad_world(seed);
    for _ in 0..count {
        client.borrow_mut().request(address(2), method);
        world.run_for(Duration::from_millis(20));
    }
    world.run_idle(Duration::from_secs(300));
    (world, client, server)
}

#[test]
fn requests_through_loss_end_once_and_leave_nothing() {
    for (seed, method) in [(1, Method::Options), (2, Method::Invite)] {
        let (world, client, server) = run(seed, &method, 2000);
        let (client, server) = (client.borrow(), server.borrow());
        let mut timeouts = 0;
        for outcome in client.outcomes.values() {
            assert_eq!(outcome.ended, 1, "seed {seed}: {outcome:?}");
            match outcome.timeout {
                None => assert_eq!(outcome.finals.len(), 1, "seed {seed}: {outcome:?}"),
                Some(_) => timeouts += 1,
            }
        }
        assert_eq!(client.outcomes.len(), 2000);
        assert!(timeouts < 20, "seed {seed}: {timeouts} of 2000 at {} lost", world.network.lost);
        assert!(world.network.lost > 500, "seed {seed}");
        assert!(server.arrived.values().all(|&n| n == 1), "seed {seed}: one request came up twice");
        assert!(server.arrived.len() > 1980, "seed {seed}");
        assert_eq!(server.servers_ended as usize, server.arrived.len(), "seed {seed}");
        for layer in [&client.layer, &server.layer] {
            let left = (layer.client_count(), layer.server_count(), layer.timer_count());
            assert_eq!(left, (0, 0, 0), "seed {seed}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_doesnt() {
    let print = |seed| run(seed, &Method::Invite, 100).0.fingerprint();
    assert_eq!(print(7), print(7));
    assert_ne!(print(7), print(8));
}

#[test]
fn a_partition_times_out_at_one_side_and_at_the_other_without_an_ack() {
    let (mut world, client, server) = bad_world(3);
    world.network.loss = 0;
    world.network.reorder = 0;
    client.borrow_mut().request(address(2), &Method::Invite);
    world.run_for(Duration::from_millis(90));
    // The 100 is through; the rest of the path breaks.
    world.network.cut_off.insert(address(1));
    world.run_for(Duration::from_secs(100));
    assert_eq!(server.borrow().ack_timeouts, 1, "seed 3: timer H");
    client.borrow_mut().request(address(2), &Method::Options);
    world.run_idle(Duration::from_secs(400));
    let client = client.borrow();
    let timeouts: Vec<_> = client.outcomes.values().map(|o| o.timeout).collect();
    assert_eq!(timeouts, [Some(TimerName::C), Some(TimerName::F)], "seed 3");
    for name in [TimerName::C, TimerName::E, TimerName::F] {
        assert!(client.fired.contains(&name), "seed 3: {name:?}");
    }
}

#[test]
fn through_a_forking_proxy_every_request_has_one_end() {
    for (seed, status) in [(4, 486), (5, 200)] {
        let mut world = World::new(seed);
        world.network.loss = 100;
        world.network.jitter = Duration::from_millis(30);
        let s = world.fork_seed();
        let client = world.add(LayerNode::new(address(1), s));
        for last in [2, 3] {
            let mut server = LayerNode::new(address(last), world.fork_seed());
            server.invite_status = status;
            world.add(server);
        }
        let mut proxy = Proxy::new(address(9), world.fork_seed());
        proxy.users.insert("x".into(), vec![address(2), address(3)]);
        let proxy = world.add(proxy);
        for _ in 0..300 {
            client.borrow_mut().request(address(9), &Method::Invite);
            world.run_for(Duration::from_millis(20));
        }
        world.run_idle(Duration::from_secs(500));
        let client = client.borrow();
        let answered = client.outcomes.values().filter(|o| o.finals.contains(&status)).count();
        // A lost 2xx is its user's to send again, and there is no user here.
        let least = if status == 200 { 270 } else { 295 };
        assert!(answered > least, "seed {seed}: {answered} of 300");
        assert!(client.outcomes.values().all(|o| o.ended == 1), "seed {seed}");
        assert!(proxy.borrow().forwarded["INVITE"] >= 300, "seed {seed}");
    }
}

#[test]
fn a_request_that_comes_long_after_its_copy_was_answered_is_absorbed() {
    let (mut world, client, server) = bad_world(6);
    world.network.loss = 0;
    world.network.duplicate = 0;
    let mut seen = 0;
    world.network.filter = Some(Box::new(move |_, packet| {
        seen += u32::from(packet.word() == "OPTIONS");
        match (seen, packet.word().as_str()) {
            (1, "OPTIONS") => Verdict::Delay(Duration::from_secs(20)),
            _ => Verdict::Pass,
        }
    }));
    client.borrow_mut().request(address(2), &Method::Options);
    world.run_idle(Duration::from_secs(100));
    assert!(server.borrow().arrived.values().all(|&n| n == 1), "seed 6: it came up once");
    assert_eq!(client.borrow().outcomes.values().next().map(|o| o.finals.clone()), Some(vec![200]), "seed 6");
    assert!(client.borrow().layer.counters().stray >= 1, "seed 6: the answer to the late copy");
}
