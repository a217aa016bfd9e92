/* Calls somebody, says something, hangs up after it was heard: say URI FILE [ADDRESS]
 * FILE is a WAV file; - reads one from standard input, so that any speech program can talk:
 *     espeak-ng --stdout "The door is open." | say sip:bob@192.0.2.1 - */
#include "example.h"
#include <string.h>

/* 0 when all was heard. */
static int say(voip_call *call, const char *file)
{
    if (voip_call_play_file(call, strcmp(file, "-") == 0 ? "/dev/stdin" : file)) return complain("play");
    if (voip_call_wait_state(call, VOIP_CALL_ANSWERED, 60000)) return complain("nobody answered");
    if (voip_call_drain_audio(call, -1)) return complain("not heard to the end");
    printf("said\n");
    return 0;
}

int main(int argc, char **argv)
{
    voip_config *config;
    voip_call *call;
    int status = 1;
    if (argc < 3) return fprintf(stderr, "usage: say URI FILE|- [ADDRESS]\n"), 2;
    if (voip_config_new(&config)) return complain("config");
    voip_phone *phone = start_phone(config, argc > 3 ? argv[3] : "0.0.0.0", 0, NULL, NULL);
    if (phone && voip_phone_dial(phone, argv[1], NULL, &call)) complain("dial");
    else if (phone) {
        status = say(call, argv[2]); /* queued before the answer, sent after it */
        print_stats(call);
        voip_call_hangup(call);
        voip_call_wait_state(call, VOIP_CALL_ENDED, 5000);
        voip_call_release(call);
    }
    voip_phone_free(phone);
    voip_config_free(config);
    return status;
}
