/* The caller of `make demo`: dials, listens, presses keys at given moments, hangs up.
 *   demo_caller URI RECORDING SCRIPT [sip:SERVER[:PORT] USER PASSWORD]
 * SCRIPT is like `4.5:1 2:2 1.5:`: listen 4.5 s, press 1, listen 2 s, press 2, listen 1.5 s, hang up. Time is counted in audio frames that were heard; nothing sleeps. The SIP trace goes to standard error. */
#include "example.h"
#include <string.h>

#define RATE 8000

static void trace(voip_log_level level, const char *target, const char *text, void *user)
{
    (void)level, (void)user;
    fprintf(stderr, "%s: %s\n", target, text);
}

/* Reads (and with that waits for) so many frames; false when the call is over. */
static int listen_for(voip_call *call, double seconds)
{
    int16_t pcm[RATE / 50];
    size_t got = 0;
    for (double left = seconds * RATE; left > 0; left -= (double)got)
        if (voip_call_read_audio(call, pcm, sizeof pcm / sizeof *pcm, 5000, &got) != VOIP_OK) return 0;
    return 1;
}

static void follow(voip_call *call, char *script)
{
    for (char *step = strtok(script, " "); step; step = strtok(NULL, " ")) {
        char *keys = strchr(step, ':');
        if (!keys || !listen_for(call, atof(step))) return;
        if (!keys[1]) return;
        printf("press %s\n", keys + 1);
        fflush(stdout);
        if (voip_call_send_dtmf(call, keys + 1, 120, 80, VOIP_DTMF_RTP)) complain("keys");
    }
}

int main(int argc, char **argv)
{
    voip_config *config;
    voip_call *call = NULL;
    int code = 1;
    if (argc != 4 && argc != 7) return fprintf(stderr, "usage: see the head of demo_caller.c\n"), 2;
    voip_log_set_callback(trace, NULL, NULL);
    voip_log_set_sip_trace(1);
    if (voip_config_new(&config)) return complain("config");
    if (argc == 7) { /* the account's binding belongs to the callee; here it only pays */
        if (use_account(config, argv + 4)) return 2;
        voip_config_set_register(config, 0);
    }
    voip_phone *phone = start_phone(config, argc == 7 ? "0.0.0.0" : "127.0.0.1", 0, NULL, NULL);
    if (phone && voip_phone_dial(phone, argv[1], NULL, &call)) complain("dial");
    if (call && voip_call_record_start(call, argv[2], NULL)) complain("record");
    if (call && voip_call_wait_state(call, VOIP_CALL_ANSWERED, 60000) == VOIP_OK) {
        printf("answered\n");
        follow(call, argv[3]);
        print_stats(call);
        voip_call_hangup(call);
        code = voip_call_wait_state(call, VOIP_CALL_ENDED, 5000) != VOIP_OK;
    } else if (call) {
        complain("the call was not answered");
    }
    voip_call_release(call);
    voip_phone_free(phone);
    voip_config_free(config);
    return code;
}
