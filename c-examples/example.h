/* What the small examples share, so that each shows its own lesson only: Ctrl-C ends the phone, errors and statistics
 * are said. Not a part of libvoip. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <voip.h>

/* Waits for SIGINT or SIGTERM, then stops the phone: its calls and registrations end properly, and every function that
 * waits returns. */
static inline void *wait_for_ctrl_c(void *phone)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigwait(&set, &number);
    voip_phone_stop(phone, 3000);
    return NULL;
}

static inline void stop_on_ctrl_c(voip_phone *phone)
{
    sigset_t set;
    pthread_t thread;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&thread, NULL, wait_for_ctrl_c, phone) == 0) pthread_detach(thread);
}

/* Says what went wrong, in the library's words. */
static inline int complain(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, voip_last_error_message());
    return 1;
}

/* A phone on ADDRESS:PORT (port 0: any free one), started; NULL after a complaint. Callbacks and their user pointer may
 * be NULL. */
static inline voip_phone *start_phone(
    voip_config *config, const char *address, int port, const voip_callbacks *callbacks, void *user)
{
    char local[128] = "";
    voip_phone *phone = NULL;
    if (voip_config_set_bind(config, address, port) || voip_phone_new(config, &phone) ||
        (callbacks && voip_phone_set_callbacks(phone, callbacks, user, NULL)) || voip_phone_start(phone)) {
        complain("the phone does not start");
        voip_phone_free(phone);
        return NULL;
    }
    stop_on_ctrl_c(phone);
    voip_phone_get_local_address(phone, local, sizeof local, NULL);
    printf("listening on %s\n", local);
    fflush(stdout);
    return phone;
}

/* Gives the phone an account: `sip:HOST[:PORT]` USER PASSWORD, as on the command line. */
static inline int use_account(voip_config *config, char **words)
{
    char host[256];
    int port = 5060;
    if (sscanf(words[0], "sip:%255[^:]:%d", host, &port) < 1) return fprintf(stderr, "not sip:HOST[:PORT]\n"), 1;
    return voip_config_set_server(config, host, port) || voip_config_set_credentials(config, words[1], NULL, words[2])
               ? complain("account")
               : 0;
}

static inline void print_stats(voip_call *call)
{
    voip_call_stats s = VOIP_CALL_STATS_INIT;
    if (voip_call_get_stats(call, &s) != VOIP_OK) return;
    printf("received %llu packets, %llu lost, %llu late, jitter %.2f ms; sent %llu packets, latest by %.2f ms\n",
        (unsigned long long)s.rx_packets, (unsigned long long)s.rx_lost, (unsigned long long)s.rx_late,
        s.rx_jitter_us / 1000.0, (unsigned long long)s.tx_packets, s.tx_late_max_us / 1000.0);
    fflush(stdout);
}

#endif
