// voip.hpp: a call between two phones in this program, with exceptions, functions and owned handles.

#include "voip.hpp"
#include "check.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace {

struct Seen {
    std::mutex lock;
    std::condition_variable changed;
    int ended = 0;
    int exceptions = 0;
    std::string digits, message;
    int marks = 0, voices = 0, heard = 0, packets = 0, results = 0;

    template <typename Change> void note(Change change) {
        std::lock_guard<std::mutex> guard(lock);
        change(*this);
        changed.notify_all();
    }
    template <typename Ready> bool wait(Ready ready) {
        std::unique_lock<std::mutex> guard(lock);
        return changed.wait_for(guard, std::chrono::seconds(30), [&] { return ready(*this); });
    }
};

voip::Config local() {
    voip::Config config;
    config.bind("127.0.0.1", 0).rtp_ports(20000, 39998).user_agent("cpp/1");
    return config;
}

void failures_are_exceptions() {
    try {
        local().ptime(25);
        CHECK(!"no exception");
    } catch (const voip::error &error) {
        CHECK(error.status() == VOIP_ERR_RANGE);
        CHECK(std::string(error.what()).find("25") != std::string::npos);
        CHECK(std::string(error.name()) == "VOIP_ERR_RANGE");
    }
}

void a_call() {
    Seen caller, callee;
    voip::Phone a(local()), b(local());
    voip::Events events;
    events.on_incoming_call = [](voip::Call call, const voip_incoming_call_info &info) {
        CHECK(info.remote_uri != nullptr);
        call.answer();
    };
    events.on_dtmf = [&](voip::Call, const voip_dtmf_info &info) { callee.note([&](Seen &s) { s.digits += info.digit; }); };
    events.on_call_state = [&](voip::Call call, const voip_call_state_info &info) {
        if (info.state == VOIP_CALL_ENDED) {
            callee.note([](Seen &s) { s.ended++; });
        }
        call.wait_state(VOIP_CALL_ENDED); // throws: not inside a callback
    };
    events.on_exception = [&](const std::exception &) { callee.note([](Seen &s) { s.exceptions++; }); };
    b.set_events(std::move(events));
    voip::Events other;
    other.on_call_state = [&](voip::Call, const voip_call_state_info &info) {
        if (info.state == VOIP_CALL_ENDED) {
            caller.note([](Seen &s) { s.ended++; });
        }
    };
    a.set_events(std::move(other));
    a.start();
    b.start();
    CHECK(a.status() == VOIP_PHONE_RUNNING);

    voip::Call call = a.dial("sip:b@" + b.local_address());
    CHECK(call.wait_state(VOIP_CALL_ANSWERED, 30000));
    voip::Call same = call;
    CHECK(same == call && static_cast<bool>(same));
    CHECK(call.info().direction == VOIP_CALL_OUTGOING);
    CHECK(!call.end());
    CHECK(call.remote_uri().find(b.local_address()) != std::string::npos);
    CHECK(call.header("x-none") == std::nullopt);
    CHECK(call.header("Call-ID").value() == call.id());
    CHECK(call.codec() == "PCMU");
    CHECK(call.write_audio(std::vector<int16_t>(320)) == 320);
    CHECK(!call.read_audio(160, 30000).empty());
    call.send_dtmf("12", VOIP_DTMF_RTP, 60, 50);
    CHECK(callee.wait([](Seen &s) { return s.digits == "12"; }));
    call.hangup();
    CHECK(call.wait_state(VOIP_CALL_ENDED, 30000));
    CHECK(same.end()->cause == VOIP_END_HANGUP);
    CHECK(caller.wait([](Seen &s) { return s.ended == 1; }));
    CHECK(callee.wait([](Seen &s) { return s.ended == 1 && s.exceptions >= 1; }));
    call.reset();
    CHECK(!call);
    CHECK(same.state() == VOIP_CALL_ENDED);
    CHECK(!a.wait_call(0));
    a.stop(1000);
    CHECK(a.wait_stopped(30000));
}

