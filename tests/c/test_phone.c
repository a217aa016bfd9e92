/* A phone's life: start, stop, free; callbacks and their destroy; both pumps; waiting; ports. */
#include <poll.h>
#include "pair.h"

static void life(void)
{
    side s;
    voip_config *config = side_config();
    voip_phone *second = NULL;
    char text[64], port[64];
    size_t needed = 0;
    voip_phone_status status = VOIP_PHONE_FAILED;
    void *user = NULL;
    int colon;

    MUST(voip_phone_new(config, &second));
    OK(voip_phone_get_status(second, &status));
    CHECK(status == VOIP_PHONE_INACTIVE);
    SAYS(VOIP_ERR_STATE, "not started", voip_phone_get_local_address(second, text, sizeof text, NULL));
    GIVES(VOIP_ERR_STATE, voip_phone_get_default_account(second, (voip_account **)&user));
    OK(voip_phone_free(second));

    side_start(&s, config, 0);
    OK(voip_phone_get_status(s.phone, &status));
    CHECK(status == VOIP_PHONE_RUNNING);
    GIVES(VOIP_ERR_STATE, voip_phone_start(s.phone));
    OK(voip_phone_get_local_address(s.phone, NULL, 0, &needed));
    CHECK(needed == strlen(s.address) + 1);
    SAYS(VOIP_ERR_BUFFER_TOO_SMALL, "3 bytes", voip_phone_get_local_address(s.phone, text, 3, &needed));
    GIVES(VOIP_ERR_NULL, voip_phone_get_local_address(s.phone, NULL, 0, NULL));
    GIVES(VOIP_ERR_NULL, voip_phone_get_status(s.phone, NULL));
    OK(voip_phone_set_user_data(s.phone, &s));
    OK(voip_phone_get_user_data(s.phone, &user));
    CHECK(user == &s);

    /* A second phone on the same port. */
    config = side_config();
    colon = (int)strcspn(s.address, ":");
    snprintf(port, sizeof port, "%s", s.address + colon + 1);
    OK(voip_config_set_bind(config, "127.0.0.1", atoi(port)));
    MUST(voip_phone_new(config, &second));
    OK(voip_config_free(config));
    SAYS(VOIP_ERR_ADDRESS_IN_USE, port, voip_phone_start(second));
    OK(voip_phone_free(second));

    SAYS(VOIP_ERR_RANGE, "-5", voip_phone_stop(s.phone, -5));
    SAYS(VOIP_ERR_ARGUMENT, "-2", voip_phone_wait_stopped(s.phone, -2));
    GIVES(VOIP_ERR_TIMEOUT, voip_phone_wait_stopped(s.phone, 0));
    OK(voip_phone_stop(s.phone, 1000));
    OK(voip_phone_wait_stopped(s.phone, PAIR_SECONDS * 1000));
    OK(voip_phone_get_status(s.phone, &status));
    CHECK(status == VOIP_PHONE_STOPPED);
    CHECK(side_wait(&s, &s.phone_status[VOIP_PHONE_STOPPED], 1));
    side_stop(&s);
}

static int first_destroyed, second_destroyed;
static void destroy_count(void *user) { __atomic_add_fetch((int *)user, 1, __ATOMIC_SEQ_CST); }

static void destroy_comes_once(void)
{
    voip_config *config = side_config();
    voip_phone *phone = NULL;
    voip_callbacks table = VOIP_CALLBACKS_INIT, odd = VOIP_CALLBACKS_INIT;
    /* With the dispatcher's thread the old table may be in a callback right now, and go after it. */
    OK(voip_config_set_event_mode(config, VOIP_EVENTS_HOST));
    MUST(voip_phone_new(config, &phone));
    OK(voip_config_free(config));
    odd.size = 0;
    SAYS(VOIP_ERR_ARGUMENT, "_INIT", voip_phone_set_callbacks(phone, &odd, &first_destroyed, destroy_count));
    CHECK(first_destroyed == 0); /* not after a failure */
    OK(voip_phone_set_callbacks(phone, &table, &first_destroyed, destroy_count));
    OK(voip_phone_start(phone));
    CHECK(first_destroyed == 0);
    OK(voip_phone_set_callbacks(phone, &table, &second_destroyed, destroy_count));
    CHECK(first_destroyed == 1);
    CHECK(second_destroyed == 0);
    OK(voip_phone_free(phone));
    CHECK(first_destroyed == 1);
    CHECK(second_destroyed == 1);
    /* An older host: only the first callback is known to it. */
    MUST(voip_config_new(&config));
    OK(voip_config_set_bind(config, "127.0.0.1", 0));
    MUST(voip_phone_new(config, &phone));
    OK(voip_config_free(config));
    odd.size = 2 * sizeof(void *);
    OK(voip_phone_set_callbacks(phone, &odd, NULL, NULL));
    OK(voip_phone_set_callbacks(phone, NULL, NULL, NULL));
    OK(voip_phone_free(phone));
}

