/* Real calls over 127.0.0.1: every way they begin and end, what they tell, and who keeps their handles. */
#include <sched.h>
#include "pair.h"

static void answered_and_hung_up(void)
{
    side a, b;
    voip_call *call, *list[4];
    char text[512], small[4];
    size_t needed = 0, count = 0;
    int number = 5;
    void *user = NULL;
    voip_phone *phone = NULL;
    voip_account *account = (voip_account *)&a;
    voip_call_info info = VOIP_CALL_INFO_INIT;
    voip_call_end end = VOIP_CALL_END_INIT;
    voip_media_direction direction = VOIP_MEDIA_INACTIVE;
    voip_call_state state = VOIP_CALL_DIALING;

    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    CHECK(b.in_callback == VOIP_ERR_IN_CALLBACK);
    CHECK(side_wait(&a, &a.negotiated, 1));

    OK(voip_call_get_state(call, &state));
    CHECK(state == VOIP_CALL_ANSWERED);
    OK(voip_call_get_info(call, &info));
    CHECK(info.size == sizeof info && info.direction == VOIP_CALL_OUTGOING && info.state == VOIP_CALL_ANSWERED);
    CHECK(info.sip_code == 200 && info.muted == 0 && info.media_direction == VOIP_MEDIA_SENDRECV);
    SAYS(VOIP_ERR_STATE, "not ended", voip_call_get_end(call, &end));
    OK(voip_call_get_remote_uri(call, text, sizeof text, NULL));
    CHECK(strstr(text, b.address) != NULL);
    OK(voip_call_get_id(call, text, sizeof text, &needed));
    CHECK(needed == strlen(text) + 1);
    OK(voip_call_get_id(b.incoming, text, sizeof text, NULL));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_call_get_id(call, small, sizeof small, &needed));
    CHECK(needed == strlen(text) + 1);
    OK(voip_call_get_remote_name(call, text, sizeof text, NULL));
    OK(voip_call_get_local_uri(call, text, sizeof text, NULL));
    OK(voip_call_get_header(b.incoming, "cseq", 0, text, sizeof text, NULL));
    CHECK(strstr(text, "INVITE") != NULL);
    SAYS(VOIP_ERR_ARGUMENT, "X-None", voip_call_get_header(b.incoming, "X-None", 0, text, sizeof text, NULL));
    GIVES(VOIP_ERR_NULL, voip_call_get_header(b.incoming, NULL, 0, text, sizeof text, NULL));
    OK(voip_call_get_local_sdp(call, text, sizeof text, NULL));
    CHECK(strncmp(text, "v=0\r\n", 5) == 0 && strstr(text, "m=audio") != NULL && strstr(text, "c=IN IP4 127.0.0.1") != NULL);
    OK(voip_call_get_sdp(call, text, sizeof text, NULL));
    CHECK(strncmp(text, "v=0", 3) == 0);
    OK(voip_call_get_codec(call, text, sizeof text, NULL));
    CHECK(strcmp(text, "PCMU") == 0);
    OK(voip_call_get_media_address(call, text, sizeof text, NULL));
    CHECK(strstr(text, "127.0.0.1:") != NULL);
    OK(voip_call_get_direction(call, &direction));
    CHECK(direction == VOIP_MEDIA_SENDRECV);
    OK(voip_call_get_phone(call, &phone));
    CHECK(phone == a.phone);
    OK(voip_call_get_account(call, &account));
    CHECK(account == NULL);
    OK(voip_call_set_user_data(call, &number));
    OK(voip_call_get_user_data(call, &user));
    CHECK(user == &number);
    GIVES(VOIP_ERR_NULL, voip_call_get_user_data(call, NULL));

    OK(voip_phone_list_calls(a.phone, NULL, 0, &count));
    CHECK(count == 1);
    OK(voip_phone_list_calls(a.phone, list, 4, &count));
    CHECK(count == 1 && list[0] == call); /* the same token as long as it lives */
    OK(voip_call_release(list[0]));

    /* What the state does not allow changes nothing. */
    GIVES(VOIP_ERR_STATE, voip_call_answer(call));
    GIVES(VOIP_ERR_STATE, voip_call_ring(b.incoming));
    SAYS(VOIP_ERR_RANGE, "200", voip_call_reject(b.incoming, 200, NULL));
    SAYS(VOIP_ERR_ARGUMENT, "17", voip_call_set_direction(call, 17));
    SAYS(VOIP_ERR_ARGUMENT, "44", voip_call_wait_state(call, 44, 0));
    GIVES(VOIP_ERR_TIMEOUT, voip_call_wait_state(call, VOIP_CALL_ENDED, 0));
    GIVES(VOIP_ERR_ARGUMENT, voip_call_wait_state(call, VOIP_CALL_ENDED, -9));
    GIVES(VOIP_ERR_ARGUMENT, voip_call_transfer_to(call, call));
    SAYS(VOIP_ERR_ARGUMENT, "another phone", voip_call_transfer_to(call, b.incoming));
    OK(voip_call_mute(call, 1));
    OK(voip_call_get_info(call, &info));
    CHECK(info.muted == 1);

    OK(voip_call_hangup(call));
    OK(voip_call_wait_state(call, VOIP_CALL_ENDED, PAIR_SECONDS * 1000));
    OK(voip_call_get_end(call, &end));
    CHECK(end.cause == VOIP_END_HANGUP && end.by == VOIP_BY_LOCAL);
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    CHECK(a.last_cause == VOIP_END_HANGUP && a.last_by == VOIP_BY_LOCAL);
    CHECK(b.last_cause == VOIP_END_HANGUP && b.last_by == VOIP_BY_REMOTE);
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_hangup(call));
    /* The handle lives until it is released, whatever it keeps. */
    OK(voip_call_retain(call));
    OK(voip_call_release(call));
    OK(voip_call_get_info(call, &info));
    CHECK(info.state == VOIP_CALL_ENDED);
    OK(voip_call_release(call));
    /* The library lets go of it a moment after its callback has returned. */
    for (int i = 0; i < 1000000 && voip_call_get_info(call, &info) == VOIP_OK; i++) sched_yield();
    SAYS(VOIP_ERR_HANDLE, "stale", voip_call_release(call));
    SAYS(VOIP_ERR_HANDLE, "stale", voip_call_get_info(call, &info));
    CHECK(a.states[VOIP_CALL_ENDED] == 1 && b.states[VOIP_CALL_ENDED] == 1);
    side_stop(&a);
    side_stop(&b);
}

