/* Many sessions on one socket: each hears its own peer, a wildcard learns its own, what is not RTP goes to the host. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS 6
#define FRAMES 160

typedef struct others {
    int32_t stun, kinds, destroyed;
    size_t bytes;
    char address[64];
} others;

static void on_other(voip_rtp_mux *mux, int32_t kind, const uint8_t *data, size_t len, const char *address,
                     int32_t port, void *user)
{
    others *o = (others *)user;
    o->kinds++;
    if (kind == VOIP_PACKET_STUN && mux != NULL && port > 0 && data[1] == 1) {
        snprintf(o->address, sizeof o->address, "%s", address);
        o->bytes = len;
        o->stun++;
    }
}

static void on_destroy(void *user)
{
    ((others *)user)->destroyed++;
}

/* Each peer has its own level. */
static int16_t level_of(int32_t peer)
{
    return (int16_t)(1000 + 2000 * peer);
}

static void send_strange_things(int32_t port)
{
    struct sockaddr_in to;
    unsigned char stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    unsigned char dtls[16] = {22, 0xfe, 0xfd};
    unsigned char rtp[12] = {0x80, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(sendto(fd, stun, sizeof stun, 0, (struct sockaddr *)&to, sizeof to) == sizeof stun);
    CHECK(sendto(fd, dtls, sizeof dtls, 0, (struct sockaddr *)&to, sizeof to) == sizeof dtls);
    CHECK(sendto(fd, rtp, sizeof rtp, 0, (struct sockaddr *)&to, sizeof to) == sizeof rtp);
    close(fd);
}

/* All peers speak at once; true once each session has heard its own for long enough. */
static int32_t talk(voip_rtp_session **inner, voip_rtp_session **outer)
{
    int16_t wave[FRAMES], pcm[FRAMES];
    int32_t right[PEERS] = {0}, wrong[PEERS] = {0}, turn, i, k, ready = 0;
    size_t n;
    for (turn = 0; turn < 1000 && ready < PEERS; turn++) {
        ready = 0;
        for (i = 0; i < PEERS; i++) {
            for (k = 0; k < FRAMES; k++) {
                wave[k] = (int16_t)(k % 2 == 0 ? level_of(i) : -level_of(i));
            }
            (void)voip_rtp_session_write(outer[i], wave, FRAMES, 0, &n);
            n = 0;
            (void)voip_rtp_session_read(inner[i], pcm, FRAMES, i == 0 ? 20 : 0, &n);
            for (k = 0; k < (int32_t)n; k++) {
                int32_t off = abs(abs(pcm[k]) - level_of(i));
                right[i] += off < 400;
                wrong[i] += off >= 400 && pcm[k] != 0 && abs(pcm[k]) > 500;
            }
            ready += right[i] > 1600;
        }
    }
    for (i = 0; i < PEERS; i++) {
        /* The edges of a gap that was concealed are neither. */
        CHECK(wrong[i] < right[i] / 4);
    }
    return ready == PEERS;
}

static void many_on_one_socket(void)
{
    voip_rtp_mux_options mo = VOIP_RTP_MUX_OPTIONS_INIT;
    voip_rtp_mux_stats ms = VOIP_RTP_MUX_STATS_INIT;
    voip_rtp_session_stats stats = VOIP_RTP_SESSION_STATS_INIT;
    voip_rtp_session_options inside = VOIP_RTP_SESSION_OPTIONS_INIT, outside = VOIP_RTP_SESSION_OPTIONS_INIT;
    voip_rtp_session *inner[PEERS], *outer[PEERS], *extra = NULL;
    voip_rtp_mux *mux = NULL;
    others told;
    voip_rtp_payload l16;
    int32_t port = 0, peer_port = 0, i, turn;
    int16_t pcm[FRAMES];
    char address[46];
    size_t n = 0;

    memset(&told, 0, sizeof told);
    memset(&l16, 0, sizeof l16);
    l16.payload_type = 97;
    l16.name = "L16";
    l16.clock_rate = 8000;
    mo.local_address = "127.0.0.1";
    mo.max_sessions = PEERS;
    mo.on_other = on_other;
    mo.user = &told;
    mo.destroy = on_destroy;
    MUST(voip_rtp_mux_new(&mo, &mux));
    MUST(voip_rtp_mux_get_local_address(mux, address, sizeof address, NULL, &port));
    CHECK(strcmp(address, "127.0.0.1") == 0 && port > 0);
    GIVES(VOIP_ERR_STATE, voip_rtp_mux_poll(mux, 0));

    inside.payloads = outside.payloads = &l16;
    inside.payload_count = outside.payload_count = 1;
    inside.report_interval_ms = outside.report_interval_ms = 100;
    outside.local_address = "127.0.0.1";
    outside.rtcp_mux = 1;
    outside.remote_address = "127.0.0.1";
    outside.remote_port = port;
    for (i = 0; i < PEERS; i++) {
        MUST(voip_rtp_session_new(&outside, &outer[i]));
        MUST(voip_rtp_session_bind(outer[i]));
        MUST(voip_rtp_session_get_local_address(outer[i], NULL, 0, NULL, &peer_port, NULL));
        MUST(voip_rtp_session_new(&inside, &inner[i]));
        /* The last one is a wildcard. */
        MUST(voip_rtp_mux_register(mux, inner[i], i + 1 < PEERS ? "127.0.0.1" : NULL, i + 1 < PEERS ? peer_port : 0));
        GIVES(VOIP_ERR_STATE, voip_rtp_mux_register(mux, inner[i], NULL, 0));
        MUST(voip_rtp_session_start(inner[i]));
    }
    MUST(voip_rtp_session_new(&inside, &extra));
    SAYS(VOIP_ERR_LIMIT, "6 sessions", voip_rtp_mux_register(mux, extra, NULL, 0));
    GIVES(VOIP_ERR_STATE, voip_rtp_mux_unregister(mux, extra));
    GIVES(VOIP_ERR_STATE, voip_rtp_mux_register(mux, outer[0], NULL, 0));
    OK(voip_rtp_session_free(extra));
    for (i = 0; i < PEERS; i++) {
        MUST(voip_rtp_session_start(outer[i]));
    }
    CHECK(talk(inner, outer));
    send_strange_things(port);
    for (turn = 0; turn < 1000; turn++) {
        (void)voip_rtp_session_read(inner[0], pcm, FRAMES, 20, &n);
        OK(voip_rtp_mux_get_stats(mux, &ms));
        OK(voip_rtp_session_get_stats(outer[PEERS - 1], &stats));
        if (ms.unrouted > 0 && ms.dtls > 0 && stats.round_trip_us >= 0) {
            break;
        }
    }
    CHECK(ms.stun == 1 && ms.dtls == 1 && ms.unrouted >= 1 && ms.learned >= PEERS && ms.sessions == PEERS);
    CHECK(stats.round_trip_us >= 0 && stats.rx_packets > 0);
    GIVES(VOIP_ERR_STATE, voip_rtp_session_poll(inner[0], 0));
    OK(voip_rtp_mux_unregister(mux, inner[0]));
    while (voip_rtp_session_read(inner[0], pcm, FRAMES, 0, &n) == VOIP_OK) {
    }
    GIVES(VOIP_ERR_STATE, voip_rtp_session_read(inner[0], pcm, FRAMES, -1, &n));
    OK(voip_rtp_session_free(inner[1]));
    OK(voip_rtp_mux_get_stats(mux, &ms));
    CHECK(ms.sessions == PEERS - 2);
    OK(voip_rtp_mux_free(mux));
    GIVES(VOIP_ERR_HANDLE, voip_rtp_mux_free(mux));
    CHECK(told.stun == 1 && told.kinds == 2 && told.bytes == 20 && told.destroyed == 1);
    CHECK(strcmp(told.address, "127.0.0.1") == 0);
    for (i = 0; i < PEERS; i++) {
        OK(voip_rtp_session_free(outer[i]));
        if (i != 1) {
            OK(voip_rtp_session_free(inner[i]));
        }
    }
}

static void the_host_drives(void)
{
    voip_rtp_mux_options mo = VOIP_RTP_MUX_OPTIONS_INIT;
    voip_rtp_session_stats stats = VOIP_RTP_SESSION_STATS_INIT;
    voip_rtp_session *s[2] = {NULL, NULL};
    voip_rtp_mux *mux[2] = {NULL, NULL};
    int32_t port[2], fd = -1, ms = -2, turn, i;
    mo.local_address = "127.0.0.1";
    mo.driven = 1;
    for (i = 0; i < 2; i++) {
        MUST(voip_rtp_mux_new(&mo, &mux[i]));
        MUST(voip_rtp_mux_get_local_address(mux[i], NULL, 0, NULL, &port[i]));
        MUST(voip_rtp_session_new(NULL, &s[i]));
    }
    for (i = 0; i < 2; i++) {
        MUST(voip_rtp_mux_register(mux[i], s[i], "127.0.0.1", port[1 - i]));
        MUST(voip_rtp_session_start(s[i]));
        OK(voip_rtp_mux_get_fd(mux[i], &fd));
        CHECK(fd >= 0);
    }
    for (turn = 0; turn < 2000 && stats.rx_packets < 10; turn++) {
        OK(voip_rtp_mux_poll(mux[0], 5));
        OK(voip_rtp_mux_poll(mux[1], 5));
        OK(voip_rtp_session_get_stats(s[1], &stats));
    }
    CHECK(stats.rx_packets >= 10);
    OK(voip_rtp_mux_get_timeout(mux[0], &ms));
    CHECK(ms >= 0 && ms <= 20);
    /* Nobody polls: the one who stops does the work. */
    OK(voip_rtp_session_stop(s[0]));
    OK(voip_rtp_mux_free(mux[1]));
    GIVES(VOIP_ERR_STATE, voip_rtp_session_set_direction(s[1], VOIP_MEDIA_INACTIVE));
    OK(voip_rtp_mux_free(mux[0]));
    OK(voip_rtp_session_free(s[0]));
    OK(voip_rtp_session_free(s[1]));
}

int main(void)
{
    many_on_one_socket();
    the_host_drives();
    return check_end();
}
