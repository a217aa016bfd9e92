/* RTP sessions that feed a sync group, as a program does it that hears two microphones of one machine: the second one's
 * sound waits 200 ms longer in its session's receive buffer, and is played in step all the same. */
#include "check.h"
#include <math.h>
#include <time.h>

#define MS 1000000ull
/* A millisecond in 1/2^32 s. */
#define NTP_MS 4294967

enum { RATE = 8000, FRAMES = 160, SECONDS = 60 };

static const double turn = 6.283185307179586;

/* Two seconds a period: the sound says which frame it is. */
static int16_t wave(uint64_t n)
{
    return (int16_t)lrint(20000 * sin(turn * (double)n / (2 * RATE)));
}

/* One stream on its way. */
typedef struct way {
    voip_rtp_session *sender, *receiver;
    uint32_t stream;      /* of the group */
    uint64_t written;     /* frames that the sender was given */
    int reported;         /* a sender report came */
    uint32_t first;       /* RTP timestamp of its first frame */
    int16_t came[1 << 20]; /* what its receiver gave, by timestamp from the first on */
    voip_rtp_sync sync;
} way;

static void opened(way *w, uint32_t first, uint32_t ssrc, uint32_t delay_ms)
{
    int32_t port = 0, rtcp_port = 0;
    voip_rtp_session_options o = VOIP_RTP_SESSION_OPTIONS_INIT;
    memset(w, 0, sizeof *w);
    w->first = first;
    o.local_address = "127.0.0.1";
    o.direction = VOIP_MEDIA_RECVONLY;
    o.jitter_min_ms = delay_ms;
    o.jitter_max_ms = 400;
    MUST(voip_rtp_session_new(&o, &w->receiver));
    MUST(voip_rtp_session_bind(w->receiver));
    MUST(voip_rtp_session_get_local_address(w->receiver, NULL, 0, NULL, &port, &rtcp_port));
    o.direction = VOIP_MEDIA_SENDRECV;
    o.remote_address = "127.0.0.1";
    o.remote_port = port;
    o.remote_rtcp_port = rtcp_port;
    o.report_interval_ms = 100;
    o.cname = "microphones@host";
    o.ssrc = &ssrc;
    o.first_timestamp = &first;
    MUST(voip_rtp_session_new(&o, &w->sender));
    MUST(voip_rtp_session_start(w->receiver));
}

/* Keeps a second of sound before the sender, so that a stall of this program is not heard. */
static void fill(way *w)
{
    int16_t pcm[FRAMES];
    size_t put = FRAMES, i;
    while (put == FRAMES) {
        for (i = 0; i < FRAMES; i++) {
            pcm[i] = wave(w->written + i);
        }
        put = 0;
        if (voip_rtp_session_write(w->sender, pcm, FRAMES, 0, &put) != VOIP_OK) {
            return;
        }
        w->written += put;
    }
}

static void keep(way *w, uint32_t timestamp, const int16_t *pcm, size_t frames)
{
    size_t at = timestamp - w->first;
    if (at + frames <= sizeof w->came / sizeof *w->came) {
        memcpy(w->came + at, pcm, frames * sizeof *pcm);
    }
}

/* The sender's wall clock when it recorded what is played at an instant, by its own report; and whether that is what was
 * read from there. */
static uint64_t recorded_at(voip_sync_group *group, const way *w, uint64_t played, const int16_t *read, int *right)
{
    uint32_t timestamp = 0;
    uint64_t ntp = 0, told = 0;
    int32_t after;
    size_t at;
    OK(voip_sync_group_get_timestamp(group, w->stream, played, &timestamp));
    at = timestamp - w->first;
    /* A sample is at most 8 apart from its neighbour. */
    *right = at + FRAMES < sizeof w->came / sizeof *w->came && abs(w->came[at + 80] - read[80]) < 100;
    after = (int32_t)(timestamp - w->sync.rtp_timestamp);
    ntp = w->sync.ntp + (uint64_t)(((int64_t)after * 4294967296) / RATE);
    OK(voip_rtp_ntp_of(&w->sync, timestamp, &told));
    CHECK(told - ntp + 2 < 5);
    return ntp;
}

