/* RTP sessions by themselves: what the options refuse, two that talk to each other, one that the host drives. */
#include "check.h"
#include <poll.h>

#define FRAMES 160

typedef struct keys {
    char text[32];
    int32_t ends, destroyed;
    uint32_t longest;
    voip_status free_inside;
} keys;

static void on_key(voip_rtp_session *session, char key, uint32_t duration_ms, int32_t end, void *user)
{
    keys *k = (keys *)user;
    if (end == 0) {
        size_t n = strlen(k->text);
        if (n + 1 < sizeof k->text) {
            k->text[n] = key;
        }
    } else {
        k->ends++;
        k->longest = duration_ms > k->longest ? duration_ms : k->longest;
    }
    k->free_inside = voip_rtp_session_free(session);
}

static void on_destroy(void *user)
{
    ((keys *)user)->destroyed++;
}

static voip_rtp_session *opened(const voip_rtp_session_options *options, int32_t *port)
{
    voip_rtp_session *session = NULL;
    char address[46];
    MUST(voip_rtp_session_new(options, &session));
    MUST(voip_rtp_session_bind(session));
    MUST(voip_rtp_session_get_local_address(session, address, sizeof address, NULL, port, NULL));
    CHECK(strcmp(address, "127.0.0.1") == 0 && *port > 0);
    return session;
}

static void options_are_checked(void)
{
    voip_rtp_session *s = NULL;
    voip_rtp_session_options o = VOIP_RTP_SESSION_OPTIONS_INIT;
    voip_rtp_payload map[2];
    memset(map, 0, sizeof map);
    GIVES(VOIP_ERR_NULL, voip_rtp_session_new(NULL, NULL));
    o.rtp_port = 65536;
    GIVES(VOIP_ERR_RANGE, voip_rtp_session_new(&o, &s));
    o.rtp_port = 0;
    o.remote_address = "nowhere";
    o.remote_port = 4000;
    SAYS(VOIP_ERR_ARGUMENT, "nowhere", voip_rtp_session_new(&o, &s));
    o.remote_address = NULL;
    GIVES(VOIP_ERR_ARGUMENT, voip_rtp_session_new(&o, &s));
    o.remote_port = 0;
    o.direction = 4;
    GIVES(VOIP_ERR_ARGUMENT, voip_rtp_session_new(&o, &s));
    o.direction = VOIP_MEDIA_SENDRECV;
    o.ptime_ms = 9;
    GIVES(VOIP_ERR_RANGE, voip_rtp_session_new(&o, &s));
    o.ptime_ms = 0;
    o.rate = 12345;
    GIVES(VOIP_ERR_RANGE, voip_rtp_session_new(&o, &s));
    o.rate = 0;
    o.payloads = map;
    o.payload_count = 2;
    map[0].payload_type = 8;
    map[1].payload_type = 8;
    SAYS(VOIP_ERR_ARGUMENT, "twice", voip_rtp_session_new(&o, &s));
    map[1].payload_type = 96;
    GIVES(VOIP_ERR_DYNAMIC_PAYLOAD, voip_rtp_session_new(&o, &s));
    map[1].name = "opus";
    GIVES(VOIP_ERR_NO_CODEC, voip_rtp_session_new(&o, &s));
    map[1].payload_type = 128;
    GIVES(VOIP_ERR_RANGE, voip_rtp_session_new(&o, &s));
    map[0].payload_type = 101;
    map[0].name = "telephone-event";
    o.payload_count = 1;
    SAYS(VOIP_ERR_NO_CODEC, "no audio", voip_rtp_session_new(&o, &s));
    CHECK(s == NULL);
    GIVES(VOIP_ERR_HANDLE, voip_rtp_session_start(NULL));
    GIVES(VOIP_ERR_HANDLE, voip_rtp_session_free(NULL));
}

