/* SRTP in calls: settings and what they refuse, what was agreed, calls that have to fail. */
#include "pair.h"

static voip_config *secure(int mode, const char *suites)
{
    voip_config *config = side_config();
    MUST(voip_config_set_srtp(config, mode));
    if (suites != NULL) {
        MUST(voip_config_set_srtp_suites(config, suites));
    }
    return config;
}

static void settings_are_checked_at_once(void)
{
    voip_config *config = side_config();
    voip_account_config *account = NULL;
    SAYS(VOIP_ERR_ARGUMENT, "SRTP mode 4", voip_config_set_srtp(config, 4));
    SAYS(VOIP_ERR_ARGUMENT, "SRTP mode -1", voip_config_set_srtp(config, -1));
    GIVES(VOIP_ERR_HANDLE, voip_config_set_srtp(NULL, VOIP_SRTP_MODE_OFF));
    SAYS(VOIP_ERR_ARGUMENT, "\"ROT13\" is unknown", voip_config_set_srtp_suites(config, "AES_CM_128_HMAC_SHA1_80,ROT13"));
    SAYS(VOIP_ERR_ARGUMENT, "is unknown", voip_config_set_srtp_suites(config, ""));
    SAYS(VOIP_ERR_ARGUMENT, "encrypts nothing", voip_config_set_srtp_suites(config, "NULL_HMAC_SHA1_80"));
    SAYS(VOIP_ERR_ARGUMENT, "named twice",
        voip_config_set_srtp_suites(config, "AEAD_AES_128_GCM, aead_aes_128_gcm"));
    GIVES(VOIP_ERR_NULL, voip_config_set_srtp_suites(config, NULL));
    OK(voip_config_set_srtp_suites(config, "aead_aes_256_gcm, AES_CM_128_HMAC_SHA1_80"));
    OK(voip_config_free(config));
    MUST(voip_account_config_new(&account));
    OK(voip_account_config_set_srtp(account, VOIP_SRTP_MODE_MANDATORY));
    SAYS(VOIP_ERR_ARGUMENT, "SRTP mode 9", voip_account_config_set_srtp(account, 9));
    OK(voip_account_config_free(account));
}

static void a_call_under_a_suite(const char *suites, const char *name, int profile)
{
    side a, b;
    voip_call *call;
    voip_call *both[2];
    voip_call_stats stats = VOIP_CALL_STATS_INIT;
    int i;
    side_start(&a, secure(VOIP_SRTP_MODE_MANDATORY, suites), 0);
    side_start(&b, secure(VOIP_SRTP_MODE_OPTIONAL, suites), 1);
    call = pair_connect(&a, &b);
    both[0] = call;
    both[1] = b.incoming;
    for (i = 0; i < 2; i++) {
        voip_call_srtp_info info = VOIP_CALL_SRTP_INFO_INIT;
        OK(voip_call_get_srtp_info(both[i], &info));
        CHECK(info.sending == 1 && info.receiving == 1 && info.profile == profile);
        CHECK(strcmp(info.suite, name) == 0);
        CHECK(strcmp(info.suite, voip_srtp_profile_name(info.profile)) == 0);
    }
    CHECK(side_wait(&a, &a.started, 1) && side_wait(&b, &b.started, 1));
    OK(voip_call_set_stats_interval(call, 100));
    /* A report every 100 ms, until six packets have come through. */
    for (i = 1; i <= 10 * PAIR_SECONDS && stats.rx_packets <= 5; i++) {
        CHECK(side_wait(&a, &a.stats, i));
        OK(voip_call_get_stats(call, &stats));
    }
    CHECK(stats.rx_packets > 5 && stats.rx_srtp_auth == 0 && stats.rx_srtp_replay == 0);
    pair_hangup(&a, &b, call);
    side_stop(&a);
    side_stop(&b);
}

static void one_call_can_ask_for_it(void)
{
    side a, b;
    voip_call *call = NULL;
    voip_call_srtp_info info = VOIP_CALL_SRTP_INFO_INIT;
    voip_call_options options = VOIP_CALL_OPTIONS_INIT;
    side_start(&a, side_config(), 0);
    side_start(&b, secure(VOIP_SRTP_MODE_OPTIONAL, NULL), 1);
    b.on_call = 1;
    options.srtp = 17;
    SAYS(VOIP_ERR_ARGUMENT, "SRTP mode 17", voip_phone_dial(a.phone, b.uri, &options, &call));
    options.srtp = VOIP_SRTP_MODE_MANDATORY;
    MUST(voip_phone_dial(a.phone, b.uri, &options, &call));
    MUST(voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    OK(voip_call_get_srtp_info(call, &info));
    CHECK(info.sending == 1 && strcmp(info.suite, "AES_CM_128_HMAC_SHA1_80") == 0);
    GIVES(VOIP_ERR_NULL, voip_call_get_srtp_info(call, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_srtp_info(NULL, &info));
    OK(voip_call_hangup(call));
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    OK(voip_call_release(call));

    /* The next call of the same phone is plain again. */
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    MUST(voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    OK(voip_call_get_srtp_info(call, &info));
    CHECK(info.sending == 0 && info.receiving == 0 && info.profile == 0 && info.suite[0] == 0);
    OK(voip_call_hangup(call));
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 2));
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
}

static void who_insists_takes_nothing_plain(void)
{
    side a, b;
    voip_call *call = NULL;
    side_start(&a, side_config(), 0);
    side_start(&b, secure(VOIP_SRTP_MODE_MANDATORY, NULL), 1);
    MUST(voip_phone_dial(a.phone, b.uri, NULL, &call));
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    CHECK(a.last_code == 488 && a.last_cause == VOIP_END_NO_CODEC && b.incoming_calls == 0);
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
}

int main(void)
{
    CHECK(voip_has_feature("srtp") == 1);
    settings_are_checked_at_once();
    a_call_under_a_suite(NULL, "AES_CM_128_HMAC_SHA1_80", VOIP_SRTP_AES_CM_128_HMAC_SHA1_80);
    a_call_under_a_suite("AEAD_AES_256_GCM", "AEAD_AES_256_GCM", VOIP_SRTP_AEAD_AES_256_GCM);
    one_call_can_ask_for_it();
    who_insists_takes_nothing_plain();
    return check_end();
}
