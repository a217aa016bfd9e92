/* Plays a WAV file to every caller and hangs up after it was heard: 02_announcement FILE [ADDRESS [PORT]] */
#include "example.h"

int main(int argc, char **argv)
{
    voip_config *config;
    voip_call *call;
    if (argc < 2) return fprintf(stderr, "usage: 02_announcement FILE [ADDRESS [PORT]]\n"), 2;
    if (voip_config_new(&config)) return complain("config");
    voip_phone *phone = start_phone(config, argc > 2 ? argv[2] : "0.0.0.0", argc > 3 ? atoi(argv[3]) : 5060, NULL, NULL);
    while (phone && voip_phone_wait_call(phone, -1, &call) == VOIP_OK) {
        voip_call_answer(call);
        if (voip_call_play_file(call, argv[1])) complain("play");
        voip_call_drain_audio(call, -1); /* to the last frame, or until the caller hangs up */
        print_stats(call);
        voip_call_hangup(call);
        voip_call_release(call);
    }
    voip_phone_free(phone);
    voip_config_free(config);
    return phone ? 0 : 1;
}