/// Messages, and what a call's media thread and playback tell.
void what_passes() {
    Seen seen;
    voip::Phone a(local()), b(local());
    voip::Events events;
    events.on_incoming_call = [](voip::Call call, const voip_incoming_call_info &) { call.answer(); };
    events.on_message = [&](const voip_message_info &info) {
        seen.note([&](Seen &s) { s.message.assign(reinterpret_cast<const char *>(info.body), info.body_len); });
    };
    b.set_events(std::move(events));
    voip::Events own;
    own.on_message_result = [&](const voip_message_result_info &info) { seen.note([&](Seen &s) { s.results += info.sip_code == 200; }); };
    own.on_playback_mark = [&](voip::Call, const voip_playback_mark_info &info) {
        seen.note([&](Seen &s) { s.marks += info.reached && info.mark == 7; });
    };
    own.on_voice_activity = [&](voip::Call, const voip_voice_info &info) { seen.note([&](Seen &s) { s.voices += info.speaking; }); };
    a.set_events(std::move(own));
    a.start();
    b.start();
    CHECK(a.send_message("sip:b@" + b.local_address(), "hello") != 0);
    CHECK(seen.wait([](Seen &s) { return s.message == "hello" && s.results == 1; }));

    voip::Call call = a.dial("sip:b@" + b.local_address());
    CHECK(call.wait_state(VOIP_CALL_ANSWERED, 30000));
    voip::Call other = a.dial("sip:b@" + b.local_address());
    CHECK(other.wait_state(VOIP_CALL_ANSWERED, 30000));
    call.set_audio_tap([&](bool sent, const void *pcm, size_t frames) {
        seen.note([&](Seen &s) { s.heard += !sent && pcm != nullptr && frames > 0; });
    });
    call.set_rtp_filter([&](bool sent, uint8_t *packet, size_t len, size_t capacity) {
        seen.note([&](Seen &s) { s.packets += sent && packet[0] >> 6 == 2 && len < capacity; });
        return len;
    });
    call.set_vad();
    call.write_audio(std::vector<int16_t>(800));
    call.play_mark(7);
    CHECK(seen.wait([](Seen &s) { return s.marks == 1 && s.heard > 5 && s.packets > 5; }));
    CHECK(call.playback().sent_frames == 800);
    call.set_audio_tap({});
    call.set_rtp_filter({});
    call.play_tone(440, 0);
    call.clear_playback();
    call.stop_vad();
    call.transfer_to(other);
    call.hangup();
    CHECK(call.wait_state(VOIP_CALL_ENDED, 30000));
}

void an_account() {
    voip::Phone phone(local());
    phone.start();
    voip::AccountConfig config;
    config.server("127.0.0.1", 9).credentials("alice", "x").register_account(false).display_name("Alice");
    voip::Account account = phone.add_account(config);
    CHECK(account.status() == VOIP_ACCOUNT_INACTIVE);
    CHECK(account.uri().find("alice@127.0.0.1") != std::string::npos);
    voip::Phone moved = std::move(phone);
    CHECK(moved.stats().accounts == 1);
}

void streams_by_themselves() {
    voip_rtp_session_options options = VOIP_RTP_SESSION_OPTIONS_INIT;
    voip_rtp_mux_options shared = VOIP_RTP_MUX_OPTIONS_INIT;
    shared.local_address = options.local_address = "127.0.0.1";
    options.rtcp_mux = 1;
    voip::RtpMux mux(shared);
    voip::RtpSession inner(options), outer(options);
    mux.add(inner);
    inner.start();
    outer.set_remote("127.0.0.1", mux.port());
    outer.bind();
    CHECK(outer.port() > 0 && outer.port() != mux.port());
    outer.start();
    outer.send_dtmf("5");
    int16_t pcm[160] = {0};
    uint32_t timestamp = 0;
    CHECK(outer.write(pcm, 160) == 160);
    CHECK(inner.read(pcm, 160, timestamp, 20000) > 0);
    CHECK(inner.read(pcm, 160, 20000) > 0);
    CHECK(outer.drain(20000));
    CHECK(inner.stats().rx_packets > 0 && mux.stats().sessions == 1);
    voip::RtpSession moved = std::move(outer);
    moved.stop();
    mux.remove(inner);
    CHECK(mux.stats().sessions == 0);
}

void messages_and_descriptions() {
    voip::SipMessage request = voip::SipMessage::request("OPTIONS", "sip:b@127.0.0.1");
    for (const auto &[name, value] : {std::pair("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1"), std::pair("From", "<sip:a@x>;tag=1"),
                                      std::pair("To", "<sip:b@x>"), std::pair("Call-ID", "1@x"), std::pair("CSeq", "1 OPTIONS")}) {
        request.add(name, value);
    }
    request.set_body("text/plain", "hi");
    voip::Bytes bytes = request.write();
    voip::SipMessage again(std::string_view(reinterpret_cast<const char *>(bytes.data()), bytes.size()));
    CHECK(again.is_request() && again.method() == "OPTIONS" && again.uri() == "sip:b@127.0.0.1");
    CHECK(again.header("i") == "1@x" && again.count("Via") == 1 && again.body().size() == 2);
    CHECK(again.summary().find("OPTIONS") != std::string::npos);
    voip::SipMessage response = again.response(486, "127.0.0.1:5060");
    CHECK(!response.is_request() && response.status() == 486 && response.reason() == "Busy Here");
    again.set("To", "<sip:c@x>");
    again.remove("Content-Type");
    CHECK(again.header("To") == "<sip:c@x>");
    try {
        again.set("Subject", "a\r\nb");
        CHECK(!"no exception");
    } catch (const voip::error &error) {
        CHECK(error.status() == VOIP_ERR_PARSE || error.status() == VOIP_ERR_ARGUMENT);
    }

    voip_sdp_local mine = VOIP_SDP_LOCAL_INIT, theirs = VOIP_SDP_LOCAL_INIT;
    mine.address = "192.0.2.1", mine.port = 4000, mine.codecs = "G722,PCMU,telephone-event";
    theirs.address = "192.0.2.2", theirs.port = 5000, theirs.codecs = "PCMU";
    voip::Sdp offer = voip::Sdp::offer(mine);
    voip_sdp_agreed agreed = VOIP_SDP_AGREED_INIT;
    voip::Sdp answer = voip::Sdp(offer.write()).negotiate(theirs, &agreed);
    CHECK(agreed.payload_type == 0 && offer.accept(answer, mine).remote_port == 5000);
    CHECK(answer.count_media() == 1 && answer.media(0).port == 5000 && answer.format(0, 0).clock_rate == 8000);
    answer.add_attribute(0, "note", "x");
    CHECK(answer.attribute(0, "note") == "x");
    answer.remove_attribute(0, "note");
    answer.set_address(0, "192.0.2.3");
    CHECK(answer.summary().find("192.0.2.3:5000") != std::string::npos);
}

