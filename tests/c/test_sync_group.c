/* Several RTP streams on one clock: two streams of one sender, one of them 200 ms later under way. */
#include "check.h"
#include <math.h>
#include <stdint.h>
#include <time.h>

#define RATE 8000
#define FRAMES 160
#define MS 1000000ull
/* The host's clock when the sender's wall clock shows NTP 1000 s. */
#define START (5000 * MS)

static const double turn = 6.283185307179586;

/* Captured at frame n: a slow wave, so that the sound says its instant. */
static int16_t wave(double n)
{
    return (int16_t)lrint(20000 * sin(turn * n / (2 * RATE)));
}

static uint64_t ntp_of(uint64_t frames)
{
    return (1000ull << 32) + (frames << 32) / RATE;
}

static void packet(voip_sync_group *group, uint32_t stream, uint32_t first, uint32_t n, uint64_t delay_ms)
{
    int16_t pcm[FRAMES];
    size_t i, taken = 0;
    for (i = 0; i < FRAMES; i++) {
        pcm[i] = wave((double)n * FRAMES + (double)i);
    }
    OK(voip_sync_group_write(group, stream, first + n * FRAMES, pcm, FRAMES,
                             START + (n + 1) * 20 * MS + delay_ms * MS, &taken));
}

static void two_streams(void)
{
    voip_sync_group *group = NULL;
    voip_sync_stats stats = VOIP_SYNC_STATS_INIT;
    uint32_t a = 0, b = 0, n, heard = 0, timestamp = 0;
    uint64_t time = 0, local = 0, last = 0, at = 0;
    int64_t before = 0, after = 0;
    int16_t pa[FRAMES], pb[FRAMES];
    size_t real_a = 0, real_b = 0;
    double apart = 0;

    MUST(voip_sync_group_new(0, 0, &group));
    OK(voip_sync_group_add(group, RATE, RATE, 1, "cam@host", &a));
    OK(voip_sync_group_add(group, RATE, RATE, 1, "cam@host", &b));
    CHECK(a != b && a != 0 && b != 0);
    SAYS(VOIP_ERR_STATE, "nothing", voip_sync_group_get_time(group, a, 0, &time, NULL));
    SAYS(VOIP_ERR_STATE, "no sender report", voip_sync_group_get_skew(group, a, &before, &after));
    for (n = 0; n < 500; n++) {
        uint64_t now = START + (n + 1) * 20 * MS;
        packet(group, a, 0xffffff00u, n, 5);
        if (n >= 10) packet(group, b, 77, n - 10, 205);
        if (n % 100 == 50) {
            /* The reports have their own numbers for the same instant. */
            OK(voip_sync_group_report(group, a, ntp_of(n * FRAMES), 0xffffff00u + n * FRAMES, now));
            OK(voip_sync_group_report(group, b, ntp_of(n * FRAMES), 77 + n * FRAMES, now));
        }
        OK(voip_sync_group_now(group, now, &time));
        CHECK(time >= last);
        last = time;
        OK(voip_sync_group_read(group, a, time, pa, FRAMES, &real_a));
        OK(voip_sync_group_read(group, b, time, pb, FRAMES, &real_b));
        if (n > 100 && real_a == FRAMES && real_b == FRAMES) {
            heard++;
            apart = fmax(apart, abs(pa[80] - pb[80]));
        }
    }
    /* A millisecond is 63 of 20000 where the wave is steepest. */
    CHECK(heard > 390 && apart < 20);
    OK(voip_sync_group_get_skew(group, b, &before, &after));
    CHECK(before > 198 * 1000000 && before < 202 * 1000000 && after > -1000000 && after < 1000000);
    OK(voip_sync_group_get_skew(group, a, &before, NULL));
    CHECK(before == 0);
    OK(voip_sync_group_get_stats(group, b, &stats));
    CHECK(stats.aligned && !stats.foreign && !stats.too_slow && stats.reports == 5 && stats.packets == 490);
    CHECK(stats.read > 0 && stats.restarts == 0);
    /* The same instant by both clocks. */
    OK(voip_sync_group_get_time(group, a, 0xffffff00u + 400 * FRAMES, &time, &local));
    OK(voip_sync_group_get_timestamp(group, b, time, &timestamp));
    CHECK(timestamp - (77 + 400 * FRAMES) + 2 < 5 && local > time);
    OK(voip_sync_group_get_time(group, a, 0xffffff00u + 401 * FRAMES, &at, NULL));
    CHECK(at - time > 19 * MS && at - time < 21 * MS);
    OK(voip_sync_group_remove(group, b));
    SAYS(VOIP_ERR_ARGUMENT, "no stream", voip_sync_group_read(group, b, time, pb, FRAMES, NULL));
    OK(voip_sync_group_free(group));
    GIVES(VOIP_ERR_HANDLE, voip_sync_group_free(group));
}