static void host_pump(void)
{
    side a, b;
    voip_config *config = side_config();
    voip_call *call = NULL;
    struct pollfd waiting;
    int32_t fd = -1;
    uint32_t count = 7;
    memset(&waiting, 0, sizeof waiting);
    side_start(&b, side_config(), 1);
    b.on_call = 1;
    SAYS(VOIP_ERR_STATE, "library's thread", voip_phone_get_event_fd(b.phone, &fd));
    CHECK(fd == -1);
    OK(voip_config_set_event_mode(config, VOIP_EVENTS_HOST));
    side_start(&a, config, 0);
    OK(voip_phone_get_event_fd(a.phone, &fd));
    CHECK(fd >= 0);
    SAYS(VOIP_ERR_ARGUMENT, "-7", voip_phone_process_events(a.phone, 0, -7, &count));
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    waiting.fd = fd;
    waiting.events = POLLIN;
    while (a.states[VOIP_CALL_ANSWERED] == 0) {
        CHECK(poll(&waiting, 1, PAIR_SECONDS * 1000) == 1);
        OK(voip_phone_process_events(a.phone, 1, 0, &count));
        if (check_failures) {
            break;
        }
    }
    OK(voip_call_hangup(call));
    while (a.states[VOIP_CALL_ENDED] == 0 && !check_failures) {
        OK(voip_phone_process_events(a.phone, 0, PAIR_SECONDS * 1000, &count));
        CHECK(count > 0);
    }
    OK(voip_call_release(call));
    GIVES(VOIP_ERR_HANDLE, voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
}

static void *free_it(void *phone)
{
    OK(voip_phone_free((voip_phone *)phone));
    return NULL;
}

/* Freed while another thread waits on it: the wait ends. */
static void freed_while_waiting(void)
{
    voip_config *config = side_config();
    voip_phone *phone = NULL;
    voip_call *call = NULL;
    pthread_t thread;
    voip_status status;
    MUST(voip_phone_new(config, &phone));
    OK(voip_config_free(config));
    OK(voip_phone_start(phone));
    GIVES(VOIP_ERR_TIMEOUT, voip_phone_wait_call(phone, 0, &call));
    GIVES(VOIP_ERR_ARGUMENT, voip_phone_wait_call(phone, -3, &call));
    GIVES(VOIP_ERR_NULL, voip_phone_wait_call(phone, 0, NULL));
    CHECK(pthread_create(&thread, NULL, free_it, phone) == 0);
    status = voip_phone_wait_call(phone, -1, &call);
    CHECK(status == VOIP_ERR_STATE || status == VOIP_ERR_HANDLE);
    CHECK(call == NULL);
    pthread_join(thread, NULL);
}

static void waiting_for_calls(void)
{
    side a, b;
    voip_call *out = NULL, *in = NULL;
    voip_call_state state = VOIP_CALL_ENDED;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 0);
    GIVES(VOIP_ERR_TIMEOUT, voip_phone_wait_call(b.phone, 0, &in));
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &out));
    MUST(voip_phone_wait_call(b.phone, PAIR_SECONDS * 1000, &in));
    OK(voip_call_get_state(in, &state));
    CHECK(state == VOIP_CALL_RINGING);
    OK(voip_call_answer(in));
    OK(voip_call_wait_state(out, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    OK(voip_call_hangup(in));
    OK(voip_call_wait_state(in, VOIP_CALL_ENDED, PAIR_SECONDS * 1000));
    OK(voip_call_release(in));
    OK(voip_call_release(out));
    side_stop(&a);
    side_stop(&b);
}

static void ports(void)
{
    voip_config *config = side_config();
    voip_phone *phone = NULL;
    uint16_t first = 0, second = 0, third = 1;
    size_t used = 9;
    OK(voip_config_set_rtp_ports(config, 46000, 46003));
    MUST(voip_phone_new(config, &phone));
    OK(voip_config_free(config));
    OK(voip_phone_start(phone));
    OK(voip_phone_reserve_port(phone, 0, &first));
    OK(voip_phone_reserve_port(phone, 0, &second));
    CHECK(first != second && first % 2 == 0 && second % 2 == 0 && first >= 46000 && second <= 46003);
    OK(voip_phone_ports_in_use(phone, &used));
    CHECK(used == 2);
    GIVES(VOIP_ERR_NO_PORTS, voip_phone_reserve_port(phone, 0, &third));
    CHECK(third == 0);
    GIVES(VOIP_ERR_NO_PORTS, voip_phone_reserve_port(phone, 30, &third));
    OK(voip_phone_release_port(phone, first));
    OK(voip_phone_reserve_port(phone, -1, &third));
    CHECK(third == first);
    GIVES(VOIP_ERR_RANGE, voip_phone_release_port(phone, 70000));
    CHECK(voip_phone_release_port(phone, 12344) != VOIP_OK);
    OK(voip_phone_free(phone));
}

int main(void)
{
    life();
    destroy_comes_once();
    host_pump();
    freed_while_waiting();
    waiting_for_calls();
    ports();
    return check_end();
}
