/* Sound by timestamps: holes, late data, the wrap, a jump back; from one thread and from two. */
#include "check.h"
#include <pthread.h>

static void *hammer(void *handle)
{
    voip_pcm_buffer *buffer = (voip_pcm_buffer *)handle;
    unsigned char frames[4096];
    int32_t i, strange = 0;
    for (i = 0; i < 2000; i++) {
        voip_status status = voip_pcm_buffer_read(buffer, frames, sizeof frames, NULL);
        strange += status != VOIP_OK && status != VOIP_ERR_BUSY;
        status = voip_pcm_buffer_write(buffer, (uint32_t)i, frames, sizeof frames, NULL);
        strange += status != VOIP_OK && status != VOIP_ERR_BUSY;
    }
    return strange ? handle : NULL;
}

static void two_threads(void)
{
    voip_pcm_buffer *buffer = NULL;
    pthread_t other;
    void *strange = NULL;
    MUST(voip_pcm_buffer_new(VOIP_FORMAT_U8, 1, 8192, &buffer));
    CHECK(pthread_create(&other, NULL, hammer, buffer) == 0);
    CHECK(hammer(buffer) == NULL);
    CHECK(pthread_join(other, &strange) == 0 && strange == NULL);
    OK(voip_pcm_buffer_free(buffer));
}

int main(void)
{
    voip_pcm_buffer *b = NULL;
    voip_pcm_buffer_stats stats = VOIP_PCM_BUFFER_STATS_INIT;
    int16_t pair[4], samples[4] = {1, 2, 3, 4};
    unsigned char out[8];
    size_t real = 9, taken = 9;
    uint32_t timestamp = 0;

    GIVES(VOIP_ERR_ARGUMENT, voip_pcm_buffer_new(7, 1, 100, &b));
    GIVES(VOIP_ERR_RANGE, voip_pcm_buffer_new(VOIP_FORMAT_U8, 9, 100, &b));
    GIVES(VOIP_ERR_RANGE, voip_pcm_buffer_new(VOIP_FORMAT_U8, 1, 0, &b));
    GIVES(VOIP_ERR_RANGE, voip_pcm_buffer_new(VOIP_FORMAT_S16, 8, (size_t)1 << 40, &b));
    GIVES(VOIP_ERR_NULL, voip_pcm_buffer_new(VOIP_FORMAT_U8, 1, 100, NULL));
    CHECK(b == NULL);

    MUST(voip_pcm_buffer_new(VOIP_FORMAT_U8, 1, 1000, &b));
    GIVES(VOIP_ERR_STATE, voip_pcm_buffer_get_timestamp(b, &timestamp));
    OK(voip_pcm_buffer_read(b, out, 4, &real));
    CHECK(real == 0 && out[3] == 0x80);
    OK(voip_pcm_buffer_write(b, 0xfffffffeu, "ab", 2, &taken));
    OK(voip_pcm_buffer_write(b, 2, "ef", 2, &taken));
    OK(voip_pcm_buffer_write(b, 0, "c", 1, &taken));
    OK(voip_pcm_buffer_get_timestamp(b, &timestamp));
    CHECK(timestamp == 0xfffffffeu && taken == 1);
    OK(voip_pcm_buffer_read(b, out, 8, &real));
    CHECK(memcmp(out, "abc\x80" "ef\x80\x80", 8) == 0 && real == 5);
    OK(voip_pcm_buffer_write(b, 1, "x", 1, &taken));
    CHECK(taken == 0);
    OK(voip_pcm_buffer_write(b, 0u - 99996u, "new", 3, &taken));
    CHECK(taken == 3);
    OK(voip_pcm_buffer_get_stats(b, &stats));
    CHECK(stats.available == 3 && stats.late == 1 && stats.holes == 1 && stats.restarts == 1);
    OK(voip_pcm_buffer_set_rewind(b, 10));
    GIVES(VOIP_ERR_RANGE, voip_pcm_buffer_set_rewind(b, 0));
    OK(voip_pcm_buffer_reset(b));
    OK(voip_pcm_buffer_read(b, out, 8, &real));
    CHECK(real == 0);
    GIVES(VOIP_ERR_NULL, voip_pcm_buffer_write(b, 0, NULL, 4, NULL));
    GIVES(VOIP_ERR_NULL, voip_pcm_buffer_read(b, NULL, 4, NULL));
    OK(voip_pcm_buffer_free(b));
    GIVES(VOIP_ERR_HANDLE, voip_pcm_buffer_free(b));
    GIVES(VOIP_ERR_HANDLE, voip_pcm_buffer_reset(b));
    SAYS(VOIP_ERR_HANDLE, "NULL", voip_pcm_buffer_reset(NULL));

    /* Two channels of 16 bit: silence is 0, frames are counted. */
    MUST(voip_pcm_buffer_new(VOIP_FORMAT_S16, 2, 10, &b));
    OK(voip_pcm_buffer_write(b, 5, samples, 2, &taken));
    OK(voip_pcm_buffer_read(b, pair, 2, &real));
    CHECK(taken == 2 && real == 2 && memcmp(pair, samples, sizeof pair) == 0);
    OK(voip_pcm_buffer_read(b, pair, 2, &real));
    CHECK(real == 0 && pair[0] == 0 && pair[3] == 0);
    OK(voip_pcm_buffer_free(b));
    two_threads();
    return check_end();
}