static void refusals(void)
{
    voip_sync_group *group = NULL;
    voip_sync_stats stats = VOIP_SYNC_STATS_INIT;
    uint32_t a = 0, b = 0, video = 0;
    uint64_t time = 0, local = 0, at;
    struct timespec clock;
    int16_t pcm[4] = { 0 };

    GIVES(VOIP_ERR_RANGE, voip_sync_group_new(9, 0, &group));
    GIVES(VOIP_ERR_RANGE, voip_sync_group_new(10001, 0, &group));
    GIVES(VOIP_ERR_RANGE, voip_sync_group_new(0, 257, &group));
    GIVES(VOIP_ERR_NULL, voip_sync_group_new(0, 0, NULL));
    CHECK(group == NULL);
    MUST(voip_sync_group_new(500, 3, &group));
    OK(voip_sync_group_add(group, RATE, RATE, 1, "a@x", &a));
    SAYS(VOIP_ERR_PROTOCOL, "b@y", voip_sync_group_add(group, RATE, RATE, 1, "b@y", &b));
    GIVES(VOIP_ERR_RANGE, voip_sync_group_add(group, 0, RATE, 1, NULL, &b));
    GIVES(VOIP_ERR_RANGE, voip_sync_group_add(group, RATE, RATE, 9, NULL, &b));
    GIVES(VOIP_ERR_NULL, voip_sync_group_add(group, RATE, RATE, 1, NULL, NULL));
    OK(voip_sync_group_add(group, 90000, 0, 0, NULL, &video));
    SAYS(VOIP_ERR_PROTOCOL, "a@x", voip_sync_group_set_cname(group, video, "b@y"));
    OK(voip_sync_group_set_cname(group, video, "a@x"));
    clock_gettime(CLOCK_MONOTONIC, &clock);
    at = (uint64_t)clock.tv_sec * 1000 * MS + (uint64_t)clock.tv_nsec;
    OK(voip_sync_group_packet(group, video, 9000, 0));
    SAYS(VOIP_ERR_STATE, "without sound", voip_sync_group_write(group, video, 0, pcm, 4, 0, NULL));
    SAYS(VOIP_ERR_PROTOCOL, "wall clock", voip_sync_group_report(group, video, 0, 0, 0));
    OK(voip_sync_group_now(group, 0, &time));
    OK(voip_sync_group_get_time(group, video, 9000, NULL, &local));
    CHECK(local > at && time + 500 * MS > at);
    OK(voip_sync_group_set_take_others(group, 1));
    OK(voip_sync_group_add(group, RATE, RATE, 1, "b@y", &b));
    OK(voip_sync_group_get_stats(group, b, &stats));
    CHECK(stats.foreign == 1 && stats.aligned == 0);
    SAYS(VOIP_ERR_LIMIT, "3 streams", voip_sync_group_add(group, RATE, RATE, 1, "a@x", &b));
    GIVES(VOIP_ERR_NULL, voip_sync_group_write(group, a, 0, NULL, 4, 0, NULL));
    GIVES(VOIP_ERR_NULL, voip_sync_group_read(group, a, 0, NULL, 4, NULL));
    GIVES(VOIP_ERR_RANGE, voip_sync_group_read(group, a, 0, pcm, SIZE_MAX / 2, NULL));
    GIVES(VOIP_ERR_NULL, voip_sync_group_now(group, 0, NULL));
    OK(voip_sync_group_free(group));
}

int main(void)
{
    two_streams();
    refusals();
    return check_end();
}