static void states_are_checked(void)
{
    voip_rtp_session *s = NULL;
    voip_rtp_sync sync = VOIP_RTP_SYNC_INIT;
    int16_t pcm[FRAMES];
    char digits[8];
    size_t n = 9;
    int32_t fd = -1, ms = 0;
    memset(pcm, 1, sizeof pcm);
    MUST(voip_rtp_session_new(NULL, &s));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_get_local_address(s, digits, 8, NULL, NULL, NULL));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_poll(s, 0));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_send_dtmf(s, "1", 0, 0));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_get_sync(s, &sync));
    GIVES(VOIP_ERR_TIMEOUT, voip_rtp_session_read(s, pcm, FRAMES, 0, &n));
    CHECK(n == 0);
    OK(voip_rtp_session_read_padded(s, pcm, FRAMES, &n));
    CHECK(n == 0 && pcm[0] == 0 && pcm[FRAMES - 1] == 0);
    OK(voip_rtp_session_write(s, pcm, FRAMES, 0, &n));
    CHECK(n == FRAMES);
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_rtp_session_read_dtmf(s, digits, 1, 0, NULL));
    GIVES(VOIP_ERR_TIMEOUT, voip_rtp_session_read_dtmf(s, digits, 8, 0, NULL));
    OK(voip_rtp_session_start(s));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_start(s));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_get_fd(s, &fd));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_get_timeout(s, &ms));
    GIVES(VOIP_ERR_ARGUMENT, voip_rtp_session_send_dtmf(s, "x", 0, 0));
    OK(voip_rtp_session_flush(s));
    OK(voip_rtp_session_stop(s));
    OK(voip_rtp_session_stop(s));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_start(s));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_set_direction(s, VOIP_MEDIA_INACTIVE));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_write(s, pcm, FRAMES, -1, &n));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_read(s, pcm, FRAMES, -1, &n));
    OK(voip_rtp_session_free(s));
    GIVES(VOIP_ERR_HANDLE, voip_rtp_session_free(s));
}

/* a writes a square wave, b reads it with its timestamps, until b has heard enough and both have reports. */
static void they_talk(voip_rtp_session *a, voip_rtp_session *b)
{
    voip_rtp_session_stats sa = VOIP_RTP_SESSION_STATS_INIT, sb = VOIP_RTP_SESSION_STATS_INIT;
    voip_rtp_sync sync = VOIP_RTP_SYNC_INIT;
    int16_t wave[FRAMES], pcm[FRAMES];
    uint32_t next = 0, timestamp = 0, steady = 0, loud = 0, frames = 0;
    int32_t i, turn;
    uint64_t ntp = 0;
    for (i = 0; i < FRAMES; i++) {
        wave[i] = (int16_t)(i % 16 < 8 ? 8000 : -8000);
    }
    for (turn = 0; turn < 1500; turn++) {
        size_t got = 0, put = 0;
        voip_status status;
        (void)voip_rtp_session_write(a, wave, FRAMES, 0, &put);
        status = voip_rtp_session_read_timed(b, pcm, FRAMES, 1000, &got, &timestamp);
        CHECK(status == VOIP_OK || status == VOIP_ERR_TIMEOUT);
        if (got > 0) {
            steady += frames > 0 && timestamp == next;
            next = timestamp + (uint32_t)got;
            frames += (uint32_t)got;
            loud += abs(pcm[0]) > 6000 && abs(pcm[0]) < 10000;
        }
        OK(voip_rtp_session_get_stats(a, &sa));
        OK(voip_rtp_session_get_stats(b, &sb));
        if (frames > 8000 && sa.round_trip_us >= 0 && sa.reports_about_us > 1 && sb.sender_reports_received > 1) {
            break;
        }
    }
    CHECK(frames > 8000 && loud > 20);
    /* On a busy machine frames are left out; as a rule one read goes on where the one before ended. */
    CHECK(steady > 10);
    CHECK(sb.remote_ssrc == 0x1234abcd && sa.local_ssrc == 0x1234abcd);
    /* The counters of a are older by a packet or two. */
    CHECK(sb.rx_packets > 50 && sb.rx_lost == 0 && sa.tx_packets + 3 >= sb.rx_packets);
    CHECK(sa.round_trip_us >= 0 && sa.round_trip_us < 10000000 && sa.remote_lost <= 0);
    MUST(voip_rtp_session_get_sync(b, &sync));
    CHECK(sync.ssrc == 0x1234abcd && sync.clock_rate == 8000 && sync.arrival_ns > 0);
    MUST(voip_rtp_ntp_of(&sync, sync.rtp_timestamp + 8000, &ntp));
    CHECK(ntp == sync.ntp + ((uint64_t)1 << 32));
    MUST(voip_rtp_ntp_of(&sync, timestamp, &ntp));
    /* What is heard was said within the last seconds, by the same wall clock. */
    CHECK((int64_t)(sync.arrival_ntp - ntp) < ((int64_t)20 << 32) && (int64_t)(ntp - sync.arrival_ntp) < ((int64_t)20 << 32));
}

