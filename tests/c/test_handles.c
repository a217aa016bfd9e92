/* Handles can't be misused: NULL, stale, freed twice, of another kind, by eight threads at once. */
#include <pthread.h>
#include "check.h"

enum { THREADS = 8, ROUNDS = 200 };

static voip_phone *shared;
static int freed;

static void *free_shared(void *unused)
{
    voip_status status = voip_phone_free(shared);
    (void)unused;
    if (status == VOIP_OK) {
        __atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST);
    } else {
        CHECK(status == VOIP_ERR_HANDLE);
    }
    return NULL;
}

static void *use_shared(void *unused)
{
    voip_phone_status status;
    int i;
    (void)unused;
    for (i = 0; i < ROUNDS; i++) {
        voip_status result = voip_phone_get_status(shared, &status);
        CHECK(result == VOIP_OK || result == VOIP_ERR_HANDLE);
    }
    return NULL;
}

static void *make_and_free(void *unused)
{
    int i;
    (void)unused;
    for (i = 0; i < ROUNDS; i++) {
        voip_config *config = NULL;
        CHECK(voip_config_new(&config) == VOIP_OK);
        CHECK(voip_config_set_ptime(config, 20) == VOIP_OK);
        CHECK(voip_config_free(config) == VOIP_OK);
        CHECK(voip_config_set_ptime(config, 20) == VOIP_ERR_HANDLE);
    }
    return NULL;
}

static void run(void *(*body)(void *), void *(*other)(void *))
{
    pthread_t threads[THREADS];
    int i;
    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, i % 2 ? other : body, NULL) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Every function that takes a call, with a handle that is none. */
