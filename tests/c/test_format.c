/* Each call has its own form and rate of audio, and says what its payload types mean. */
#include <math.h>
#include "pair.h"

static const double PI2 = 6.283185307179586;

enum { WAVES = 200, MAX_SECONDS = 20 };

static int sample_of(const uint8_t *bytes, size_t i, int eight_bit)
{
    int16_t sample;
    if (eight_bit) {
        return (bytes[i] - 128) * 256;
    }
    memcpy(&sample, bytes + i * 2, sizeof sample);
    return sample;
}

/* Reads, as S16 or U8, until so many waves were heard: how many of them were as long as those of the tone. What a slow
 * machine loses between them makes some longer. */
static int right_waves(voip_call *call, int eight_bit, size_t rate, int hz, int *loudest)
{
    uint8_t bytes[960 * 2];
    size_t part = rate / 50, got = 0, have = 0, since = 0, i;
    int before = 0, waves = -1, right = 0, length = (int)rate / hz;
    *loudest = 0;
    while (waves < WAVES && have < rate * MAX_SECONDS) {
        voip_status status = voip_call_read_audio(call, bytes, part, 5000, &got);
        CHECK(status == VOIP_OK && got > 0);
        if (status != VOIP_OK) {
            return -1;
        }
        for (i = 0; i < got; i++, since++) {
            int sample = sample_of(bytes, i, eight_bit);
            *loudest = sample > *loudest ? sample : *loudest;
            if (before < 0 && sample >= 0) {
                right += waves >= 0 && (int)since >= length - 2 && (int)since <= length + 3;
                waves++;
                since = 0;
            }
            before = sample;
        }
        have += got;
    }
    return right;
}

/* Whether the tone is heard, three of four of its waves as long as they should be. */
static int heard_at(voip_call *call, int eight_bit, size_t rate, int hz)
{
    int loudest = 0, right = right_waves(call, eight_bit, rate, hz, &loudest);
    if (right * 4 < WAVES * 3 || loudest <= 6000 || loudest >= 18500) {
        fprintf(stderr, "%d Hz: %d of %d waves, up to %d\n", hz, right, WAVES, loudest);
        return 0;
    }
    return 1;
}

static voip_status format_of(voip_call *call, voip_sample_format sample, uint32_t rate)
{
    voip_sample_format is = VOIP_FORMAT_S16;
    uint32_t hz = 0, channels = 0;
    OK(voip_call_get_audio_format(call, &is, &hz, &channels));
    CHECK(is == sample && hz == rate && channels == 1);
    return VOIP_OK;
}

int main(void)
{
    static uint8_t tone[16000];
    voip_call_options options = VOIP_CALL_OPTIONS_INIT;
    voip_payload_entry entry = VOIP_PAYLOAD_ENTRY_INIT;
    voip_call *call = NULL;
    side a, b;
    size_t i, put = 0;

    for (i = 0; i < sizeof tone; i++) {
        tone[i] = (uint8_t)(128.0 + 60.0 * sin(PI2 * 500.0 * (double)i / 16000.0));
    }
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    options.audio_rate = 12345;
    GIVES(VOIP_ERR_RANGE, voip_phone_dial(a.phone, b.uri, &options, &call));
    options.audio_rate = 16000;
    options.audio_sample = 7;
    GIVES(VOIP_ERR_ARGUMENT, voip_phone_dial(a.phone, b.uri, &options, &call));

    /* The caller speaks 8 bits at 16000 Hz, the callee 16 bits at 48000. */
    options.audio_sample = VOIP_FORMAT_U8;
    MUST(voip_phone_dial(a.phone, b.uri, &options, &call));
    format_of(call, VOIP_FORMAT_U8, 16000);
    CHECK(side_wait(&b, &b.incoming_calls, 1));
    GIVES(VOIP_ERR_RANGE, voip_call_get_payload_info(b.incoming, 0, &entry));
    GIVES(VOIP_ERR_RANGE, voip_call_set_audio_format(b.incoming, VOIP_FORMAT_S16, 7999, 1));
    GIVES(VOIP_ERR_RANGE, voip_call_set_audio_format(b.incoming, VOIP_FORMAT_S16, 8000, 2));
    GIVES(VOIP_ERR_ARGUMENT, voip_call_set_audio_format(b.incoming, 9, 8000, 1));
    GIVES(VOIP_ERR_HANDLE, voip_call_set_audio_format(NULL, VOIP_FORMAT_S16, 8000, 1));
    format_of(b.incoming, VOIP_FORMAT_S16, 8000);
    OK(voip_call_set_audio_format(b.incoming, VOIP_FORMAT_U8, 8000, 1));
    format_of(b.incoming, VOIP_FORMAT_U8, 8000);
    OK(voip_call_set_audio_format(b.incoming, VOIP_FORMAT_S16, 48000, 1));
    format_of(b.incoming, VOIP_FORMAT_S16, 48000);
    OK(voip_call_answer(b.incoming));
    OK(voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    OK(voip_call_wait_state(b.incoming, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    GIVES(VOIP_ERR_STATE, voip_call_set_audio_format(b.incoming, VOIP_FORMAT_S16, 8000, 1));
    OK(voip_call_write_audio(call, tone, sizeof tone, -1, &put));
    CHECK(put == sizeof tone);
    OK(voip_call_drain_audio(call, PAIR_SECONDS * 1000));
    /* The same for longer than any machine needs; what is played is added to what is written. */
    for (i = 0; i < 5; i++) {
        OK(voip_call_play_pcm(call, tone, sizeof tone));
    }
    CHECK(heard_at(b.incoming, 0, 48000, 500));
    OK(voip_call_play_tone(b.incoming, 440, 0));
    OK(voip_call_flush_audio(call));
    CHECK(heard_at(call, 1, 16000, 440));

    /* What the payload types mean. */
    OK(voip_call_get_payload_info(call, 0, &entry));
    CHECK(strcmp(entry.name, "PCMU") == 0 && entry.clock_rate == 8000 && entry.audio_rate == 8000 && entry.channels == 1);
    OK(voip_call_get_payload_info(call, 101, &entry));
    CHECK(strcmp(entry.name, "telephone-event") == 0 && entry.clock_rate == 8000 && entry.audio_rate == 0);
    CHECK(entry.payload_type == 101);
    SAYS(VOIP_ERR_RANGE, "77", voip_call_get_payload_info(call, 77, &entry));
    GIVES(VOIP_ERR_RANGE, voip_call_get_payload_info(call, -1, &entry));
    GIVES(VOIP_ERR_NULL, voip_call_get_payload_info(call, 0, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_payload_info(NULL, 0, &entry));
    pair_hangup(&a, &b, call);
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_set_audio_format(b.incoming, VOIP_FORMAT_S16, 8000, 1));
    side_stop(&a);
    side_stop(&b);
    return check_end();
}
