/* Answers every call and hangs up: 01_answer [ADDRESS [PORT]] */
#include "example.h"

int main(int argc, char **argv)
{
    voip_config *config;
    voip_call *call;
    if (voip_config_new(&config)) return complain("config");
    voip_phone *phone = start_phone(config, argc > 1 ? argv[1] : "0.0.0.0", argc > 2 ? atoi(argv[2]) : 5060, NULL, NULL);
    while (phone && voip_phone_wait_call(phone, -1, &call) == VOIP_OK) {
        voip_call_answer(call);
        voip_call_wait_state(call, VOIP_CALL_ANSWERED, -1);
        voip_call_hangup(call);
        voip_call_release(call);
    }
    voip_phone_free(phone);
    voip_config_free(config);
    return phone ? 0 : 1;
}