static void two_sessions(void)
{
    voip_rtp_session_options o = VOIP_RTP_SESSION_OPTIONS_INIT;
    voip_rtp_session_stats stats = VOIP_RTP_SESSION_STATS_INIT;
    voip_rtp_session *a, *b;
    keys told;
    uint32_t ssrc = 0x1234abcd, timestamp = 0xffffff00u;
    uint16_t sequence = 65530;
    int32_t port_a = 0, port_b = 0, turn;
    int16_t pcm[FRAMES];
    char digits[16];
    size_t n = 0, got = 0;
    memset(&told, 0, sizeof told);

    o.local_address = "127.0.0.1";
    o.report_interval_ms = 100;
    o.on_dtmf = on_key;
    o.user = &told;
    o.destroy = on_destroy;
    b = opened(&o, &port_b);
    o.on_dtmf = NULL;
    o.destroy = NULL;
    o.remote_address = "127.0.0.1";
    o.remote_port = port_b;
    o.ssrc = &ssrc;
    o.first_sequence = &sequence;
    o.first_timestamp = &timestamp;
    o.cname = "test@example.com";
    a = opened(&o, &port_a);
    CHECK(port_a % 2 == 0 && port_b % 2 == 0 && port_a != port_b);
    /* b has no address of a: it answers where the packets come from. */
    MUST(voip_rtp_session_start(b));
    MUST(voip_rtp_session_start(a));
    they_talk(a, b);

    OK(voip_rtp_session_send_dtmf(a, "1#d", 0, 0));
    for (turn = 0; turn < 3; turn++) {
        GIVES(VOIP_OK, voip_rtp_session_read_dtmf(b, digits, sizeof digits, 20000, &n));
        CHECK(n >= 1);
        turn += (int32_t)n - 1;
    }
    OK(voip_rtp_session_drain(a, 20000));
    OK(voip_rtp_session_stop(a));
    for (turn = 0; turn < 1000; turn++) {
        (void)voip_rtp_session_read(b, pcm, FRAMES, 20, &got);
        OK(voip_rtp_session_get_stats(b, &stats));
        if (stats.byes_received > 0) {
            break;
        }
    }
    CHECK(stats.byes_received == 1);
    CHECK(told.destroyed == 0);
    OK(voip_rtp_session_free(b));
    CHECK(strcmp(told.text, "1#D") == 0 && told.ends == 3 && told.destroyed == 1);
    CHECK(told.longest >= 100 && told.longest <= 140);
    CHECK(told.free_inside == VOIP_ERR_IN_CALLBACK);
    OK(voip_rtp_session_get_stats(a, &stats));
    CHECK(stats.rx_packets > 0);
    OK(voip_rtp_session_free(a));
}

static void the_host_drives(void)
{
    voip_rtp_session_options o = VOIP_RTP_SESSION_OPTIONS_INIT;
    voip_rtp_session_stats stats = VOIP_RTP_SESSION_STATS_INIT;
    voip_rtp_payload map[1];
    voip_rtp_session *s;
    struct pollfd waiting;
    int32_t port = 0, turn, ms = -2;
    unsigned char pcm[FRAMES];
    size_t put = 0, got = 0, heard = 0;
    memset(map, 0, sizeof map);
    memset(pcm, 0x80, sizeof pcm);
    map[0].payload_type = 96;
    map[0].name = "L16";
    map[0].clock_rate = 16000;
    o.local_address = "127.0.0.1";
    o.rtcp_mux = 1;
    o.driven = 1;
    o.sample_format = VOIP_FORMAT_U8;
    o.payloads = map;
    o.payload_count = 1;
    s = opened(&o, &port);
    /* It talks to itself. */
    OK(voip_rtp_session_set_remote(s, "127.0.0.1", port, 0));
    GIVES(VOIP_ERR_RANGE, voip_rtp_session_set_remote(s, "127.0.0.1", 70000, 0));
    MUST(voip_rtp_session_start(s));
    memset(&waiting, 0, sizeof waiting);
    MUST(voip_rtp_session_get_fd(s, &waiting.fd));
    waiting.events = POLLIN;
    for (turn = 0; turn < 2000 && heard < 4000; turn++) {
        CHECK(poll(&waiting, 1, 5000) == 1);
        OK(voip_rtp_session_poll(s, 0));
        (void)voip_rtp_session_write(s, pcm, FRAMES, 0, &put);
        if (voip_rtp_session_read(s, pcm, FRAMES, 0, &got) == VOIP_OK) {
            heard += got;
        }
        memset(pcm, 0x80, sizeof pcm);
    }
    CHECK(heard >= 4000);
    OK(voip_rtp_session_get_timeout(s, &ms));
    CHECK(ms >= 0 && ms <= 20);
    GIVES(VOIP_ERR_NOT_SUPPORTED, voip_rtp_session_send_dtmf(s, "1", 0, 0));
    OK(voip_rtp_session_set_direction(s, VOIP_MEDIA_INACTIVE));
    OK(voip_rtp_session_poll(s, 100));
    OK(voip_rtp_session_get_stats(s, &stats));
    CHECK(stats.tx_packets > 20 && stats.rx_lost == 0);
    OK(voip_rtp_session_free(s));
}

int main(void)
{
    options_are_checked();
    states_are_checked();
    two_sessions();
    the_host_drives();
    return check_end();
}
