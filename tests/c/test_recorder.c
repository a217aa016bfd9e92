/* The recorder: a WAV file of what was heard, and of both sides. */
#include "pair.h"

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Frames in the file's data chunk. */
static long wav_frames(const char *path, int channels)
{
    unsigned char head[44];
    long frames = -1;
    FILE *file = fopen(path, "rb");
    if (file != NULL) {
        if (fread(head, sizeof head, 1, file) == 1 && memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WAVE", 4) == 0) {
            CHECK(head[22] == channels);
            frames = (long)get32(head + 40) / (2 * channels);
        }
        fclose(file);
    }
    return frames;
}

static void record(uint32_t channels)
{
    char path[] = "/tmp/voip-recorder-XXXXXX";
    side a, b;
    voip_call *call;
    voip_record_options options = VOIP_RECORD_OPTIONS_INIT;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    options.channels = channels;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    GIVES(VOIP_ERR_NULL, voip_call_record_start(call, NULL, NULL));
    SAYS(VOIP_ERR_SYSTEM, "no-such-folder", voip_call_record_start(call, "/no-such-folder/x.wav", NULL));
    options.channels = 3;
    SAYS(VOIP_ERR_RANGE, "3", voip_call_record_start(call, path, &options));
    options.size = 1;
    GIVES(VOIP_ERR_ARGUMENT, voip_call_record_start(call, path, &options));
    options.size = sizeof options;
    options.channels = channels;
    OK(voip_call_record_start(call, path, channels == 1 ? NULL : &options));
    OK(voip_call_play_tone(b.incoming, 500, 300));
    OK(voip_call_play_tone(call, 700, 300));
    CHECK(side_wait(&b, &b.play_completed, 1));
    CHECK(side_wait(&a, &a.play_completed, 1));
    if (channels == 1) {
        OK(voip_call_record_stop(call));
        CHECK(side_wait(&a, &a.recorded, 1));
        pair_hangup(&a, &b, call);
    } else {
        /* The end of the call closes the file too. */
        pair_hangup(&a, &b, call);
        CHECK(a.recorded == 1);
    }
    CHECK(a.recorded_frames >= 2000 && a.recorded_frames < 80000);
    CHECK(wav_frames(path, (int)channels) == (long)a.recorded_frames);
    side_stop(&a);
    side_stop(&b);
    remove(path);
}

int main(void)
{
    record(1);
    record(2);
    return check_end();
}
