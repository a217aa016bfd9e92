/* Audio through a real call: what is written on one side is heard on the other, in the format that was asked for. */
#include <math.h>
#include "pair.h"

enum { FRAME = 160, RATE = 8000 };
static const double PI2 = 6.283185307179586;

static void tone(int16_t *pcm, size_t frames, double hz)
{
    size_t i;
    for (i = 0; i < frames; i++) {
        pcm[i] = (int16_t)(8000.0 * sin(PI2 * hz * (double)i / RATE));
    }
}

/* How much of the energy lies at one frequency, 0 to 1 (Goertzel). */
static double purity(const int16_t *pcm, size_t frames, double hz)
{
    double w = 2.0 * cos(PI2 * hz / RATE), s0, s1 = 0, s2 = 0, energy = 0;
    size_t i;
    for (i = 0; i < frames; i++) {
        s0 = pcm[i] + w * s1 - s2;
        s2 = s1;
        s1 = s0;
        energy += (double)pcm[i] * pcm[i];
    }
    return energy > 0 ? (s1 * s1 + s2 * s2 - w * s1 * s2) / (energy * (double)frames / 2) : 0;
}

/* Reads until so many frames that are no silence were heard. */
static size_t hear(voip_call *call, int16_t *pcm, size_t frames)
{
    size_t heard = 0;
    int empty = 0;
    while (heard < frames && empty < 400) {
        int16_t part[FRAME];
        size_t got = 0, i;
        voip_status status = voip_call_read_audio(call, part, FRAME, 5000, &got);
        CHECK(status == VOIP_OK && got > 0 && got <= FRAME);
        if (status != VOIP_OK) {
            break;
        }
        for (i = 0; i < got && heard < frames; i++) {
            if (heard > 0 || part[i] > 500 || part[i] < -500) {
                pcm[heard++] = part[i];
            }
        }
        empty++;
    }
    return heard;
}

typedef struct tapped {
    side *s;
    voip_call *call;
    int heard, sent, loud, blocked, destroyed, after;
    int16_t pcm[RATE / 2];
} tapped;

static void on_tap(voip_call *call, int32_t sent, const void *pcm, size_t frames, void *user)
{
    tapped *t = (tapped *)user;
    const int16_t *samples = (const int16_t *)pcm;
    size_t i;
    side_lock(t->s);
    CHECK(call == t->call);
    t->after += t->destroyed;
    t->blocked += voip_call_drain_audio(call, 1000) == VOIP_ERR_IN_CALLBACK;
    if (sent) {
        t->sent += (int)frames;
    } else {
        t->heard += (int)frames;
        for (i = 0; i < frames && t->loud < RATE / 2; i++) {
            if (t->loud > 0 || samples[i] > 500 || samples[i] < -500) {
                t->pcm[t->loud++] = samples[i];
            }
        }
    }
    side_unlock(t->s);
}

static void on_untap(void *user)
{
    tapped *t = (tapped *)user;
    side_lock(t->s);
    t->destroyed++;
    side_unlock(t->s);
}

/* Taps hear both directions, can be replaced and removed while they run, and end with their call. */
static void tapped_as_heard(void)
{
    static tapped first, second, third;
    side a, b;
    voip_call *call;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    first.s = second.s = third.s = &b;
    first.call = second.call = third.call = b.incoming;
    OK(voip_call_play_tone(call, 1000, 0));
    OK(voip_call_set_audio_tap(b.incoming, on_tap, &first, on_untap));
    CHECK(side_wait(&b, &first.loud, RATE / 2));
    CHECK(side_wait(&b, &first.sent, RATE / 4));
    CHECK(purity(first.pcm + 400, RATE / 2 - 400, 1000.0) > 0.95);
    OK(voip_call_set_audio_tap(b.incoming, on_tap, &second, on_untap));
    CHECK(side_wait(&b, &first.destroyed, 1));
    CHECK(side_wait(&b, &second.heard, FRAME));
    OK(voip_call_set_audio_tap(b.incoming, NULL, NULL, NULL));
    CHECK(side_wait(&b, &second.destroyed, 1));
    OK(voip_call_set_audio_tap(b.incoming, on_tap, &third, on_untap));
    CHECK(side_wait(&b, &third.heard, FRAME));
    OK(voip_call_hangup(call));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    CHECK(side_wait(&b, &third.destroyed, 1));
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_set_audio_tap(b.incoming, on_tap, &third, on_untap));
    OK(voip_call_release(call));
    side_stop(&a);
    side_lock(&b);
    CHECK(first.destroyed == 1 && second.destroyed == 1 && third.destroyed == 1);
    CHECK(first.after + second.after + third.after == 0);
    CHECK(first.blocked > 0);
    side_unlock(&b);
    side_stop(&b);
}