/* How a call that is not answered ends at the caller. */
static void refused(int on_call, int32_t cause, int32_t code)
{
    side a, b;
    voip_call *call = NULL;
    voip_call_end end = VOIP_CALL_END_INIT;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    b.on_call = on_call;
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    OK(voip_call_get_end(call, &end));
    CHECK(end.cause == cause);
    CHECK(end.by == VOIP_BY_REMOTE);
    CHECK(end.sip_code == code);
    CHECK(strlen(end.reason) > 0);
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
}

static void nobody_listens(void)
{
    side a, b;
    voip_call *call = NULL;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 0);
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    OK(voip_call_wait_state(call, VOIP_CALL_ENDED, PAIR_SECONDS * 1000));
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    CHECK(a.last_code == 486 && a.last_cause == VOIP_END_BUSY);
    CHECK(b.incoming_calls == 0);
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
}

static void cancelled(void)
{
    side a, b;
    voip_call *call = NULL;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    OK(voip_call_wait_state(call, VOIP_CALL_RINGING, PAIR_SECONDS * 1000));
    CHECK(side_wait(&b, &b.incoming_calls, 1));
    pair_hangup(&a, &b, call);
    CHECK(a.last_cause == VOIP_END_CANCELLED && a.last_by == VOIP_BY_LOCAL);
    CHECK(b.last_cause == VOIP_END_CANCELLED && b.last_by == VOIP_BY_REMOTE);
    side_stop(&a);
    side_stop(&b);
}

