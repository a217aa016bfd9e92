// libvoip for C++17: the stand-alone tools of voip.h as objects that own their handles. Included by voip.hpp.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

#ifndef VOIP_TOOLS_HPP
#define VOIP_TOOLS_HPP

#include "voip.hpp"

#include <string_view>

namespace voip {

using Bytes = std::vector<uint8_t>;
using Pcm = std::vector<int16_t>;

namespace detail {

/// Asks for the size, then for the bytes.
template <typename Get> Bytes bytes(Get get) {
    size_t needed = 0;
    check(get(nullptr, 0, &needed));
    Bytes value(needed);
    check(get(value.data(), value.size(), &needed));
    value.resize(needed);
    return value;
}

inline const uint8_t *data(std::string_view text) { return reinterpret_cast<const uint8_t *>(text.data()); }

/// A handle with one owner.
template <typename Handle, voip_status (*Free)(Handle *)> class Owned {
public:
    Owned(Owned &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owned &operator=(Owned &&other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Owned(const Owned &) = delete;
    Owned &operator=(const Owned &) = delete;
    Handle *handle() const noexcept { return handle_; }

protected:
    Owned() = default;
    explicit Owned(Handle *handle) noexcept : handle_(handle) {}
    ~Owned() { reset(); }
    /// A text of the handle.
    template <typename Get, typename... More> std::string text(Get get, More... more) const {
        return detail::text([&](char *buf, size_t len, size_t *needed) { return get(handle_, more..., buf, len, needed); });
    }
    void reset() noexcept {
        if (handle_ != nullptr) {
            Free(std::exchange(handle_, nullptr));
        }
    }
    Handle *handle_ = nullptr;
};

} // namespace detail

/// A SIP message.
class SipMessage : public detail::Owned<voip_sip_message, voip_sip_message_free> {
public:
    explicit SipMessage(std::string_view text) { check(voip_sip_message_parse(detail::data(text), text.size(), &handle_)); }
    static SipMessage request(const std::string &method, const std::string &uri) {
        SipMessage made;
        check(voip_sip_message_new_request(method.c_str(), uri.c_str(), &made.handle_));
        return made;
    }
    /// `source`: `address:port` that the request came from.
    SipMessage response(int code, const std::string &source, const std::string &reason = "") const {
        SipMessage made;
        check(voip_sip_message_new_response(handle_, code, detail::or_null(reason), source.c_str(), &made.handle_));
        return made;
    }
    bool is_request() const {
        int32_t request = 0;
        check(voip_sip_message_is_request(handle_, &request));
        return request != 0;
    }
    std::string method() const { return text(voip_sip_message_get_method); }
    std::string uri() const { return text(voip_sip_message_get_uri); }
    std::string reason() const { return text(voip_sip_message_get_reason); }
    std::string summary() const { return text(voip_sip_message_get_summary); }
    int status() const {
        int32_t code = 0;
        check(voip_sip_message_get_status(handle_, &code));
        return code;
    }
    std::string header(const std::string &name, size_t index = 0) const {
        return text(voip_sip_message_get_header, name.c_str(), index);
    }
    size_t count(const std::string &name) const {
        size_t count = 0;
        check(voip_sip_message_count_headers(handle_, name.c_str(), &count));
        return count;
    }
    Bytes body() const {
        return detail::bytes([&](uint8_t *buf, size_t len, size_t *needed) { return voip_sip_message_get_body(handle_, buf, len, needed); });
    }
    void set(const std::string &name, const std::string &value) { check(voip_sip_message_set_header(handle_, name.c_str(), value.c_str())); }
    void add(const std::string &name, const std::string &value) { check(voip_sip_message_add_header(handle_, name.c_str(), value.c_str())); }
    void remove(const std::string &name) { check(voip_sip_message_remove_header(handle_, name.c_str())); }
    void set_body(const std::string &type, std::string_view body) {
        check(voip_sip_message_set_body(handle_, type.c_str(), detail::data(body), body.size()));
    }
    Bytes write() const {
        return detail::bytes([&](uint8_t *buf, size_t len, size_t *needed) { return voip_sip_message_write(handle_, buf, len, needed); });
    }

private:
    SipMessage() = default;
};

/// A session description.
class Sdp : public detail::Owned<voip_sdp, voip_sdp_free> {
public:
    explicit Sdp(std::string_view text) { check(voip_sdp_parse(detail::data(text), text.size(), &handle_)); }
    static Sdp offer(const voip_sdp_local &local, const Sdp *previous = nullptr) {
        Sdp made;
        check(voip_sdp_offer(&local, previous != nullptr ? previous->handle_ : nullptr, &made.handle_));
        return made;
    }
    /// The answer to this offer.
    Sdp negotiate(const voip_sdp_local &local, voip_sdp_agreed *agreed = nullptr) const {
        Sdp made;
        check(voip_sdp_negotiate(handle_, &local, agreed, &made.handle_));
        return made;
    }
    /// What the answer to this offer agrees to.
    voip_sdp_agreed accept(const Sdp &answer, const voip_sdp_local &local) const {
        voip_sdp_agreed agreed = VOIP_SDP_AGREED_INIT;
        check(voip_sdp_accept_answer(handle_, answer.handle_, &local, &agreed));
        return agreed;
    }
    size_t count_media() const {
        size_t count = 0;
        check(voip_sdp_count_media(handle_, &count));
        return count;
    }
    voip_sdp_media media(size_t index) const {
        voip_sdp_media media = VOIP_SDP_MEDIA_INIT;
        check(voip_sdp_get_media(handle_, index, &media));
        return media;
    }
    voip_sdp_format format(size_t media, size_t index) const {
        voip_sdp_format format = VOIP_SDP_FORMAT_INIT;
        check(voip_sdp_get_format(handle_, media, index, &format));
        return format;
    }
    /// `media` -1: of the session.
    std::string attribute(int media, const std::string &name, size_t index = 0) const {
        return text(voip_sdp_get_attribute, int32_t{media}, name.c_str(), index);
    }
    void add_attribute(int media, const std::string &name, const std::string &value = "") {
        check(voip_sdp_add_attribute(handle_, media, name.c_str(), detail::or_null(value)));
    }
    void remove_attribute(int media, const std::string &name) { check(voip_sdp_remove_attribute(handle_, media, name.c_str())); }
    void set_address(size_t media, const std::string &address, int port = -1) {
        check(voip_sdp_set_address(handle_, media, detail::or_null(address), port));
    }
    std::string summary() const { return text(voip_sdp_get_summary); }
    std::string write() const { return text(voip_sdp_write); }

private:
    Sdp() = default;
};

/// Keys of one direction of SRTP. Packets change in place; what is refused is an exception, never data.
class Srtp : public detail::Owned<voip_srtp, voip_srtp_free> {
public:
    Srtp(voip_srtp_profile profile, voip_srtp_direction direction, const Bytes &key, const Bytes &salt, const Bytes &mki = {}) {
        check(voip_srtp_new(profile, direction, key.data(), key.size(), salt.data(), salt.size(), mki.data(), mki.size(), &handle_));
    }
    /// Fresh keys, for sending.
    static Srtp generate(voip_srtp_profile profile) {
        Srtp made;
        check(voip_srtp_generate(profile, &made.handle_));
        return made;
    }
    static Srtp from_sdes(const std::string &attribute, voip_srtp_direction direction) {
        Srtp made;
        check(voip_srtp_from_sdes(attribute.c_str(), direction, &made.handle_));
        return made;
    }
    std::string sdes(uint32_t tag = 1) const { return text(voip_srtp_get_sdes, tag); }
    void protect(Bytes &packet) { grow(packet, voip_srtp_protect); }
    void unprotect(Bytes &packet) { shrink(packet, voip_srtp_unprotect); }
    void protect_rtcp(Bytes &packet) { grow(packet, voip_srtp_protect_rtcp); }
    void unprotect_rtcp(Bytes &packet) { shrink(packet, voip_srtp_unprotect_rtcp); }

private:
    Srtp() = default;
    template <typename Protect> void grow(Bytes &packet, Protect protect) {
        size_t rtp = 0, rtcp = 0, len = packet.size();
        check(voip_srtp_get_overhead(handle_, &rtp, &rtcp));
        Bytes room(packet);
        room.resize(len + (rtp > rtcp ? rtp : rtcp));
        check(protect(handle_, room.data(), &len, room.size()));
        room.resize(len);
        packet = std::move(room);
    }
    template <typename Unprotect> void shrink(Bytes &packet, Unprotect unprotect) {
        size_t len = packet.size();
        check(unprotect(handle_, packet.data(), &len));
        packet.resize(len);
    }
};

/// A STUN message in the making.
class StunBuilder : public detail::Owned<voip_stun_builder, voip_stun_builder_free> {
public:
    explicit StunBuilder(voip_stun_class kind, voip_stun_method method = VOIP_STUN_BINDING, const uint8_t *transaction_id = nullptr) {
        check(voip_stun_builder_new(kind, method, transaction_id, &handle_));
    }
    StunBuilder &add(int32_t type, std::string_view value) {
        check(voip_stun_builder_add(handle_, type, detail::data(value), value.size()));
        return *this;
    }
    StunBuilder &add_address(int32_t type, const std::string &address, int port) {
        check(voip_stun_builder_add_address(handle_, type, address.c_str(), port));
        return *this;
    }
    StunBuilder &add_fingerprint() {
        check(voip_stun_builder_add_fingerprint(handle_));
        return *this;
    }
    Bytes write() const {
        return detail::bytes([&](uint8_t *buf, size_t len, size_t *needed) { return voip_stun_builder_write(handle_, buf, len, needed); });
    }
};

/// What a STUN server sees of us. Waits; throws when it does not answer.
inline voip_stun_answer stun_query(const std::string &server, int32_t timeout_ms = -1, const voip_stun_options &options = VOIP_STUN_OPTIONS_INIT) {
    voip_stun_answer answer = VOIP_STUN_ANSWER_INIT;
    check(voip_stun_query(server.c_str(), &options, timeout_ms, &answer));
    return answer;
}

/// One codec with its state.
class Codec : public detail::Owned<voip_codec, voip_codec_free> {
public:
    explicit Codec(const std::string &name, uint32_t clock_rate = 0, uint32_t channels = 0) {
        check(voip_codec_new(name.c_str(), clock_rate, channels, &handle_));
    }
    /// `pcm`: all channels of a frame one after the other.
    Bytes encode(const Pcm &pcm, size_t frames) {
        size_t bytes = 0, written = 0;
        check(voip_codec_get_sizes(handle_, frames, &bytes, 0, nullptr));
        Bytes payload(bytes);
        check(voip_codec_encode(handle_, pcm.data(), frames, payload.data(), payload.size(), &written));
        payload.resize(written);
        return payload;
    }
    Pcm decode(const Bytes &payload, uint32_t channels = 1) {
        size_t frames = 0, got = 0;
        check(voip_codec_get_sizes(handle_, 0, nullptr, payload.size(), &frames));
        Pcm pcm(frames * channels);
        check(voip_codec_decode(handle_, payload.data(), payload.size(), pcm.data(), frames, &got));
        pcm.resize(got * channels);
        return pcm;
    }
    Pcm conceal(size_t frames, uint32_t channels = 1) {
        Pcm pcm(frames * channels);
        check(voip_codec_conceal(handle_, pcm.data(), frames));
        return pcm;
    }
    void reset_state() { check(voip_codec_reset(handle_)); }
};

/// Sound by RTP timestamp.
class PcmBuffer : public detail::Owned<voip_pcm_buffer, voip_pcm_buffer_free> {
public:
    PcmBuffer(voip_sample_format format, uint32_t channels, size_t capacity) {
        check(voip_pcm_buffer_new(format, channels, capacity, &handle_));
    }
    void set_rewind(uint32_t frames) { check(voip_pcm_buffer_set_rewind(handle_, frames)); }
    size_t write(uint32_t timestamp, const void *pcm, size_t frames) {
        size_t taken = 0;
        check(voip_pcm_buffer_write(handle_, timestamp, pcm, frames, &taken));
        return taken;
    }
    /// All of `pcm` is filled; how many frames are real.
    size_t read(void *pcm, size_t frames) {
        size_t real = 0;
        check(voip_pcm_buffer_read(handle_, pcm, frames, &real));
        return real;
    }
    uint32_t timestamp() const {
        uint32_t timestamp = 0;
        check(voip_pcm_buffer_get_timestamp(handle_, &timestamp));
        return timestamp;
    }
    void clear() { check(voip_pcm_buffer_reset(handle_)); }
    voip_pcm_buffer_stats stats() const {
        voip_pcm_buffer_stats stats = VOIP_PCM_BUFFER_STATS_INIT;
        check(voip_pcm_buffer_get_stats(handle_, &stats));
        return stats;
    }
};

/// A WAV file. Close what is written, so that an error shows; the destructor closes it, too, and keeps silent.
class Wav : public detail::Owned<voip_wav, voip_wav_close> {
public:
    static Wav open(const std::string &path) {
        Wav made;
        check(voip_wav_open(path.c_str(), &made.handle_));
        return made;
    }
    static Wav create(const std::string &path, uint32_t rate, uint32_t channels = 1) {
        Wav made;
        check(voip_wav_create(path.c_str(), rate, channels, &made.handle_));
        return made;
    }
    voip_wav_info info() const {
        voip_wav_info info = VOIP_WAV_INFO_INIT;
        check(voip_wav_get_info(handle_, &info));
        return info;
    }
    void seek(uint64_t frame) { check(voip_wav_seek(handle_, frame)); }
    /// Frames read; 0 at the end.
    size_t read(int16_t *pcm, size_t frames) {
        size_t got = 0;
        check(voip_wav_read(handle_, pcm, frames, &got));
        return got;
    }
    void write(const int16_t *pcm, size_t frames) { check(voip_wav_write(handle_, pcm, frames)); }
    void close() { check(voip_wav_close(std::exchange(handle_, nullptr))); }

private:
    Wav() = default;
};

/// Several RTP streams on one clock.
class SyncGroup : public detail::Owned<voip_sync_group, voip_sync_group_free> {
public:
    explicit SyncGroup(uint32_t max_delay_ms = 0, uint32_t max_streams = 0) {
        check(voip_sync_group_new(max_delay_ms, max_streams, &handle_));
    }
    void take_others(bool yes) { check(voip_sync_group_set_take_others(handle_, yes)); }
    uint32_t add(uint32_t clock_rate, uint32_t audio_rate, uint32_t channels = 1, const std::string &cname = "") {
        uint32_t stream = 0;
        check(voip_sync_group_add(handle_, clock_rate, audio_rate, channels, detail::or_null(cname), &stream));
        return stream;
    }
    void remove(uint32_t stream) { check(voip_sync_group_remove(handle_, stream)); }
    void set_cname(uint32_t stream, const std::string &cname) { check(voip_sync_group_set_cname(handle_, stream, cname.c_str())); }
    void report(uint32_t stream, uint64_t ntp, uint32_t rtp_timestamp, uint64_t arrival_ns = 0) {
        check(voip_sync_group_report(handle_, stream, ntp, rtp_timestamp, arrival_ns));
    }
    void report(uint32_t stream, const voip_rtp_sync &sync) { report(stream, sync.ntp, sync.rtp_timestamp, sync.arrival_ns); }
    void packet(uint32_t stream, uint32_t rtp_timestamp, uint64_t arrival_ns = 0) {
        check(voip_sync_group_packet(handle_, stream, rtp_timestamp, arrival_ns));
    }
    /// Frames that were not too late.
    size_t write(uint32_t stream, uint32_t rtp_timestamp, const int16_t *pcm, size_t frames, uint64_t arrival_ns = 0) {
        size_t taken = 0;
        check(voip_sync_group_write(handle_, stream, rtp_timestamp, pcm, frames, arrival_ns, &taken));
        return taken;
    }
    /// All of `pcm` is filled; how many frames are real.
    size_t read(uint32_t stream, uint64_t time_ns, int16_t *pcm, size_t frames) {
        size_t real = 0;
        check(voip_sync_group_read(handle_, stream, time_ns, pcm, frames, &real));
        return real;
    }
    uint64_t now(uint64_t local_ns = 0) const {
        uint64_t time = 0;
        check(voip_sync_group_now(handle_, local_ns, &time));
        return time;
    }
    /// (before, after), in ns.
    std::pair<int64_t, int64_t> skew(uint32_t stream) const {
        std::pair<int64_t, int64_t> skew;
        check(voip_sync_group_get_skew(handle_, stream, &skew.first, &skew.second));
        return skew;
    }
    voip_sync_stats stats(uint32_t stream) const {
        voip_sync_stats stats = VOIP_SYNC_STATS_INIT;
        check(voip_sync_group_get_stats(handle_, stream, &stats));
        return stats;
    }
};

/// Keys as tones in the sound of one channel.
class DtmfDetector : public detail::Owned<voip_dtmf_detector, voip_dtmf_detector_free> {
public:
    explicit DtmfDetector(uint32_t rate, uint32_t least_ms = 0) { check(voip_dtmf_detector_new(rate, least_ms, &handle_)); }
    /// The keys that were found in this piece.
    std::string process(const int16_t *pcm, size_t frames) {
        std::string all;
        char keys[65];
        size_t count = 0;
        do {
            check(voip_dtmf_detector_process(handle_, pcm, frames, keys, sizeof keys, &count));
            all.append(keys, count);
            frames = 0;
        } while (count == sizeof keys - 1);
        return all;
    }
};

/// Tones for keys; zeros: what the C function takes then.
inline Pcm dtmf_tones(const std::string &keys, uint32_t rate, uint32_t tone_ms = 0, uint32_t gap_ms = 0, int32_t level = 0) {
    size_t frames = 0;
    check(voip_dtmf_tone_write(keys.c_str(), rate, tone_ms, gap_ms, level, nullptr, 0, &frames));
    Pcm pcm(frames);
    check(voip_dtmf_tone_write(keys.c_str(), rate, tone_ms, gap_ms, level, pcm.data(), pcm.size(), &frames));
    return pcm;
}

} // namespace voip

#endif // VOIP_TOOLS_HPP
