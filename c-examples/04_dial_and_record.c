/* Dials, records what it hears until the other side hangs up: 04_dial_and_record URI FILE [ADDRESS [PORT]] */
#include "example.h"

int main(int argc, char **argv)
{
    voip_config *config;
    voip_call *call = NULL;
    int code = 1;
    if (argc < 3) return fprintf(stderr, "usage: 04_dial_and_record URI FILE [ADDRESS [PORT]]\n"), 2;
    if (voip_config_new(&config)) return complain("config");
    voip_phone *phone = start_phone(config, argc > 3 ? argv[3] : "0.0.0.0", argc > 4 ? atoi(argv[4]) : 0, NULL, NULL);
    if (phone && voip_phone_dial(phone, argv[1], NULL, &call)) complain("dial");
    if (call && voip_call_wait_state(call, VOIP_CALL_ANSWERED, 60000) == VOIP_OK) {
        if (voip_call_record_start(call, argv[2], NULL)) complain("record");
        voip_call_wait_state(call, VOIP_CALL_ENDED, -1);
        print_stats(call);
        code = 0;
    } else if (call) {
        complain("the call was not answered");
    }
    voip_call_release(call);
    voip_phone_free(phone); /* a call that still lives is hung up */
    voip_config_free(config);
    return code;
}