void keys_and_stun() {
    voip::Srtp sender = voip::Srtp::generate(VOIP_SRTP_AES_CM_128_HMAC_SHA1_80);
    voip::Srtp receiver = voip::Srtp::from_sdes(sender.sdes(), VOIP_SRTP_RECEIVE);
    const voip::Bytes plain{0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 'h', 'i'};
    voip::Bytes packet = plain;
    sender.protect(packet);
    CHECK(packet.size() == plain.size() + 10);
    voip::Bytes copy = packet;
    receiver.unprotect(packet);
    CHECK(packet == plain);
    try {
        receiver.unprotect(copy);
        CHECK(!"no exception");
    } catch (const voip::error &error) {
        CHECK(error.status() == VOIP_ERR_SRTP_REPLAY);
    }
    const voip::Bytes report{0x80, 201, 0, 1, 0, 0, 0, 3};
    voip::Bytes rtcp = report;
    sender.protect_rtcp(rtcp);
    CHECK(rtcp.size() == report.size() + 14);
    receiver.unprotect_rtcp(rtcp);
    CHECK(rtcp == report);
    voip::Srtp moved = std::move(sender);
    CHECK(sender.handle() == nullptr && moved.handle() != nullptr);

    voip::Bytes stun = voip::StunBuilder(VOIP_STUN_REQUEST).add(VOIP_STUN_SOFTWARE, "cpp").add_fingerprint().write();
    voip_stun_message message = VOIP_STUN_MESSAGE_INIT;
    CHECK(voip_stun_parse(stun.data(), stun.size(), &message) == VOIP_OK && voip_stun_check_fingerprint(&message) == VOIP_OK);
    try {
        voip::stun_query("127.0.0.1:9", 50);
        CHECK(!"no exception");
    } catch (const voip::error &error) {
        CHECK(error.status() != VOIP_OK);
    }
}

void sound() {
    voip::Codec codec("PCMU");
    voip::Pcm tones = voip::dtmf_tones("19#", 8000);
    voip::Bytes coded = codec.encode(tones, tones.size());
    voip::Pcm decoded = codec.decode(coded);
    CHECK(coded.size() == tones.size() && decoded.size() == tones.size() && codec.conceal(160).size() == 160);
    codec.reset_state();
    voip::DtmfDetector detector(8000);
    CHECK(detector.process(decoded.data(), decoded.size()) + detector.process(voip::Pcm(800).data(), 800) == "19#");

    voip::PcmBuffer buffer(VOIP_FORMAT_S16, 1, 1600);
    buffer.set_rewind(50000);
    CHECK(buffer.write(1000, decoded.data(), 160) == 160 && buffer.timestamp() == 1000);
    int16_t out[320];
    CHECK(buffer.read(out, 320) == 160 && out[5] == decoded[5] && out[200] == 0);
    CHECK(buffer.stats().padded == 160);
    buffer.clear();

    char path[] = "/tmp/voip-cpp-XXXXXX";
    CHECK(mkstemp(path) >= 0);
    voip::Wav file = voip::Wav::create(path, 8000);
    file.write(decoded.data(), 400);
    file.close();
    voip::Wav in = voip::Wav::open(path);
    in.seek(100);
    CHECK(in.info().frames == 400 && in.read(out, 320) == 300 && out[0] == decoded[100]);
    std::remove(path);

    voip::SyncGroup group;
    const uint32_t a = group.add(8000, 8000, 1, "x@y"), video = group.add(90000, 0);
    group.set_cname(video, "x@y");
    group.take_others(true);
    group.report(a, uint64_t{1000} << 32, 5000, 1000000000);
    group.report(video, uint64_t{1000} << 32, 90000, 1000000000);
    group.packet(video, 90000, 1000000000);
    CHECK(group.write(a, 5000, decoded.data(), 160, 1005000000) == 160);
    CHECK(group.stats(a).reports == 1 && group.skew(video).second < 1000000);
    const uint64_t now = group.now(1005000000);
    group.read(a, now, out, 160);
    group.remove(video);
}

} // namespace

int main() {
    messages_and_descriptions();
    keys_and_stun();
    sound();
    failures_are_exceptions();
    a_call();
    what_passes();
    an_account();
    streams_by_themselves();
    return check_end();
}
