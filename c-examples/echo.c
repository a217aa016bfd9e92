/* Says back what it hears, to any number of callers at once and without a thread of its own: echo [ADDRESS [PORT]]
 * The tap runs where the sound passes, so the way back is as short as it can be; it only moves frames and never waits. */
#include "example.h"

static void on_heard(voip_call *call, int32_t sent, const void *pcm, size_t frames, void *user)
{
    (void)user;
    if (!sent) voip_call_write_audio(call, pcm, frames, 0, NULL);
}

static void on_incoming_call(voip_phone *phone, voip_call *call, const voip_incoming_call_info *info, void *user)
{
    (void)phone, (void)user;
    printf("call from %s\n", info->remote_uri);
    fflush(stdout);
    if (voip_call_set_audio_tap(call, on_heard, NULL, NULL) || voip_call_answer(call)) complain("answer");
}

static void on_call_state(voip_call *call, const voip_call_state_info *info, void *user)
{
    (void)user;
    if (info->state == VOIP_CALL_ENDED) print_stats(call);
}

int main(int argc, char **argv)
{
    voip_config *config;
    voip_callbacks callbacks = VOIP_CALLBACKS_INIT;
    callbacks.on_incoming_call = on_incoming_call;
    callbacks.on_call_state = on_call_state;
    if (voip_config_new(&config)) return complain("config");
    voip_phone *phone = start_phone(config, argc > 1 ? argv[1] : "0.0.0.0", argc > 2 ? atoi(argv[2]) : 5060, &callbacks, NULL);
    if (phone) voip_phone_wait_stopped(phone, -1);
    voip_phone_free(phone);
    voip_config_free(config);
    return phone ? 0 : 1;
}