/* What came, with its timestamp, and the report that says when it was recorded. */
static void hear(voip_sync_group *group, way *w)
{
    int16_t pcm[FRAMES];
    size_t got = 0, taken = 0;
    uint32_t timestamp = 0;
    voip_rtp_sync sync = VOIP_RTP_SYNC_INIT;
    while (voip_rtp_session_read_timed(w->receiver, pcm, FRAMES, 0, &got, &timestamp) == VOIP_OK && got > 0) {
        OK(voip_sync_group_write(group, w->stream, timestamp, pcm, got, 0, &taken));
        keep(w, timestamp, pcm, got);
    }
    if (voip_rtp_session_get_sync(w->receiver, &sync) == VOIP_OK) {
        CHECK(sync.clock_rate == RATE && sync.ntp != 0);
        OK(voip_sync_group_report(group, w->stream, sync.ntp, sync.rtp_timestamp, sync.arrival_ns));
        w->reported = 1;
        w->sync = sync;
    }
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int main(void)
{
    voip_sync_group *group = NULL;
    voip_sync_stats of_a = VOIP_SYNC_STATS_INIT, of_b = VOIP_SYNC_STATS_INIT;
    static way a, b;
    int16_t pa[FRAMES], pb[FRAMES], tick[FRAMES];
    size_t real_a = 0, real_b = 0;
    int64_t before = 0, after = 0;
    uint64_t now = 0, played = 0, end = now_ms() + SECONDS * 1000;
    int64_t widest = 0, apart;
    int heard = 0, silent = 0, together = 0, aligned = 0, right = 0, right_a = 0, right_b = 0;

    opened(&a, 0xffffff00u, 1, 20);
    opened(&b, 77, 2, 220);
    MUST(voip_sync_group_new(0, 0, &group));
    OK(voip_sync_group_add(group, RATE, RATE, 1, "microphones@host", &a.stream));
    OK(voip_sync_group_add(group, RATE, RATE, 1, "microphones@host", &b.stream));
    fill(&a);
    fill(&b);
    OK(voip_rtp_session_start(a.sender));
    OK(voip_rtp_session_start(b.sender));
    while (heard < 50 && now_ms() < end) {
        /* The beat of a sound card: whatever is heard next waits for the first stream. */
        size_t got = 0;
        uint32_t timestamp = 0;
        (void)voip_rtp_session_read_timed(a.receiver, tick, FRAMES, 1000, &got, &timestamp);
        if (got > 0) {
            OK(voip_sync_group_write(group, a.stream, timestamp, tick, got, 0, NULL));
            keep(&a, timestamp, tick, got);
        }
        fill(&a);
        fill(&b);
        hear(group, &a);
        hear(group, &b);
        OK(voip_sync_group_get_stats(group, a.stream, &of_a));
        OK(voip_sync_group_get_stats(group, b.stream, &of_b));
        OK(voip_sync_group_now(group, 0, &now));
        if (!of_a.aligned || !of_b.aligned || !a.reported || !b.reported) {
            continue;
        }
        /* A sound card's position: it goes on steadily, behind what is to be played now. */
        if (played == 0 || played + 500 * MS < now) {
            played = now - 100 * MS;
        }
        for (; played + 20 * MS <= now; played += 20 * MS) {
            OK(voip_sync_group_read(group, a.stream, played, pa, FRAMES, &real_a));
            OK(voip_sync_group_read(group, b.stream, played, pb, FRAMES, &real_b));
            if (real_a < FRAMES || real_b < FRAMES) {
                continue;
            }
            heard++;
            silent += pa[0] == 0 && pa[FRAMES - 1] == 0;
            apart = (int64_t)(recorded_at(group, &a, played, pa, &right_a) - recorded_at(group, &b, played, pb, &right_b));
            together += apart < NTP_MS && apart > -NTP_MS;
            right += right_a && right_b;
            OK(voip_sync_group_get_skew(group, b.stream, &before, &after));
            widest = before > widest ? before : widest;
            aligned += after > -1000000 && after < 1000000;
        }
    }
    printf("%d pieces heard, %d recorded within 1 ms, %d as they came; skew before %.1f ms, after %.3f ms\n", heard, together,
           right, (double)widest / 1e6, (double)after / 1e6);
    /* A machine that stalls for longer than the buffers disturbs a few of them. */
    CHECK(heard >= 10 && silent < heard / 10);
    CHECK(together >= heard * 9 / 10 && aligned >= heard * 9 / 10 && right >= heard * 9 / 10);
    OK(voip_rtp_session_free(a.sender));
    OK(voip_rtp_session_free(a.receiver));
    OK(voip_rtp_session_free(b.sender));
    OK(voip_rtp_session_free(b.receiver));
    OK(voip_sync_group_free(group));
    return check_end();
}
