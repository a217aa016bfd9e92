//! Any bytes as RTCP: every packet of what is taken can be walked to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voip::proto::rtcp::{Compound, Packet, Rule};

fuzz_target!(|bytes: &[u8]| {
    let strict = Compound::parse(bytes, Rule::Compound);
    let Ok(compound) = Compound::parse(bytes, Rule::ReducedSize) else {
        assert!(strict.is_err());
        return;
    };
    assert!(compound.padding() < bytes.len());
    for packet in compound.packets() {
        match packet {
            Packet::SenderReport(report) => assert!(report.blocks().count() <= 31),
            Packet::ReceiverReport(report) => assert!(report.blocks().count() <= 31),
            Packet::Sdes(sdes) => sdes.chunks().for_each(|c| assert!(c.items().count() <= bytes.len())),
            Packet::Bye(bye) => assert!(bye.sources().count() <= 31),
            Packet::Xr(xr) => assert!(xr.blocks().count() <= bytes.len() / 4),
            Packet::App(_) | Packet::Feedback(_) | Packet::Unknown { .. } => {}
        }
    }
});
