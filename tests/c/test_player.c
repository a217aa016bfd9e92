/* The player: PCM, tones and files, one after the other, stopped, and what it refuses. */
#include "pair.h"

static void put32(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
    at[2] = (unsigned char)(value >> 16);
    at[3] = (unsigned char)(value >> 24);
}

/* A tenth of a second of silence, 8000 Hz, 16 bit, mono. */
static void write_wav(const char *path)
{
    unsigned char head[44];
    static unsigned char silence[1600];
    FILE *file = fopen(path, "wb");
    memset(head, 0, sizeof head);
    memcpy(head, "RIFF", 4);
    put32(head + 4, 36 + sizeof silence);
    memcpy(head + 8, "WAVEfmt ", 8);
    put32(head + 16, 16);
    head[20] = 1;
    head[22] = 1;
    put32(head + 24, 8000);
    put32(head + 28, 16000);
    head[32] = 2;
    head[34] = 16;
    memcpy(head + 36, "data", 4);
    put32(head + 40, sizeof silence);
    CHECK(file != NULL && fwrite(head, sizeof head, 1, file) == 1 && fwrite(silence, sizeof silence, 1, file) == 1);
    if (file != NULL) {
        fclose(file);
    }
}

int main(void)
{
    static int16_t pcm[1600];
    char path[] = "/tmp/voip-player-XXXXXX";
    side a, b;
    voip_call *call;
    uint64_t first = 0, second = 0;
    int fd = mkstemp(path);
    CHECK(fd >= 0);

    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    OK(voip_call_get_play_id(call, &first));
    CHECK(first == 0);
    GIVES(VOIP_ERR_NULL, voip_call_get_play_id(call, NULL));
    GIVES(VOIP_ERR_NULL, voip_call_play_pcm(call, NULL, 10));
    OK(voip_call_play_pcm(call, pcm, 1600));
    OK(voip_call_get_play_id(call, &first));
    OK(voip_call_play_tone(call, 440, 100));
    OK(voip_call_get_play_id(call, &second));
    CHECK(first != 0 && second != 0 && first != second);
    OK(voip_call_drain_audio(call, PAIR_SECONDS * 1000));
    CHECK(side_wait(&a, &a.played, 2));
    CHECK(a.play_completed == 2 && a.last_play == second);

    SAYS(VOIP_ERR_RANGE, "5 Hz", voip_call_play_tone(call, 5, 100));
    SAYS(VOIP_ERR_RANGE, "3600001 ms", voip_call_play_tone(call, 440, 3600001));
    SAYS(VOIP_ERR_SYSTEM, "no-such-file", voip_call_play_file(call, "/no-such-file.wav"));
    CHECK(voip_last_error_errno() == 2);
    GIVES(VOIP_ERR_NULL, voip_call_play_file(call, NULL));
    CHECK(voip_call_play_file(call, path) != VOIP_OK); /* empty: no WAV */
    write_wav(path);
    OK(voip_call_play_file(call, path));
    CHECK(side_wait(&a, &a.played, 3));
    CHECK(a.play_completed == 3);

    OK(voip_call_play_tone(call, 440, 60000));
    OK(voip_call_play_stop(call));
    CHECK(side_wait(&a, &a.played, 4));
    CHECK(a.play_completed == 3);

    pair_hangup(&a, &b, call);
    side_stop(&a);
    side_stop(&b);
    remove(path);
    return check_end();
}