static void heard_as_written(void)
{
    enum { TOTAL = RATE };
    static int16_t out[TOTAL], in[TOTAL];
    side a, b;
    voip_call *call = NULL;
    size_t put = 0, heard, space = 0;
    int32_t peak = 0, rms = 0;
    voip_sample_format sample = VOIP_FORMAT_U8;
    uint32_t rate = 0, channels = 0;

    tone(out, TOTAL, 1000.0);
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    b.on_call = 0;
    /* Written before the answer: kept and sent then. */
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    OK(voip_call_get_write_space(call, &space));
    CHECK(space >= TOTAL);
    OK(voip_call_write_audio(call, out, TOTAL, 0, &put));
    CHECK(put == TOTAL);
    CHECK(side_wait(&b, &b.incoming_calls, 1));
    OK(voip_call_answer(b.incoming));
    heard = hear(b.incoming, in, TOTAL / 2);
    CHECK(heard == TOTAL / 2);
    CHECK(purity(in + 800, heard - 1600, 1000.0) > 0.98);
    OK(voip_call_get_audio_levels(b.incoming, &peak, &rms, NULL, NULL));
    CHECK(peak >= rms && rms > 0);
    OK(voip_call_drain_audio(call, PAIR_SECONDS * 1000));
    OK(voip_call_get_audio_format(call, &sample, &rate, &channels));
    CHECK(sample == VOIP_FORMAT_S16 && rate == 8000 && channels == 1);
    pair_hangup(&a, &b, call);
    side_stop(&a);
    side_stop(&b);
}

static void reads_and_their_time_outs(void)
{
    side a, b;
    voip_call *call;
    int16_t pcm[FRAME * 4];
    size_t got = 99, i, real = 99;
    voip_status status;

    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    OK(voip_call_flush_audio(call));
    status = voip_call_read_audio(call, pcm, FRAME, 0, &got);
    CHECK(status == VOIP_ERR_TIMEOUT || (status == VOIP_OK && got > 0));
    memset(pcm, 0x55, sizeof pcm);
    OK(voip_call_read_audio_padded(call, pcm, FRAME * 4, &real));
    CHECK(real <= FRAME * 4);
    for (i = real; i < FRAME * 4; i++) {
        CHECK(pcm[i] == 0);
    }
    GIVES(VOIP_ERR_ARGUMENT, voip_call_read_audio(call, pcm, FRAME, -2, &got));
    GIVES(VOIP_ERR_NULL, voip_call_read_audio(call, NULL, FRAME, 0, &got));
    GIVES(VOIP_ERR_NULL, voip_call_read_audio(call, pcm, FRAME, 0, NULL));
    GIVES(VOIP_ERR_NULL, voip_call_write_audio(call, NULL, FRAME, 0, &got));
    CHECK(got == 0);
    GIVES(VOIP_ERR_RANGE, voip_call_read_audio_padded(call, pcm, (size_t)1 << 40, &got));
    SAYS(VOIP_ERR_RANGE, "900", voip_call_set_gain(call, 900, 100));
    OK(voip_call_set_gain(call, 50, 200));
    GIVES(VOIP_ERR_NULL, voip_call_get_write_space(call, NULL));
    OK(voip_call_get_read_available(call, &got));

    /* A blocked read ends with the call; what was heard is read first. */
    OK(voip_call_hangup(b.incoming));
    do {
        status = voip_call_read_audio(call, pcm, FRAME, -1, &got);
    } while (status == VOIP_OK && got > 0);
    CHECK(status == VOIP_ERR_CALL_ENDED);
    memset(pcm, 0x55, sizeof pcm);
    status = voip_call_read_audio_padded(call, pcm, FRAME, &got);
    CHECK((status == VOIP_OK || status == VOIP_ERR_CALL_ENDED) && got == 0 && pcm[0] == 0 && pcm[FRAME - 1] == 0);
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_write_audio(call, pcm, FRAME, -1, &got));
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_drain_audio(call, -1));
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
}

static void unsigned_eight_bit(void)
{
    side a, b;
    voip_call *call;
    voip_config *config = side_config();
    unsigned char pcm[FRAME];
    int16_t words[4] = { 1, 2, 3, 4 };
    size_t got = 0, i;
    OK(voip_config_set_audio_format(config, VOIP_FORMAT_U8, 8000, 1));
    side_start(&a, config, 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    OK(voip_call_flush_audio(call));
    memset(pcm, 0, sizeof pcm);
    OK(voip_call_read_audio_padded(call, pcm, FRAME, &got));
    for (i = got; i < FRAME; i++) {
        CHECK(pcm[i] == 0x80);
    }
    pair_hangup(&a, &b, call);
    side_stop(&a);
    side_stop(&b);

    OK(voip_format_silence(VOIP_FORMAT_U8, pcm, FRAME));
    CHECK(pcm[0] == 0x80 && pcm[FRAME - 1] == 0x80);
    OK(voip_format_silence(VOIP_FORMAT_S16, words, 3));
    CHECK(words[0] == 0 && words[2] == 0 && words[3] == 4);
    SAYS(VOIP_ERR_ARGUMENT, "8", voip_format_silence(8, pcm, 1));
    GIVES(VOIP_ERR_NULL, voip_format_silence(VOIP_FORMAT_U8, NULL, 1));
    GIVES(VOIP_ERR_RANGE, voip_format_silence(VOIP_FORMAT_S16, words, (size_t)-1));
}

int main(void)
{
    heard_as_written();
    tapped_as_heard();
    reads_and_their_time_outs();
    unsigned_eight_bit();
    return check_end();
}
