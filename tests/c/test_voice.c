/* Voice activity: two utterances are told with their beginnings, ends and lengths, and so is one that a hold cuts off. */
#include "pair.h"

enum { RATE = 8000 };

/* Something like speech: syllables of 160 ms with softer sound between them. */
static void speak(int16_t *pcm, size_t frames)
{
    size_t i;
    for (i = 0; i < frames; i++) {
        int level = i / 800 % 2 ? 1500 : 6000;
        pcm[i] = (int16_t)(i * 7919 % 40 < 20 ? level : -level);
    }
}

int main(void)
{
    static int16_t voice[RATE / 2], silence[RATE / 2];
    side a, b;
    voip_call *call;
    voip_vad_options options = VOIP_VAD_OPTIONS_INIT;

    speak(voice, RATE / 2);
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);

    options.threshold_rms = 32768;
    GIVES(VOIP_ERR_RANGE, voip_call_set_vad(b.incoming, &options));
    options.threshold_rms = 0;
    options.hangover_ms = 20;
    SAYS(VOIP_ERR_RANGE, "hangover", voip_call_set_vad(b.incoming, &options));
    options.hangover_ms = 200;
    options.size = 0;
    GIVES(VOIP_ERR_ARGUMENT, voip_call_set_vad(b.incoming, &options));
    options.size = sizeof options;
    GIVES(VOIP_ERR_HANDLE, voip_call_set_vad(NULL, &options));
    OK(voip_call_set_vad(b.incoming, &options));

    OK(voip_call_write_audio(call, silence, RATE / 2, -1, NULL));
    OK(voip_call_write_audio(call, voice, RATE / 2, -1, NULL));
    CHECK(side_wait(&b, &b.voice_begun, 1));
    CHECK(side_wait(&b, &b.voice_ended, 1));
    side_lock(&b);
    CHECK(b.voice_ms >= 400 && b.voice_ms <= 600);
    side_unlock(&b);

    /* Another one, with a fixed threshold; it goes on when the detector is switched off. */
    options.threshold_rms = 500;
    OK(voip_call_set_vad(b.incoming, &options));
    OK(voip_call_play_tone(call, 440, 0));
    CHECK(side_wait(&b, &b.voice_begun, 2));
    OK(voip_call_set_vad(b.incoming, NULL));
    CHECK(side_wait(&b, &b.voice_ended, 2));

    /* The end of the call ends what is spoken. */
    OK(voip_call_set_vad(b.incoming, &options));
    CHECK(side_wait(&b, &b.voice_begun, 3));
    pair_hangup(&a, &b, call);
    side_lock(&b);
    CHECK(b.voice_begun == 3 && b.voice_ended == 3);
    side_unlock(&b);
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_set_vad(b.incoming, NULL));
    side_stop(&a);
    side_stop(&b);
    return check_end();
}
