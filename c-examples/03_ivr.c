/* A menu by telephone keys, for any number of callers at once: 03_ivr DIRECTORY [ADDRESS [PORT [sip:SERVER USER PASSWORD]]]
 * DIRECTORY holds menu.wav, 1.wav … 9.wav (those that the menu offers) and bye.wav. A key breaks into whatever is
 * being played; after an answer comes the menu again; 0 and # say good-bye. The call's user data is the prompt that
 * is on. Callbacks do it all, so there is nothing to wait for but the end. */
#include "example.h"
#include <string.h>

static void play(voip_call *call, const char *directory, char prompt)
{
    char path[1024], name[2] = {prompt, '\0'};
    snprintf(path, sizeof path, "%s/%s.wav", directory, prompt == 'm' ? "menu" : prompt == 'b' ? "bye" : name);
    voip_call_set_user_data(call, (void *)(intptr_t)prompt);
    if (voip_call_play_file(call, path) && prompt != 'm') play(call, directory, 'm'); /* not on the menu */
}

static void on_incoming_call(voip_phone *phone, voip_call *call, const voip_incoming_call_info *info, void *directory)
{
    (void)phone, (void)directory;
    printf("call from %s\n", info->remote_uri);
    fflush(stdout);
    voip_call_answer(call);
}

static void on_call_state(voip_call *call, const voip_call_state_info *info, void *directory)
{
    if (info->state == VOIP_CALL_ANSWERED) play(call, directory, 'm');
    if (info->state != VOIP_CALL_ENDED) return;
    print_stats(call);
    printf("call ended\n");
    fflush(stdout);
}

static void on_account_status(voip_account *account, const voip_account_status_info *info, void *directory)
{
    char uri[256] = "";
    (void)directory;
    if (info->status != VOIP_ACCOUNT_REGISTERED) return;
    voip_account_get_uri(account, uri, sizeof uri, NULL);
    printf("registered as %s\n", uri);
    fflush(stdout);
}

static void on_dtmf(voip_call *call, const voip_dtmf_info *info, void *directory)
{
    printf("key %c, %u ms\n", info->digit, info->duration_ms);
    fflush(stdout);
    voip_call_play_stop(call); /* breaking in */
    play(call, directory, strchr("123456789", info->digit) ? info->digit : strchr("0#", info->digit) ? 'b' : 'm');
}

static void on_play_finished(voip_call *call, const voip_play_info *info, void *directory)
{
    void *prompt = NULL;
    if (!info->completed) return; /* somebody broke in: another prompt is on already */
    voip_call_get_user_data(call, &prompt);
    if ((intptr_t)prompt == 'b') voip_call_hangup(call);
    else if ((intptr_t)prompt != 'm') play(call, directory, 'm');
}

int main(int argc, char **argv)
{
    voip_config *config;
    voip_callbacks callbacks = VOIP_CALLBACKS_INIT;
    callbacks.on_account_status = on_account_status;
    callbacks.on_incoming_call = on_incoming_call;
    callbacks.on_call_state = on_call_state;
    callbacks.on_dtmf = on_dtmf;
    callbacks.on_play_finished = on_play_finished;
    if (argc < 2) return fprintf(stderr, "usage: 03_ivr DIRECTORY [ADDRESS [PORT [sip:SERVER USER PASSWORD]]]\n"), 2;
    if (voip_config_new(&config)) return complain("config");
    if (argc > 6 && use_account(config, argv + 4)) return 2;
    voip_phone *phone = start_phone(
        config, argc > 2 ? argv[2] : "0.0.0.0", argc > 3 ? atoi(argv[3]) : 5060, &callbacks, argv[1]);
    if (phone) voip_phone_wait_stopped(phone, -1);
    voip_phone_free(phone);
    voip_config_free(config);
    return phone ? 0 : 1;
}
