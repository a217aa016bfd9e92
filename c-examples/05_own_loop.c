/* The program's own loop delivers the events, beside whatever else it waits for: 05_own_loop [ADDRESS [PORT]]
 * Here it also waits for signals, on a descriptor. It answers and prints what happens. */
#include "example.h"
#include <poll.h>
#include <sys/signalfd.h>

static int stopped;

static void on_incoming_call(voip_phone *phone, voip_call *call, const voip_incoming_call_info *info, void *user)
{
    (void)phone, (void)user;
    printf("call from %s\n", info->remote_uri);
    voip_call_answer(call);
}

static void on_call_state(voip_call *call, const voip_call_state_info *info, void *user)
{
    (void)call, (void)user;
    printf("the call is %s\n", voip_call_state_name(info->state));
    fflush(stdout);
}

static void on_phone_status(voip_phone *phone, const voip_phone_status_info *info, void *user)
{
    (void)phone, (void)user;
    stopped = info->status == VOIP_PHONE_STOPPED;
}

int main(int argc, char **argv)
{
    voip_config *config;
    voip_phone *phone = NULL;
    char local[128] = "";
    int events = -1;
    voip_callbacks callbacks = VOIP_CALLBACKS_INIT;
    callbacks.on_incoming_call = on_incoming_call;
    callbacks.on_call_state = on_call_state;
    callbacks.on_phone_status = on_phone_status;

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);

    if (voip_config_new(&config)) return complain("config");
    voip_config_set_bind(config, argc > 1 ? argv[1] : "0.0.0.0", argc > 2 ? atoi(argv[2]) : 5060);
    voip_config_set_event_mode(config, VOIP_EVENTS_HOST); /* no dispatcher thread */
    if (voip_phone_new(config, &phone) || voip_phone_set_callbacks(phone, &callbacks, NULL, NULL) ||
        voip_phone_start(phone) || voip_phone_get_event_fd(phone, &events))
        return complain("the phone does not start");
    voip_phone_get_local_address(phone, local, sizeof local, NULL);
    printf("listening on %s\n", local);
    fflush(stdout);

    struct pollfd ready[2] = {{events, POLLIN, 0}, {signalfd(-1, &set, SFD_CLOEXEC), POLLIN, 0}};
    while (!stopped && poll(ready, 2, -1) >= 0) {
        if (ready[1].revents) { /* Ctrl-C: say good-bye, then go on until the phone has stopped */
            voip_phone_stop(phone, 3000);
            ready[1].fd = -1;
        }
        if (ready[0].revents) voip_phone_process_events(phone, 16, 0, NULL);
    }
    voip_phone_free(phone);
    voip_config_free(config);
    return 0;
}