static void early_media_then_answer(void)
{
    side a, b;
    voip_call *call = NULL;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    CHECK(side_wait(&b, &b.incoming_calls, 1));
    OK(voip_call_progress(b.incoming));
    OK(voip_call_wait_state(call, VOIP_CALL_PROGRESS, PAIR_SECONDS * 1000));
    OK(voip_call_answer(b.incoming));
    OK(voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    pair_hangup(&a, &b, call);
    side_stop(&a);
    side_stop(&b);
}

static void options_of_a_dial(void)
{
    side a, b;
    voip_call *call = NULL;
    voip_call_options options = VOIP_CALL_OPTIONS_INIT;
    const char *good[] = { "X-Colour: green" }, *bad[] = { "no colon" }, *broken[] = { "X: a\r\nY: b" };
    char text[128];
    void *user = NULL;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    b.on_call = 1;
    options.user_data = &options;
    options.display_name = "Al \"Ice\"";
    options.header_count = 1;
    options.headers = bad;
    SAYS(VOIP_ERR_ARGUMENT, "no colon", voip_phone_dial(a.phone, b.uri, &options, &call));
    CHECK(call == NULL);
    options.headers = broken;
    SAYS(VOIP_ERR_ARGUMENT, "line break", voip_phone_dial(a.phone, b.uri, &options, &call));
    options.headers = NULL;
    SAYS(VOIP_ERR_NULL, "headers", voip_phone_dial(a.phone, b.uri, &options, &call));
    options.headers = good;
    options.header_count = 33;
    SAYS(VOIP_ERR_RANGE, "33", voip_phone_dial(a.phone, b.uri, &options, &call));
    options.header_count = 1;
    GIVES(VOIP_ERR_NULL, voip_phone_dial(a.phone, NULL, &options, &call));
    GIVES(VOIP_ERR_NULL, voip_phone_dial(a.phone, b.uri, &options, NULL));
    GIVES(VOIP_ERR_ARGUMENT, voip_phone_dial(a.phone, "", NULL, &call));
    GIVES(VOIP_ERR_ARGUMENT, voip_phone_dial(a.phone, "sip:", NULL, &call));
    CHECK(call == NULL);
    MUST(voip_phone_dial(a.phone, b.uri, &options, &call));
    OK(voip_call_get_user_data(call, &user));
    CHECK(user == &options);
    OK(voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    CHECK(side_wait(&b, &b.incoming_calls, 1));
    OK(voip_call_get_header(b.incoming, "x-colour", 0, text, sizeof text, NULL));
    CHECK(strcmp(text, "green") == 0);
    OK(voip_call_get_remote_name(b.incoming, text, sizeof text, NULL));
    CHECK(strcmp(text, "Al \"Ice\"") == 0);
    pair_hangup(&a, &b, call);
    side_stop(&a);
    side_stop(&b);
}

static void phone_freed_during_a_call(void)
{
    side a, b;
    voip_call *call;
    voip_call_info info = VOIP_CALL_INFO_INIT;
    voip_phone *phone = NULL;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    side_stop(&a);
    /* The host's handle stays, ended. */
    OK(voip_call_get_info(call, &info));
    CHECK(info.state == VOIP_CALL_ENDED);
    CHECK(voip_call_hangup(call) != VOIP_OK);
    GIVES(VOIP_ERR_HANDLE, voip_call_get_phone(call, &phone));
    OK(voip_call_release(call));
    GIVES(VOIP_ERR_HANDLE, voip_call_release(call));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    side_stop(&b);
}

static voip_call *common;
static int hung_up;
static void *hang_up(void *unused)
{
    voip_status status;
    (void)unused;
    OK(voip_call_retain(common));
    status = voip_call_hangup(common);
    __atomic_add_fetch(&hung_up, status == VOIP_OK, __ATOMIC_SEQ_CST);
    CHECK(status == VOIP_OK || status == VOIP_ERR_STATE || status == VOIP_ERR_CALL_ENDED);
    OK(voip_call_wait_state(common, VOIP_CALL_ENDED, PAIR_SECONDS * 1000));
    OK(voip_call_release(common));
    return NULL;
}

static void eight_threads_hang_up(void)
{
    side a, b;
    pthread_t threads[8];
    int i;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    common = pair_connect(&a, &b);
    for (i = 0; i < 8; i++) {
        CHECK(pthread_create(&threads[i], NULL, hang_up, NULL) == 0);
    }
    for (i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(hung_up >= 1);
    OK(voip_call_release(common));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    side_stop(&a);
    CHECK(a.states[VOIP_CALL_ENDED] == 1);
    side_stop(&b);
}

/* A handle of a callback is stale once ENDED was delivered. */
static voip_call *borrowed;
static voip_status free_inside;
static void keep_nothing(voip_phone *phone, voip_call *call, const voip_incoming_call_info *info, void *user)
{
    (void)info;
    (void)user;
    borrowed = call;
    free_inside = voip_phone_free(phone);
    OK(voip_call_deny(call));
}

static void borrowed_handles_end(void)
{
    side a, b;
    voip_callbacks table = side_table(1);
    voip_call *call = NULL;
    voip_call_state state;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 0);
    table.on_incoming_call = keep_nothing;
    OK(voip_phone_set_callbacks(b.phone, &table, &b, NULL));
    CHECK(b.destroyed == 1);
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    OK(voip_call_wait_state(call, VOIP_CALL_ENDED, PAIR_SECONDS * 1000));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
    CHECK(free_inside == VOIP_ERR_IN_CALLBACK);
    GIVES(VOIP_ERR_HANDLE, voip_call_get_state(borrowed, &state));
}

int main(void)
{
    answered_and_hung_up();
    refused(2, VOIP_END_BUSY, 486);
    refused(603, VOIP_END_REJECTED, 603);
    refused(404, VOIP_END_NOT_FOUND, 404);
    refused(480, VOIP_END_NO_ANSWER, 480);
    nobody_listens();
    cancelled();
    early_media_then_answer();
    options_of_a_dial();
    phone_freed_during_a_call();
    eight_threads_hang_up();
    borrowed_handles_end();
    return check_end();
}
