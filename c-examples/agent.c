/* The skeleton of a voice agent: agent GREETING [ADDRESS [PORT]]
 * It greets with a WAV file and listens. Whoever begins to speak interrupts it within a frame; when the caller has ended,
 * reply() gets what was said as PCM, which is where transcription, thought and speech belong. Here it is said back. A mark
 * behind the reply tells when the caller has heard it. Any number of callers; all of it happens in callbacks. */
#include "example.h"
#include <string.h>

enum { RATE = 8000, MEMORY = 15 * RATE, HANGOVER_MS = 400, MARGIN_MS = 300 };

typedef struct conversation {
    pthread_mutex_t lock; /* between the media thread, which only adds to the memory, and the callbacks */
    int16_t memory[MEMORY]; /* the last seconds that were heard, in a ring */
    size_t heard;
    uint64_t turn;
    int holders; /* the tap, and the call until its ENDED */
} conversation;

static const char *greeting;

static conversation *of(voip_call *call)
{
    void *data = NULL;
    voip_call_get_user_data(call, &data);
    return data;
}

static void on_heard(voip_call *call, int32_t sent, const void *pcm, size_t frames, void *user)
{
    conversation *c = user;
    const int16_t *samples = pcm;
    (void)call;
    if (sent) return;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < frames; i++) c->memory[c->heard++ % MEMORY] = samples[i];
    pthread_mutex_unlock(&c->lock);
}

static void forget(void *user)
{
    conversation *c = user;
    int holders;
    pthread_mutex_lock(&c->lock);
    holders = --c->holders;
    pthread_mutex_unlock(&c->lock);
    if (holders > 0) return;
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* What an agent would think about; here it says the same again. */
static void reply(voip_call *call, conversation *c, const int16_t *pcm, size_t frames)
{
    if (voip_call_play_pcm(call, pcm, frames) || voip_call_play_mark(call, ++c->turn)) complain("reply");
}

static void on_incoming_call(voip_phone *phone, voip_call *call, const voip_incoming_call_info *info, void *user)
{
    voip_vad_options vad = VOIP_VAD_OPTIONS_INIT;
    conversation *c = calloc(1, sizeof *c);
    (void)phone, (void)user;
    printf("call from %s\n", info->remote_uri);
    fflush(stdout);
    if (c == NULL) return;
    pthread_mutex_init(&c->lock, NULL);
    c->holders = 2;
    voip_call_set_user_data(call, c);
    vad.hangover_ms = HANGOVER_MS;
    if (voip_call_set_audio_tap(call, on_heard, c, forget)) {
        forget(c);
        complain("tap");
    }
    /* Queued before the answer, so that it is there when the caller begins to speak at once. */
    if (voip_call_play_file(call, greeting) || voip_call_play_mark(call, 0)) complain("greeting");
    if (voip_call_set_vad(call, &vad) || voip_call_answer(call)) complain("answer");
}

static void on_voice_activity(voip_call *call, const voip_voice_info *info, void *user)
{
    static int16_t said[MEMORY]; /* callbacks of one phone come one at a time */
    conversation *c = of(call);
    (void)user;
    if (c == NULL) return;
    if (info->speaking) {
        voip_playback_info playback = VOIP_PLAYBACK_INFO_INIT;
        voip_call_get_playback(call, &playback);
        voip_call_clear_playback(call);
        if (playback.play_id != 0) {
            printf("interrupted after %llu ms\n", (unsigned long long)playback.position_ms);
        }
    } else {
        size_t wanted = (size_t)(info->voice_ms + HANGOVER_MS + MARGIN_MS) * (RATE / 1000), frames, i;
        pthread_mutex_lock(&c->lock);
        frames = wanted < c->heard ? wanted : c->heard;
        frames = frames < MEMORY ? frames : MEMORY;
        for (i = 0; i < frames; i++) said[i] = c->memory[(c->heard - frames + i) % MEMORY];
        pthread_mutex_unlock(&c->lock);
        printf("heard %u ms\n", info->voice_ms);
        reply(call, c, said, frames);
    }
    fflush(stdout);
}

static void on_playback_mark(voip_call *call, const voip_playback_mark_info *info, void *user)
{
    (void)call, (void)user;
    printf("%s %llu %s\n", info->mark ? "reply" : "greeting", (unsigned long long)info->mark,
        info->reached ? "was heard" : "was cut off");
    fflush(stdout);
}

static void on_call_state(voip_call *call, const voip_call_state_info *info, void *user)
{
    (void)user;
    if (info->state != VOIP_CALL_ENDED) return;
    print_stats(call);
    if (of(call)) forget(of(call));
}

int main(int argc, char **argv)
{
    voip_config *config;
    voip_callbacks callbacks = VOIP_CALLBACKS_INIT;
    callbacks.on_incoming_call = on_incoming_call;
    callbacks.on_voice_activity = on_voice_activity;
    callbacks.on_playback_mark = on_playback_mark;
    callbacks.on_call_state = on_call_state;
    if (argc < 2) return fprintf(stderr, "usage: agent GREETING [ADDRESS [PORT]]\n"), 2;
    greeting = argv[1];
    if (voip_config_new(&config)) return complain("config");
    voip_phone *phone = start_phone(config, argc > 2 ? argv[2] : "0.0.0.0", argc > 3 ? atoi(argv[3]) : 5060, &callbacks, NULL);
    if (phone) voip_phone_wait_stopped(phone, -1);
    voip_phone_free(phone);
    voip_config_free(config);
    return phone ? 0 : 1;
}
