/* Keys as tones: made by one function, found by another. */
#include "check.h"

static void all_keys(uint32_t rate)
{
    static int16_t pcm[48000 * 4];
    const char *keys = "0123456789*#ABCD";
    voip_dtmf_detector *detector = NULL;
    char found[17], text[64] = "", key = 0;
    size_t frames = 0, i, count = 0, piece;
    uint64_t began = 0;
    uint32_t duration = 0;
    int32_t over = 9;

    OK(voip_dtmf_tone_write(keys, rate, 100, 80, 0, NULL, 0, &frames));
    CHECK(frames == (size_t)16 * (rate / 10 + rate * 8 / 100));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_dtmf_tone_write(keys, rate, 100, 80, 0, pcm, frames - 1, NULL));
    OK(voip_dtmf_tone_write(keys, rate, 100, 80, 0, pcm, frames, NULL));
    MUST(voip_dtmf_detector_new(rate, 0, &detector));
    GIVES(VOIP_ERR_STATE, voip_dtmf_detector_get_last(detector, &key, NULL, NULL, NULL));
    for (i = 0; i < frames; i += piece) {
        piece = frames - i < 333 ? frames - i : 333;
        OK(voip_dtmf_detector_process(detector, pcm + i, piece, found, sizeof found, &count));
        CHECK(strlen(found) == count);
        strcat(text, found);
    }
    CHECK(strcmp(text, keys) == 0);
    OK(voip_dtmf_detector_get_last(detector, &key, &began, &duration, &over));
    CHECK(key == 'D' && over == 1 && began >= 2690 && began <= 2710 && duration >= 90 && duration <= 110);
    OK(voip_dtmf_detector_free(detector));
    GIVES(VOIP_ERR_HANDLE, voip_dtmf_detector_free(detector));
}

static void what_does_not_fit_waits(void)
{
    static int16_t pcm[8000];
    voip_dtmf_detector *detector = NULL;
    char found[2];
    size_t frames = 0, count = 0;
    OK(voip_dtmf_tone_write("12a", 8000, 50, 50, 4000, pcm, 8000, &frames));
    MUST(voip_dtmf_detector_new(8000, 40, &detector));
    OK(voip_dtmf_detector_process(detector, pcm, frames, found, sizeof found, &count));
    CHECK(count == 1 && strcmp(found, "1") == 0);
    OK(voip_dtmf_detector_process(detector, NULL, 0, found, sizeof found, NULL));
    CHECK(strcmp(found, "2") == 0);
    OK(voip_dtmf_detector_process(detector, NULL, 0, found, sizeof found, NULL));
    CHECK(strcmp(found, "A") == 0);
    OK(voip_dtmf_detector_process(detector, NULL, 0, found, sizeof found, &count));
    CHECK(count == 0 && found[0] == 0);
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_dtmf_detector_process(detector, pcm, 1, found, 1, NULL));
    GIVES(VOIP_ERR_NULL, voip_dtmf_detector_process(detector, NULL, 1, found, 2, NULL));
    GIVES(VOIP_ERR_NULL, voip_dtmf_detector_process(detector, pcm, 1, NULL, 2, NULL));
    OK(voip_dtmf_detector_free(detector));
}

int main(void)
{
    voip_dtmf_detector *detector = NULL;
    size_t needed = 0;
    all_keys(8000);
    all_keys(16000);
    all_keys(44100);
    all_keys(48000);
    what_does_not_fit_waits();
    GIVES(VOIP_ERR_RANGE, voip_dtmf_detector_new(7999, 0, &detector));
    GIVES(VOIP_ERR_RANGE, voip_dtmf_detector_new(8000, 39, &detector));
    GIVES(VOIP_ERR_NULL, voip_dtmf_detector_new(8000, 0, NULL));
    SAYS(VOIP_ERR_ARGUMENT, "\"x\"", voip_dtmf_tone_write("1x", 8000, 0, 0, 0, NULL, 0, &needed));
    GIVES(VOIP_ERR_RANGE, voip_dtmf_tone_write("1", 8000, 0, 0, 16384, NULL, 0, &needed));
    GIVES(VOIP_ERR_NULL, voip_dtmf_tone_write("1", 8000, 0, 0, 0, NULL, 0, NULL));
    CHECK(detector == NULL);
    return check_end();
}
