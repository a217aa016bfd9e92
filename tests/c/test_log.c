/* The log: lines reach the callback, levels gate them, destroy comes once, nothing waits inside. */
#include <pthread.h>
#include "pair.h"

static int lines, traces, destroyed, nested;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_log(voip_log_level level, const char *target, const char *message, void *user)
{
    static const int known = VOIP_LOG_TRACE;
    CHECK(user == &lines);
    CHECK((int)level >= VOIP_LOG_ERROR && (int)level <= known);
    pthread_mutex_lock(&lock);
    lines += message[0] != 0;
    traces += (strcmp(target, "voip::sip") == 0 && strstr(message, "SIP/2.0") != NULL);
    nested += voip_phone_free(NULL) == VOIP_ERR_IN_CALLBACK;
    pthread_mutex_unlock(&lock);
    CHECK(strstr(message, "secret-password") == NULL);
}

static void on_destroy(void *user)
{
    CHECK(user == &lines);
    destroyed++;
}

static void one_call(void)
{
    side a, b;
    voip_call *call;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    pair_hangup(&a, &b, call);
    side_stop(&a);
    side_stop(&b);
}

int main(void)
{
    int before;
    SAYS(VOIP_ERR_ARGUMENT, "9", voip_log_set_level(9));
    SAYS(VOIP_ERR_ARGUMENT, "-1", voip_log_set_level(-1));
    OK(voip_log_set_callback(on_log, &lines, on_destroy));
    OK(voip_log_set_level(VOIP_LOG_TRACE));
    OK(voip_log_set_sip_trace(1));
    one_call();
    CHECK(lines > 0);
    CHECK(traces > 0);
    CHECK(nested == lines);
    /* The messages alone, whatever the level. */
    OK(voip_log_set_level(VOIP_LOG_OFF));
    before = traces;
    one_call();
    CHECK(traces > before);
    OK(voip_log_set_sip_trace(0));
    before = lines;
    one_call();
    CHECK(lines == before);
    CHECK(destroyed == 0);
    OK(voip_log_set_callback(NULL, NULL, NULL));
    CHECK(destroyed == 1);
    return check_end();
}
