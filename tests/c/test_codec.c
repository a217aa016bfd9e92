/* Codecs by themselves: every one of this build codes a tone and gives it back. */
#include "check.h"
#include <math.h>

static void tone(const voip_codec_entry *entry)
{
    voip_codec *codec = NULL;
    int16_t in[2 * 960], out[2 * 960];
    uint8_t payload[8192];
    /* Even: G.722 and DVI4 put two samples into a byte. */
    size_t frames = entry->audio_rate / 50 & ~(size_t)1, bytes = 0, written = 0, got = 0, back = 0, i;
    double error = 0, power = 0;
    uint32_t round;

    MUST(voip_codec_new(entry->name, entry->clock_rate, entry->channels, &codec));
    OK(voip_codec_get_sizes(codec, frames, &bytes, 0, NULL));
    CHECK(bytes > 0 && bytes <= sizeof payload);
    /* The second packet: some codecs have to settle in the first. */
    for (round = 0; round < 2; round++) {
        for (i = 0; i < frames * entry->channels; i++) {
            double t = (double)(round * frames + i / entry->channels) / entry->audio_rate;
            in[i] = (int16_t)(8000 * sin(6.28318530718 * 400 * t));
        }
        OK(voip_codec_encode(codec, in, frames, payload, sizeof payload, &written));
        CHECK(written == bytes);
        OK(voip_codec_decode(codec, payload, written, out, 960, &got));
        CHECK(got == frames);
    }
    OK(voip_codec_get_sizes(codec, 0, NULL, written, &back));
    CHECK(back == frames);
    for (i = 0; i < got * entry->channels; i++) {
        power += (double)in[i] * in[i];
        error += ((double)in[i] - out[i]) * ((double)in[i] - out[i]);
    }
    /* A delay of the codec counts as an error of shape: only those without are compared. */
    if (strncmp(entry->name, "PCM", 3) == 0) {
        CHECK(error < power / 1000);
    }
    OK(voip_codec_conceal(codec, out, frames));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_codec_encode(codec, in, frames, payload, bytes - 1, &written));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_codec_decode(codec, payload, bytes, out, frames - 1, &got));
    GIVES(VOIP_ERR_NULL, voip_codec_encode(codec, NULL, frames, payload, sizeof payload, &written));
    GIVES(VOIP_ERR_NULL, voip_codec_decode(codec, payload, bytes, NULL, frames, &got));
    OK(voip_codec_reset(codec));
    OK(voip_codec_free(codec));
    GIVES(VOIP_ERR_HANDLE, voip_codec_free(codec));
    GIVES(VOIP_ERR_HANDLE, voip_codec_reset(codec));
}

/* 160 samples are 33 bytes that begin with 1101. */
static void gsm(void)
{
    voip_codec *codec = NULL;
    int16_t pcm[480] = { 0 };
    uint8_t payload[99];
    size_t bytes = 0, frames = 0, written = 0, got = 0;
    MUST(voip_codec_new("gsm", 0, 0, &codec));
    OK(voip_codec_get_sizes(codec, 161, &bytes, 98, &frames));
    CHECK(bytes == 66 && frames == 320);
    OK(voip_codec_encode(codec, pcm, 200, payload, sizeof payload, &written));
    CHECK(written == 66 && payload[0] >> 4 == 0xd && payload[33] >> 4 == 0xd);
    payload[33] ^= 0xf0;
    OK(voip_codec_decode(codec, payload, 66, pcm, 480, &got));
    CHECK(got == 160);
    OK(voip_codec_free(codec));
}

/* Noise becomes some bytes that tell its level, and noise as loud again for as long as one likes (RFC 3389). */
static void comfort_noise(void)
{
    voip_codec *codec = NULL;
    int16_t in[160], out[1600];
    uint8_t payload[11];
    size_t bytes = 0, frames = 9, written = 0, got = 0, i;
    uint32_t random = 1;
    double wanted = 0, heard = 0;
    MUST(voip_codec_new("CN", 8000, 1, &codec));
    OK(voip_codec_get_sizes(codec, 160, &bytes, 11, &frames));
    CHECK(bytes == 11 && frames == 0);
    for (i = 0; i < 160; i++) {
        random = random * 1664525 + 1013904223;
        in[i] = (int16_t)((int32_t)(random >> 16) % 2000 - 1000);
        wanted += (double)in[i] * in[i] / 160;
    }
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_codec_encode(codec, in, 160, payload, 10, &written));
    OK(voip_codec_encode(codec, in, 160, payload, sizeof payload, &written));
    CHECK(written == 11 && payload[0] > 20 && payload[0] < 50);
    OK(voip_codec_decode(codec, payload, written, out, 1600, &got));
    CHECK(got == 1600);
    OK(voip_codec_decode(codec, NULL, 0, out, 1600, &got));
    CHECK(got == 1600);
    for (i = 0; i < 1600; i++) heard += (double)out[i] * out[i] / 1600;
    CHECK(heard > wanted / 2 && heard < wanted * 2);
    OK(voip_codec_reset(codec));
    OK(voip_codec_decode(codec, NULL, 0, out, 160, &got));
    CHECK(got == 160 && out[0] == 0 && out[159] == 0);
    OK(voip_codec_free(codec));
}

int main(void)
{
    voip_codec_entry entry = VOIP_CODEC_ENTRY_INIT;
    voip_codec *codec = NULL;
    size_t i, seen = 0;
    for (i = 0; voip_codec_info(i, &entry) == VOIP_OK; i++) {
        if (strcmp(entry.name, "CN") != 0) tone(&entry);
        seen += strcmp(entry.name, "PCMU") == 0 || strcmp(entry.name, "PCMA") == 0;
    }
    CHECK(i == voip_codec_count() && seen == 2);
    GIVES(VOIP_ERR_RANGE, voip_codec_info(i, &entry));
    SAYS(VOIP_ERR_NO_CODEC, "nothing", voip_codec_new("nothing", 0, 0, &codec));
    GIVES(VOIP_ERR_NO_CODEC, voip_codec_new("PCMU", 16000, 0, &codec));
    GIVES(VOIP_ERR_NULL, voip_codec_new(NULL, 0, 0, &codec));
    CHECK(codec == NULL);
    gsm();
    comfort_noise();
    return check_end();
}
