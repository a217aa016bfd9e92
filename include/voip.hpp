// libvoip for C++17: a thin, header-only layer over voip.h.
//
// Objects own their handles, failures are exceptions of type voip::error, callbacks are std::function. Everything
// that voip.h says about threads, callbacks and waiting holds here too; handle() gives the C handle for the rest.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

#ifndef VOIP_HPP
#define VOIP_HPP

#include "voip.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace voip {

/// What a function of the library refused: its status, and the sentence that names the value.
class error : public std::runtime_error {
public:
    error(voip_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    voip_status status() const noexcept { return status_; }
    const char *name() const noexcept { return voip_status_name(status_); }

private:
    voip_status status_;
};

/// Throws unless the status is VOIP_OK.
inline void check(voip_status status) {
    if (status != VOIP_OK) {
        throw error(status, voip_last_error_message());
    }
}

/// For waiting functions: false on a time-out, else as check().
inline bool in_time(voip_status status) {
    if (status == VOIP_ERR_TIMEOUT) {
        return false;
    }
    check(status);
    return true;
}

namespace detail {

/// Asks for the size, then for the text; again if it grew in between.
template <typename Get> std::string text(Get get) {
    std::string value;
    for (;;) {
        size_t needed = 0;
        check(get(nullptr, 0, &needed));
        value.resize(needed);
        const voip_status status = get(value.data(), value.size(), &needed);
        if (status != VOIP_ERR_BUFFER_TOO_SMALL) {
            check(status);
            value.resize(needed - 1);
            return value;
        }
    }
}

template <typename Function> void destroy(void *user) { delete static_cast<Function *>(user); }

/// Functions of the media thread: an exception has nowhere to go, and is swallowed.
template <typename Tap> void on_tap(voip_call *, int32_t sent, const void *pcm, size_t frames, void *user) {
    try {
        (*static_cast<Tap *>(user))(sent != 0, pcm, frames);
    } catch (...) {
    }
}

template <typename Filter>
int32_t on_rtp(voip_call *, int32_t sent, uint8_t *packet, size_t *len, size_t capacity, void *user) {
    try {
        *len = (*static_cast<Filter *>(user))(sent != 0, packet, *len, capacity);
    } catch (...) {
    }
    return *len == 0;
}

inline const char *or_null(const std::string &text) { return text.empty() ? nullptr : text.c_str(); }

} // namespace detail

/// Settings of a phone. Each setter checks at once, throws, and gives the object back for the next one.
class Config {
public:
    Config() { check(voip_config_new(&handle_)); }
    ~Config() { reset(); }
    Config(Config &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Config &operator=(Config &&other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Config(const Config &) = delete;
    Config &operator=(const Config &) = delete;

    Config &bind(const std::string &address, int port) { return did(voip_config_set_bind(handle_, detail::or_null(address), port)); }
    Config &public_address(const std::string &address) {
        return did(voip_config_set_public_address(handle_, detail::or_null(address)));
    }
    Config &local_networks(const std::string &networks) {
        return did(voip_config_set_local_networks(handle_, detail::or_null(networks)));
    }
    Config &server(const std::string &host, int port = 0) { return did(voip_config_set_server(handle_, host.c_str(), port)); }
    Config &credentials(const std::string &user, const std::string &password, const std::string &auth_user = "") {
        return did(voip_config_set_credentials(handle_, user.c_str(), detail::or_null(auth_user), password.c_str()));
    }
    Config &display_name(const std::string &name) { return did(voip_config_set_display_name(handle_, name.c_str())); }
    Config &transport(voip_transport how) { return did(voip_config_set_transport(handle_, how)); }
    Config &tls_ca_file(const std::string &path) { return did(voip_config_set_tls_ca_file(handle_, path.c_str())); }
    Config &tls_certificate(const std::string &cert, const std::string &key, const char *password = nullptr)
    {
        return did(voip_config_set_tls_certificate(handle_, cert.c_str(), key.c_str(), password));
    }
    Config &tls_verify(bool verify, bool check_host = true)
    {
        return did(voip_config_set_tls_verify(handle_, verify, check_host));
    }
    Config &expires(uint32_t seconds) { return did(voip_config_set_expires(handle_, seconds)); }
    Config &register_account(bool yes) { return did(voip_config_set_register(handle_, yes)); }
    Config &outbound_proxy(const std::string &uri) { return did(voip_config_set_outbound_proxy(handle_, detail::or_null(uri))); }
    Config &user_agent(const std::string &text) { return did(voip_config_set_user_agent(handle_, text.c_str())); }
    Config &rtp_ports(int low, int high) { return did(voip_config_set_rtp_ports(handle_, low, high)); }
    Config &codecs(const std::string &names) { return did(voip_config_set_codecs(handle_, names.c_str())); }
    Config &ptime(uint32_t ms) { return did(voip_config_set_ptime(handle_, ms)); }
    Config &audio_format(voip_sample_format sample, uint32_t rate, uint32_t channels = 1) {
        return did(voip_config_set_audio_format(handle_, sample, rate, channels));
    }
    Config &jitter(uint32_t min_ms, uint32_t max_ms) { return did(voip_config_set_jitter(handle_, min_ms, max_ms)); }
    Config &max_calls(uint32_t calls) { return did(voip_config_set_max_calls(handle_, calls)); }
    Config &media_threads(uint32_t threads) { return did(voip_config_set_media_threads(handle_, threads)); }
    Config &media_sockets(uint32_t sockets) { return did(voip_config_set_media_sockets(handle_, sockets)); }
    Config &event_mode(voip_event_mode mode) { return did(voip_config_set_event_mode(handle_, mode)); }
    Config &unhandled_call(int sip_code) { return did(voip_config_set_unhandled_call(handle_, sip_code)); }
    Config &timer(voip_timer which, uint32_t ms) { return did(voip_config_set_timer(handle_, which, ms)); }
    Config &rtcp(voip_rtcp_mode mode) { return did(voip_config_set_rtcp(handle_, mode)); }
    Config &srtp(voip_srtp_mode mode) { return did(voip_config_set_srtp(handle_, mode)); }
    Config &srtp_suites(const std::string &names) { return did(voip_config_set_srtp_suites(handle_, names.c_str())); }
    Config &rtp_timeout(uint32_t ms, bool hangup) { return did(voip_config_set_rtp_timeout(handle_, ms, hangup)); }

    voip_config *handle() const noexcept { return handle_; }

private:
    Config &did(voip_status status) {
        check(status);
        return *this;
    }
    void reset() noexcept {
        if (handle_ != nullptr) {
            voip_config_free(handle_);
        }
    }
    voip_config *handle_ = nullptr;
};

/// A call, kept for as long as one of these objects names it. Copies name the same call.
class Call {
public:
    Call() = default;
    /// Takes over a handle that the library retained for the host.
    static Call adopt(voip_call *retained) { return Call(retained); }
    /// Keeps a handle that a callback brought.
    static Call keep(voip_call *borrowed) {
        check(voip_call_retain(borrowed));
        return Call(borrowed);
    }
    ~Call() { reset(); }
    Call(const Call &other) : handle_(other.handle_) {
        if (handle_ != nullptr) {
            check(voip_call_retain(handle_));
        }
    }
    Call(Call &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Call &operator=(Call other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    bool operator==(const Call &other) const noexcept { return handle_ == other.handle_; }
    bool operator!=(const Call &other) const noexcept { return handle_ != other.handle_; }
    void reset() noexcept {
        if (handle_ != nullptr) {
            voip_call_release(std::exchange(handle_, nullptr));
        }
    }

    void ring() { check(voip_call_ring(handle_)); }
    void progress() { check(voip_call_progress(handle_)); }
    void answer() { check(voip_call_answer(handle_)); }
    void deny() { check(voip_call_deny(handle_)); }
    void reject(int code, const std::string &reason = "") { check(voip_call_reject(handle_, code, detail::or_null(reason))); }
    void redirect(const std::string &target) { check(voip_call_redirect(handle_, target.c_str())); }
    void hangup() { check(voip_call_hangup(handle_)); }
    void hold() { check(voip_call_hold(handle_)); }
    void resume() { check(voip_call_resume(handle_)); }
    void mute(bool yes) { check(voip_call_mute(handle_, yes)); }
    void transfer(const std::string &target) { check(voip_call_transfer(handle_, target.c_str())); }
    /// Connects the other sides of two answered calls.
    void transfer_to(const Call &other) { check(voip_call_transfer_to(handle_, other.handle_)); }

    voip_call_state state() const {
        voip_call_state state = VOIP_CALL_ENDED;
        check(voip_call_get_state(handle_, &state));
        return state;
    }
    /// False when it was not reached in time.
    bool wait_state(voip_call_state state, int32_t timeout_ms = -1) { return in_time(voip_call_wait_state(handle_, state, timeout_ms)); }
    voip_call_info info() const {
        voip_call_info info = VOIP_CALL_INFO_INIT;
        check(voip_call_get_info(handle_, &info));
        return info;
    }
    /// Nothing while the call lives.
    std::optional<voip_call_end> end() const {
        voip_call_end end = VOIP_CALL_END_INIT;
        const voip_status status = voip_call_get_end(handle_, &end);
        if (status == VOIP_ERR_STATE) {
            return std::nullopt;
        }
        check(status);
        return end;
    }
    voip_call_srtp_info srtp_info() const {
        voip_call_srtp_info info = VOIP_CALL_SRTP_INFO_INIT;
        check(voip_call_get_srtp_info(handle_, &info));
        return info;
    }
    voip_call_stats stats() const {
        voip_call_stats stats = VOIP_CALL_STATS_INIT;
        check(voip_call_get_stats(handle_, &stats));
        return stats;
    }
    std::string remote_uri() const { return text(voip_call_get_remote_uri); }
    std::string remote_name() const { return text(voip_call_get_remote_name); }
    std::string local_uri() const { return text(voip_call_get_local_uri); }
    std::string id() const { return text(voip_call_get_id); }
    std::string codec() const { return text(voip_call_get_codec); }
    std::string sdp() const { return text(voip_call_get_sdp); }
    /// Nothing if the INVITE has no such header.
    std::optional<std::string> header(const std::string &name, size_t index = 0) const {
        size_t needed = 0;
        if (voip_call_get_header(handle_, name.c_str(), index, nullptr, 0, &needed) == VOIP_ERR_ARGUMENT) {
            return std::nullopt;
        }
        return detail::text([&](char *buf, size_t len, size_t *size) {
            return voip_call_get_header(handle_, name.c_str(), index, buf, len, size);
        });
    }

    /// Frames of the phone's format as S16; fewer than asked for when time or the call is over; empty after the end.
    std::vector<int16_t> read_audio(size_t frames, int32_t timeout_ms = -1) {
        std::vector<int16_t> pcm(frames);
        pcm.resize(read_audio(pcm.data(), frames, timeout_ms));
        return pcm;
    }
    /// As voip_call_read_audio; 0 on a time-out and after the end.
    size_t read_audio(void *pcm, size_t frames, int32_t timeout_ms) {
        size_t got = 0;
        const voip_status status = voip_call_read_audio(handle_, pcm, frames, timeout_ms, &got);
        if (status != VOIP_ERR_TIMEOUT && status != VOIP_ERR_CALL_ENDED) {
            check(status);
        }
        return got;
    }
    /// How many frames were taken; 0 when there was no room in time.
    size_t write_audio(const void *pcm, size_t frames, int32_t timeout_ms = -1) {
        size_t put = 0;
        return in_time(voip_call_write_audio(handle_, pcm, frames, timeout_ms, &put)) ? put : 0;
    }
    size_t write_audio(const std::vector<int16_t> &pcm, int32_t timeout_ms = -1) {
        return write_audio(pcm.data(), pcm.size(), timeout_ms);
    }
    void set_audio_format(voip_sample_format sample, uint32_t rate, uint32_t channels = 1) {
        check(voip_call_set_audio_format(handle_, sample, rate, channels));
    }
    void flush_audio() { check(voip_call_flush_audio(handle_)); }
    bool drain_audio(int32_t timeout_ms = -1) { return in_time(voip_call_drain_audio(handle_, timeout_ms)); }
    /// Stops and forgets all that is on its way to the other side.
    void clear_playback() { check(voip_call_clear_playback(handle_)); }
    /// Comes back in on_playback_mark.
    void play_mark(uint64_t mark) { check(voip_call_play_mark(handle_, mark)); }
    voip_playback_info playback() const {
        voip_playback_info info = VOIP_PLAYBACK_INFO_INIT;
        check(voip_call_get_playback(handle_, &info));
        return info;
    }
    /// Has on_voice_activity tell who speaks.
    void set_vad(const voip_vad_options &options = VOIP_VAD_OPTIONS_INIT) { check(voip_call_set_vad(handle_, &options)); }
    void stop_vad() { check(voip_call_set_vad(handle_, nullptr)); }

    /// (sent, frames of the phone's format, how many), on the media thread: it must not block.
    using Tap = std::function<void(bool, const void *, size_t)>;
    /// An empty one: no tap any more.
    void set_audio_tap(Tap tap) {
        if (!tap) {
            return check(voip_call_set_audio_tap(handle_, nullptr, nullptr, nullptr));
        }
        auto owned = std::make_unique<Tap>(std::move(tap));
        check(voip_call_set_audio_tap(handle_, detail::on_tap<Tap>, owned.get(), detail::destroy<Tap>));
        owned.release();
    }
    /// (sent, packet, its length, room for it): the packet's length from now on, 0 to drop it. On the media thread.
    using RtpFilter = std::function<size_t(bool, uint8_t *, size_t, size_t)>;
    void set_rtp_filter(RtpFilter filter) {
        if (!filter) {
            return check(voip_call_set_rtp_filter(handle_, nullptr, nullptr, nullptr));
        }
        auto owned = std::make_unique<RtpFilter>(std::move(filter));
        check(voip_call_set_rtp_filter(handle_, detail::on_rtp<RtpFilter>, owned.get(), detail::destroy<RtpFilter>));
        owned.release();
    }
    void send_rtp(const std::vector<uint8_t> &packet) { check(voip_call_send_rtp(handle_, packet.data(), packet.size())); }
    void set_gain(uint32_t heard_percent, uint32_t sent_percent) { check(voip_call_set_gain(handle_, heard_percent, sent_percent)); }

    void play_file(const std::string &path) { check(voip_call_play_file(handle_, path.c_str())); }
    void play_pcm(const std::vector<int16_t> &pcm) { check(voip_call_play_pcm(handle_, pcm.data(), pcm.size())); }
    void play_tone(uint32_t hz, uint32_t ms) { check(voip_call_play_tone(handle_, hz, ms)); }
    void play_stop() { check(voip_call_play_stop(handle_)); }
    void record_start(const std::string &path, uint32_t channels = 1) {
        voip_record_options options = VOIP_RECORD_OPTIONS_INIT;
        options.channels = channels;
        check(voip_call_record_start(handle_, path.c_str(), &options));
    }
    void record_stop() { check(voip_call_record_stop(handle_)); }
    /// What the call says on the wire, for Wireshark.
    void capture_start(const std::string &path, bool signalling_only = false) {
        voip_capture_options options = VOIP_CAPTURE_OPTIONS_INIT;
        options.signalling_only = signalling_only;
        check(voip_call_capture_start(handle_, path.c_str(), &options));
    }
    void capture_stop() { check(voip_call_capture_stop(handle_)); }

    void send_dtmf(const std::string &digits, voip_dtmf_method method = VOIP_DTMF_RTP, uint32_t duration_ms = 0, uint32_t gap_ms = 0) {
        check(voip_call_send_dtmf(handle_, digits.c_str(), duration_ms, gap_ms, method));
    }
    /// Empty when none came in time.
    std::string read_dtmf(int32_t timeout_ms = -1, size_t most = 64) {
        std::string digits(most + 1, '\0');
        size_t count = 0;
        if (!in_time(voip_call_read_dtmf(handle_, digits.data(), digits.size(), timeout_ms, &count))) {
            count = 0;
        }
        digits.resize(count);
        return digits;
    }
    /// Empty when no key came in time.
    std::string gather(uint32_t max, const std::string &terminators, int32_t first_ms, int32_t between_ms, bool barge_in = true) {
        std::string digits(max + 1, '\0');
        size_t count = 0;
        if (!in_time(voip_call_gather(handle_, max, terminators.c_str(), first_ms, between_ms, barge_in, digits.data(), digits.size(),
                                      &count, nullptr))) {
            count = 0;
        }
        digits.resize(count);
        return digits;
    }

    voip_call *handle() const noexcept { return handle_; }

private:
    explicit Call(voip_call *handle) noexcept : handle_(handle) {}
    template <typename Get> std::string text(Get get) const {
        return detail::text([&](char *buf, size_t len, size_t *needed) { return get(handle_, buf, len, needed); });
    }
    voip_call *handle_ = nullptr;
};

/// An account of a phone; the phone owns it, this only names it.
class Account {
public:
    explicit Account(voip_account *handle) noexcept : handle_(handle) {}
    void remove() { check(voip_account_remove(handle_)); }
    void register_now() { check(voip_account_register(handle_)); }
    void unregister() { check(voip_account_unregister(handle_)); }
    bool wait_registered(int32_t timeout_ms = -1) { return in_time(voip_account_wait_registered(handle_, timeout_ms)); }
    voip_account_status status() const {
        voip_account_status status = VOIP_ACCOUNT_INACTIVE;
        check(voip_account_get_status(handle_, &status));
        return status;
    }
    uint32_t expiry() const {
        uint32_t seconds = 0;
        check(voip_account_get_expiry(handle_, &seconds));
        return seconds;
    }
    int last_sip_code() const {
        int32_t code = 0;
        check(voip_account_get_last_sip_code(handle_, &code));
        return code;
    }
    std::string uri() const {
        return detail::text([&](char *buf, size_t len, size_t *needed) { return voip_account_get_uri(handle_, buf, len, needed); });
    }
    Call dial(const std::string &target) {
        voip_call *call = nullptr;
        check(voip_account_dial(handle_, target.c_str(), nullptr, &call));
        return Call::adopt(call);
    }
    voip_account *handle() const noexcept { return handle_; }

private:
    voip_account *handle_;
};

/// Settings of an account for Phone::add_account.
class AccountConfig {
public:
    AccountConfig() { check(voip_account_config_new(&handle_)); }
    ~AccountConfig() { voip_account_config_free(handle_); }
    AccountConfig(const AccountConfig &) = delete;
    AccountConfig &operator=(const AccountConfig &) = delete;
    AccountConfig &server(const std::string &host, int port = 0) { return did(voip_account_config_set_server(handle_, host.c_str(), port)); }
    AccountConfig &credentials(const std::string &user, const std::string &password, const std::string &auth_user = "") {
        return did(voip_account_config_set_credentials(handle_, user.c_str(), detail::or_null(auth_user), password.c_str()));
    }
    AccountConfig &display_name(const std::string &name) { return did(voip_account_config_set_display_name(handle_, name.c_str())); }
    AccountConfig &expires(uint32_t seconds) { return did(voip_account_config_set_expires(handle_, seconds)); }
    AccountConfig &register_account(bool yes) { return did(voip_account_config_set_register(handle_, yes)); }
    AccountConfig &srtp(voip_srtp_mode mode) { return did(voip_account_config_set_srtp(handle_, mode)); }
    voip_account_config *handle() const noexcept { return handle_; }

private:
    AccountConfig &did(voip_status status) {
        check(status);
        return *this;
    }
    voip_account_config *handle_ = nullptr;
};

/// What a phone tells. Exceptions of the functions go to `on_exception`, or are swallowed: they can't cross C.
struct Events {
    std::function<void(voip_phone_status)> on_phone_status;
    std::function<void(Account, const voip_account_status_info &)> on_account_status;
    std::function<void(Call, const voip_incoming_call_info &)> on_incoming_call;
    std::function<void(Call, const voip_call_state_info &)> on_call_state;
    std::function<void(Call, const voip_call_media_info &)> on_call_media;
    std::function<void(Call, const voip_dtmf_info &)> on_dtmf;
    std::function<void(Call, const voip_transfer_info &)> on_transfer;
    std::function<void(Call, const voip_play_info &)> on_play_finished;
    std::function<void(Call, const voip_record_info &)> on_record_finished;
    std::function<void(Call, const voip_capture_info &)> on_capture_finished;
    std::function<void(Call, const voip_call_stats &)> on_call_stats;
    std::function<void(Call, const voip_voice_info &)> on_voice_activity;
    std::function<void(Call, const voip_playback_mark_info &)> on_playback_mark;
    std::function<void(const voip_message_info &)> on_message;
    std::function<void(const voip_message_result_info &)> on_message_result;
    std::function<void(const std::exception &)> on_exception;
};

namespace detail {

template <typename Body> void contained(const Events &events, Body body) noexcept {
    try {
        body();
    } catch (const std::exception &exception) {
        try {
            if (events.on_exception) {
                events.on_exception(exception);
            }
        } catch (...) {
        }
    } catch (...) {
    }
}

/// One trampoline for every callback of the form (call, info, user).
template <typename Info, std::function<void(Call, const Info &)> Events::*Member>
void on_call(voip_call *call, const Info *info, void *user) {
    const Events &events = *static_cast<Events *>(user);
    contained(events, [&] { (events.*Member)(Call::keep(call), *info); });
}

inline void on_phone(voip_phone *, const voip_phone_status_info *info, void *user) {
    const Events &events = *static_cast<Events *>(user);
    contained(events, [&] { events.on_phone_status(info->status); });
}

inline void on_account(voip_account *account, const voip_account_status_info *info, void *user) {
    const Events &events = *static_cast<Events *>(user);
    contained(events, [&] { events.on_account_status(Account(account), *info); });
}

template <typename Info, std::function<void(const Info &)> Events::*Member>
void on_message(voip_phone *, const Info *info, void *user) {
    const Events &events = *static_cast<Events *>(user);
    contained(events, [&] { (events.*Member)(*info); });
}

inline void on_incoming(voip_phone *, voip_call *call, const voip_incoming_call_info *info, void *user) {
    const Events &events = *static_cast<Events *>(user);
    contained(events, [&] { events.on_incoming_call(Call::keep(call), *info); });
}

inline void destroy_events(void *user) { delete static_cast<Events *>(user); }

/// Only what the host set: an empty on_incoming_call must not open the phone for calls.
inline voip_callbacks table(const Events &events) {
    voip_callbacks table = VOIP_CALLBACKS_INIT;
    table.on_phone_status = events.on_phone_status ? on_phone : nullptr;
    table.on_account_status = events.on_account_status ? on_account : nullptr;
    table.on_incoming_call = events.on_incoming_call ? on_incoming : nullptr;
    table.on_call_state = events.on_call_state ? on_call<voip_call_state_info, &Events::on_call_state> : nullptr;
    table.on_call_media = events.on_call_media ? on_call<voip_call_media_info, &Events::on_call_media> : nullptr;
    table.on_dtmf = events.on_dtmf ? on_call<voip_dtmf_info, &Events::on_dtmf> : nullptr;
    table.on_transfer = events.on_transfer ? on_call<voip_transfer_info, &Events::on_transfer> : nullptr;
    table.on_play_finished = events.on_play_finished ? on_call<voip_play_info, &Events::on_play_finished> : nullptr;
    table.on_record_finished = events.on_record_finished ? on_call<voip_record_info, &Events::on_record_finished> : nullptr;
    table.on_capture_finished = events.on_capture_finished ? on_call<voip_capture_info, &Events::on_capture_finished> : nullptr;
    table.on_voice_activity = events.on_voice_activity ? on_call<voip_voice_info, &Events::on_voice_activity> : nullptr;
    table.on_playback_mark = events.on_playback_mark ? on_call<voip_playback_mark_info, &Events::on_playback_mark> : nullptr;
    table.on_message = events.on_message ? on_message<voip_message_info, &Events::on_message> : nullptr;
    table.on_message_result =
        events.on_message_result ? on_message<voip_message_result_info, &Events::on_message_result> : nullptr;
    table.on_call_stats = events.on_call_stats ? on_call<voip_call_stats, &Events::on_call_stats> : nullptr;
    return table;
}

} // namespace detail

/// A phone. Its destructor ends everything and must not run inside one of its callbacks.
class Phone {
public:
    explicit Phone(const Config &config) { check(voip_phone_new(config.handle(), &handle_)); }
    ~Phone() { reset(); }
    Phone(Phone &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Phone &operator=(Phone &&other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Phone(const Phone &) = delete;
    Phone &operator=(const Phone &) = delete;

    void set_events(Events events) {
        auto owned = std::make_unique<Events>(std::move(events));
        const voip_callbacks table = detail::table(*owned);
        check(voip_phone_set_callbacks(handle_, &table, owned.get(), detail::destroy_events));
        owned.release();
    }
    void start() { check(voip_phone_start(handle_)); }
    void stop(int32_t deadline_ms = 2000) { check(voip_phone_stop(handle_, deadline_ms)); }
    bool wait_stopped(int32_t timeout_ms = -1) { return in_time(voip_phone_wait_stopped(handle_, timeout_ms)); }
    bool wait_registered(int32_t timeout_ms = -1) { return in_time(voip_phone_wait_registered(handle_, timeout_ms)); }
    /// An empty call on a time-out.
    Call wait_call(int32_t timeout_ms = -1) {
        voip_call *call = nullptr;
        return in_time(voip_phone_wait_call(handle_, timeout_ms, &call)) ? Call::adopt(call) : Call();
    }
    Call dial(const std::string &target) {
        voip_call *call = nullptr;
        check(voip_phone_dial(handle_, target.c_str(), nullptr, &call));
        return Call::adopt(call);
    }
    Call dial(const std::string &target, const voip_call_options &options) {
        voip_call *call = nullptr;
        check(voip_phone_dial(handle_, target.c_str(), &options, &call));
        return Call::adopt(call);
    }
    /// Outside of any call, through the default account if there is one; the number is what on_message_result names.
    uint64_t send_message(const std::string &target, const std::string &body, const std::string &content_type = "") {
        uint64_t id = 0;
        check(voip_phone_send_message(handle_, nullptr, target.c_str(), detail::or_null(content_type), body.data(), body.size(), &id));
        return id;
    }
    Account add_account(const AccountConfig &config) {
        voip_account *account = nullptr;
        check(voip_account_add(handle_, config.handle(), &account));
        return Account(account);
    }
    Account default_account() const {
        voip_account *account = nullptr;
        check(voip_phone_get_default_account(handle_, &account));
        return Account(account);
    }
    void set_public_address(const std::string &address) { check(voip_phone_set_public_address(handle_, detail::or_null(address))); }
    voip_phone_status status() const {
        voip_phone_status status = VOIP_PHONE_INACTIVE;
        check(voip_phone_get_status(handle_, &status));
        return status;
    }
    std::string local_address() const {
        return detail::text([&](char *buf, size_t len, size_t *needed) { return voip_phone_get_local_address(handle_, buf, len, needed); });
    }
    voip_phone_stats stats() const {
        voip_phone_stats stats = VOIP_PHONE_STATS_INIT;
        check(voip_phone_get_stats(handle_, &stats));
        return stats;
    }
    int event_fd() const {
        int32_t fd = -1;
        check(voip_phone_get_event_fd(handle_, &fd));
        return fd;
    }
    uint32_t process_events(int32_t timeout_ms = 0, uint32_t max = 0) {
        uint32_t count = 0;
        check(voip_phone_process_events(handle_, max, timeout_ms, &count));
        return count;
    }
    voip_phone *handle() const noexcept { return handle_; }

private:
    void reset() noexcept {
        if (handle_ != nullptr) {
            voip_phone_free(std::exchange(handle_, nullptr));
        }
    }
    voip_phone *handle_ = nullptr;
};

/// One RTP and RTCP stream by itself. Its destructor ends it and must not run inside one of its callbacks.
class RtpSession {
public:
    explicit RtpSession(const voip_rtp_session_options &options = VOIP_RTP_SESSION_OPTIONS_INIT) {
        check(voip_rtp_session_new(&options, &handle_));
    }
    ~RtpSession() { reset(); }
    RtpSession(RtpSession &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    RtpSession &operator=(RtpSession &&other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    RtpSession(const RtpSession &) = delete;
    RtpSession &operator=(const RtpSession &) = delete;

    void bind() { check(voip_rtp_session_bind(handle_)); }
    void start() { check(voip_rtp_session_start(handle_)); }
    void stop() { check(voip_rtp_session_stop(handle_)); }
    /// The local port of RTP, once there is one.
    int port() const {
        int32_t port = 0;
        check(voip_rtp_session_get_local_address(handle_, nullptr, 0, nullptr, &port, nullptr));
        return port;
    }
    /// An empty address: nowhere until somebody sends.
    void set_remote(const std::string &address, int port, int rtcp_port = 0) {
        check(voip_rtp_session_set_remote(handle_, detail::or_null(address), port, rtcp_port));
    }
    void set_direction(voip_media_direction direction) { check(voip_rtp_session_set_direction(handle_, direction)); }
    void poll(int32_t timeout_ms = 0) { check(voip_rtp_session_poll(handle_, timeout_ms)); }
    int fd() const {
        int32_t fd = -1;
        check(voip_rtp_session_get_fd(handle_, &fd));
        return fd;
    }
    /// Frames read; 0 on a time-out.
    size_t read(void *pcm, size_t frames, int32_t timeout_ms = -1) {
        size_t got = 0;
        return in_time(voip_rtp_session_read(handle_, pcm, frames, timeout_ms, &got)) ? got : 0;
    }
    /// As read, with the RTP timestamp of the first frame.
    size_t read(void *pcm, size_t frames, uint32_t &timestamp, int32_t timeout_ms = -1) {
        size_t got = 0;
        return in_time(voip_rtp_session_read_timed(handle_, pcm, frames, timeout_ms, &got, &timestamp)) ? got : 0;
    }
    /// Frames taken; 0 on a time-out.
    size_t write(const void *pcm, size_t frames, int32_t timeout_ms = -1) {
        size_t put = 0;
        return in_time(voip_rtp_session_write(handle_, pcm, frames, timeout_ms, &put)) ? put : 0;
    }
    /// All of `pcm` is filled; how many frames are real. Never waits.
    size_t read_padded(void *pcm, size_t frames) {
        size_t got = 0;
        check(voip_rtp_session_read_padded(handle_, pcm, frames, &got));
        return got;
    }
    /// Keys of the other side; empty when none came in time.
    std::string read_dtmf(int32_t timeout_ms = -1, size_t most = 64) {
        std::string digits(most + 1, '\0');
        size_t count = 0;
        if (!in_time(voip_rtp_session_read_dtmf(handle_, digits.data(), digits.size(), timeout_ms, &count))) {
            count = 0;
        }
        digits.resize(count);
        return digits;
    }
    bool drain(int32_t timeout_ms = -1) { return in_time(voip_rtp_session_drain(handle_, timeout_ms)); }
    void flush() { check(voip_rtp_session_flush(handle_)); }
    void send_dtmf(const std::string &digits, uint32_t duration_ms = 0, uint32_t gap_ms = 0) {
        check(voip_rtp_session_send_dtmf(handle_, digits.c_str(), duration_ms, gap_ms));
    }
    voip_rtp_session_stats stats() const {
        voip_rtp_session_stats stats = VOIP_RTP_SESSION_STATS_INIT;
        check(voip_rtp_session_get_stats(handle_, &stats));
        return stats;
    }
    voip_rtp_sync sync() const {
        voip_rtp_sync sync = VOIP_RTP_SYNC_INIT;
        check(voip_rtp_session_get_sync(handle_, &sync));
        return sync;
    }
    voip_rtp_session *handle() const noexcept { return handle_; }

private:
    void reset() noexcept {
        if (handle_ != nullptr) {
            voip_rtp_session_free(handle_);
        }
    }
    voip_rtp_session *handle_ = nullptr;
};

/// Many RTP sessions on one socket. Its destructor ends them and must not run inside one of their callbacks.
class RtpMux {
public:
    explicit RtpMux(const voip_rtp_mux_options &options = VOIP_RTP_MUX_OPTIONS_INIT) {
        check(voip_rtp_mux_new(&options, &handle_));
    }
    ~RtpMux() { reset(); }
    RtpMux(RtpMux &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    RtpMux &operator=(RtpMux &&other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    RtpMux(const RtpMux &) = delete;
    RtpMux &operator=(const RtpMux &) = delete;

    /// An empty address: that of the session's options, or who comes first.
    void add(RtpSession &session, const std::string &address = "", int port = 0) {
        check(voip_rtp_mux_register(handle_, session.handle(), detail::or_null(address), port));
    }
    void remove(RtpSession &session) { check(voip_rtp_mux_unregister(handle_, session.handle())); }
    int port() const {
        int32_t port = 0;
        check(voip_rtp_mux_get_local_address(handle_, nullptr, 0, nullptr, &port));
        return port;
    }
    void poll(int32_t timeout_ms = 0) { check(voip_rtp_mux_poll(handle_, timeout_ms)); }
    voip_rtp_mux_stats stats() const {
        voip_rtp_mux_stats stats = VOIP_RTP_MUX_STATS_INIT;
        check(voip_rtp_mux_get_stats(handle_, &stats));
        return stats;
    }
    voip_rtp_mux *handle() const noexcept { return handle_; }

private:
    void reset() noexcept {
        if (handle_ != nullptr) {
            voip_rtp_mux_free(handle_);
        }
    }
    voip_rtp_mux *handle_ = nullptr;
};

} // namespace voip

#include "voip_tools.hpp"

#endif // VOIP_HPP