static void each_call_function(voip_call *bad)
{
    char text[64];
    size_t size = 0;
    int16_t pcm[8];
    int32_t number;
    uint64_t id;
    void *user;
    voip_call_state state;
    voip_media_direction direction;
    voip_call_info info = VOIP_CALL_INFO_INIT;
    voip_call_end end = VOIP_CALL_END_INIT;
    voip_call_stats stats = VOIP_CALL_STATS_INIT;
    voip_phone *phone;
    voip_account *account;
    memset(pcm, 0, sizeof pcm);
    GIVES(VOIP_ERR_HANDLE, voip_call_ring(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_progress(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_answer(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_deny(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_reject(bad, 486, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_redirect(bad, "sip:a@b"));
    GIVES(VOIP_ERR_HANDLE, voip_call_hangup(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_hold(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_resume(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_mute(bad, 1));
    GIVES(VOIP_ERR_HANDLE, voip_call_set_direction(bad, VOIP_MEDIA_SENDONLY));
    GIVES(VOIP_ERR_HANDLE, voip_call_transfer(bad, "sip:a@b"));
    GIVES(VOIP_ERR_HANDLE, voip_call_transfer_to(bad, bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_retain(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_release(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_state(bad, &state));
    GIVES(VOIP_ERR_HANDLE, voip_call_wait_state(bad, VOIP_CALL_ENDED, 0));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_info(bad, &info));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_end(bad, &end));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_remote_uri(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_remote_name(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_local_uri(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_id(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_header(bad, "From", 0, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_sdp(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_local_sdp(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_codec(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_media_address(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_direction(bad, &direction));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_phone(bad, &phone));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_account(bad, &account));
    GIVES(VOIP_ERR_HANDLE, voip_call_set_user_data(bad, text));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_user_data(bad, &user));
    GIVES(VOIP_ERR_HANDLE, voip_call_read_audio(bad, pcm, 8, 0, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_read_audio_padded(bad, pcm, 8, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_write_audio(bad, pcm, 8, 0, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_audio_format(bad, NULL, NULL, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_read_available(bad, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_write_space(bad, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_flush_audio(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_drain_audio(bad, 0));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_audio_levels(bad, &number, NULL, NULL, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_set_gain(bad, 100, 100));
    GIVES(VOIP_ERR_HANDLE, voip_call_set_audio_tap(bad, NULL, NULL, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_send_dtmf(bad, "1", 0, 0, VOIP_DTMF_RTP));
    GIVES(VOIP_ERR_HANDLE, voip_call_read_dtmf(bad, text, sizeof text, 0, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_pending_dtmf(bad, &size));
    GIVES(VOIP_ERR_HANDLE, voip_call_clear_dtmf(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_gather(bad, 4, "#", 0, 0, 1, text, sizeof text, &size, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_stats(bad, &stats));
    GIVES(VOIP_ERR_HANDLE, voip_call_set_stats_interval(bad, 1000));
    GIVES(VOIP_ERR_HANDLE, voip_call_play_file(bad, "none.wav"));
    GIVES(VOIP_ERR_HANDLE, voip_call_play_pcm(bad, pcm, 8));
    GIVES(VOIP_ERR_HANDLE, voip_call_play_tone(bad, 440, 10));
    GIVES(VOIP_ERR_HANDLE, voip_call_play_stop(bad));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_play_id(bad, &id));
    GIVES(VOIP_ERR_HANDLE, voip_call_record_start(bad, "none.wav", NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_record_stop(bad));
}

static void each_phone_function(voip_phone *bad)
{
    char text[64];
    size_t size = 0;
    uint16_t port;
    int32_t fd;
    uint32_t count;
    void *user;
    voip_call *call;
    voip_account *account;
    voip_account_config *config = NULL;
    voip_phone_status status;
    voip_phone_stats stats = VOIP_PHONE_STATS_INIT;
    voip_callbacks table = VOIP_CALLBACKS_INIT;
    GIVES(VOIP_ERR_HANDLE, voip_phone_free(bad));
    GIVES(VOIP_ERR_HANDLE, voip_phone_set_callbacks(bad, &table, NULL, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_phone_start(bad));
    GIVES(VOIP_ERR_HANDLE, voip_phone_stop(bad, 0));
    GIVES(VOIP_ERR_HANDLE, voip_phone_wait_stopped(bad, 0));
    GIVES(VOIP_ERR_HANDLE, voip_phone_wait_registered(bad, 0));
    GIVES(VOIP_ERR_HANDLE, voip_phone_wait_call(bad, 0, &call));
    CHECK(call == NULL);
    GIVES(VOIP_ERR_HANDLE, voip_phone_dial(bad, "sip:a@b", NULL, &call));
    GIVES(VOIP_ERR_HANDLE, voip_phone_send_message(bad, NULL, "sip:a@b", NULL, "x", 1, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_phone_get_status(bad, &status));
    GIVES(VOIP_ERR_HANDLE, voip_phone_get_local_address(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_phone_get_default_account(bad, &account));
    GIVES(VOIP_ERR_HANDLE, voip_phone_list_calls(bad, &call, 1, &size));
    GIVES(VOIP_ERR_HANDLE, voip_phone_get_stats(bad, &stats));
    GIVES(VOIP_ERR_HANDLE, voip_phone_get_event_fd(bad, &fd));
    GIVES(VOIP_ERR_HANDLE, voip_phone_process_events(bad, 0, 0, &count));
    GIVES(VOIP_ERR_HANDLE, voip_phone_set_user_data(bad, text));
    GIVES(VOIP_ERR_HANDLE, voip_phone_get_user_data(bad, &user));
    GIVES(VOIP_ERR_HANDLE, voip_phone_reserve_port(bad, 0, &port));
    GIVES(VOIP_ERR_HANDLE, voip_phone_release_port(bad, 20000));
    GIVES(VOIP_ERR_HANDLE, voip_phone_ports_in_use(bad, &size));
    MUST(voip_account_config_new(&config));
    GIVES(VOIP_ERR_HANDLE, voip_account_add(bad, config, &account));
    OK(voip_account_config_free(config));
}

static void each_account_function(voip_account *bad)
{
    char text[64];
    size_t size = 0;
    uint32_t seconds;
    int32_t code;
    void *user;
    voip_call *call;
    voip_phone *phone;
    voip_account_status status;
    GIVES(VOIP_ERR_HANDLE, voip_account_remove(bad));
    GIVES(VOIP_ERR_HANDLE, voip_account_register(bad));
    GIVES(VOIP_ERR_HANDLE, voip_account_unregister(bad));
    GIVES(VOIP_ERR_HANDLE, voip_account_wait_registered(bad, 0));
    GIVES(VOIP_ERR_HANDLE, voip_account_dial(bad, "sip:a@b", NULL, &call));
    GIVES(VOIP_ERR_HANDLE, voip_account_get_status(bad, &status));
    GIVES(VOIP_ERR_HANDLE, voip_account_get_expiry(bad, &seconds));
    GIVES(VOIP_ERR_HANDLE, voip_account_get_last_sip_code(bad, &code));
    GIVES(VOIP_ERR_HANDLE, voip_account_get_uri(bad, text, sizeof text, &size));
    GIVES(VOIP_ERR_HANDLE, voip_account_get_phone(bad, &phone));
    GIVES(VOIP_ERR_HANDLE, voip_account_set_user_data(bad, text));
    GIVES(VOIP_ERR_HANDLE, voip_account_get_user_data(bad, &user));
}

int main(void)
{
    voip_config *config = NULL;
    voip_phone *phone = NULL;
    void *bad[3];
    int i;
    MUST(voip_config_new(&config));
    OK(voip_config_set_bind(config, "127.0.0.1", 0));
    MUST(voip_phone_new(config, &phone));
    OK(voip_phone_free(phone));

    bad[0] = NULL;
    bad[1] = &config; /* an address of this program */
    bad[2] = config;  /* of another kind */
    for (i = 0; i < 3; i++) {
        each_call_function((voip_call *)bad[i]);
        each_phone_function((voip_phone *)bad[i]);
        each_account_function((voip_account *)bad[i]);
    }
    each_phone_function(phone); /* stale */
    SAYS(VOIP_ERR_HANDLE, "stale", voip_phone_free(phone));
    SAYS(VOIP_ERR_HANDLE, "config, not call", voip_call_answer((voip_call *)config));

    run(make_and_free, make_and_free);
    for (i = 0; i < 4; i++) {
        MUST(voip_phone_new(config, &shared));
        OK(voip_phone_start(shared));
        freed = 0;
        run(free_shared, use_shared);
        CHECK(freed == 1);
    }
    OK(voip_config_free(config));
    return check_end();
}
