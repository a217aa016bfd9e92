/* Every setter: good values, bad values that name themselves, NULL, stale and foreign handles. */
#include "check.h"

static void good_values(voip_config *c)
{
    OK(voip_config_set_bind(c, "127.0.0.1", 0));
    OK(voip_config_set_bind(c, "::1", 65535));
    OK(voip_config_set_bind(c, "[::1]", 5060));
    OK(voip_config_set_bind(c, NULL, 0));
    OK(voip_config_set_public_address(c, "192.0.2.1"));
    OK(voip_config_set_public_address(c, NULL));
    OK(voip_config_set_transport(c, VOIP_TRANSPORT_TCP));
    OK(voip_config_set_connections(c, 16, 60000));
    OK(voip_config_set_tls_ca_file(c, NULL));
    OK(voip_config_set_tls_certificate(c, NULL, NULL, NULL));
    OK(voip_config_set_tls_verify(c, 1, 1));
    CHECK(voip_has_feature("tcp"));
    if (voip_has_feature("tls")) OK(voip_config_set_transport(c, VOIP_TRANSPORT_TLS));
    else SAYS(VOIP_ERR_NOT_SUPPORTED, "TLS", voip_config_set_transport(c, VOIP_TRANSPORT_TLS));
    OK(voip_config_set_transport(c, VOIP_TRANSPORT_UDP));
    OK(voip_config_set_server(c, "pbx.example.com", 0));
    OK(voip_config_set_server(c, "[2001:db8::1]", 5060));
    OK(voip_config_set_credentials(c, "alice", "auth-alice", "secret"));
    OK(voip_config_set_credentials(c, "alice", NULL, NULL));
    OK(voip_config_add_credentials(c, "example.com", "alice", "secret"));
    OK(voip_config_add_ha1(c, "example.org", "alice", VOIP_DIGEST_MD5, "0123456789abcdef0123456789ABCDEF"));
    OK(voip_config_set_display_name(c, "Alice \xc3\x84"));
    OK(voip_config_set_display_name(c, NULL));
    OK(voip_config_set_expires(c, 60));
    OK(voip_config_set_register(c, 0));
    OK(voip_config_set_outbound_proxy(c, "sip:127.0.0.1:5070;lr"));
    OK(voip_config_set_outbound_proxy(c, NULL));
    OK(voip_config_set_retry(c, 500, 60000));
    OK(voip_config_set_user_agent(c, "test/1"));
    OK(voip_config_set_rtp_ports(c, 20000, 20001));
    OK(voip_config_set_codecs(c, "PCMU,cn"));
    GIVES(VOIP_ERR_NO_CODEC, voip_config_set_codecs(c, "CN"));
    GIVES(VOIP_ERR_NO_CODEC, voip_config_set_codecs(c, "PCMU,CN,CN"));
    OK(voip_config_set_codecs(c, "pcma, PCMU"));
    OK(voip_config_set_ptime(c, 30));
    OK(voip_config_set_audio_format(c, VOIP_FORMAT_U8, 16000, 1));
    OK(voip_config_set_jitter(c, 0, 100));
    OK(voip_config_set_audio_buffers(c, 500, 1000));
    OK(voip_config_set_rtp_timeout(c, 0, 1));
    OK(voip_config_set_max_calls(c, 4));
    OK(voip_config_set_media_threads(c, 2));
    OK(voip_config_set_media_sockets(c, 4));
    OK(voip_config_set_media_sockets(c, 0));
    OK(voip_config_set_event_mode(c, VOIP_EVENTS_HOST));
    OK(voip_config_set_max_events(c, 64));
    OK(voip_config_set_unhandled_call(c, 480));
    OK(voip_config_set_timer(c, VOIP_TIMER_T1, 100));
    OK(voip_config_set_timer(c, VOIP_TIMER_RING, 0));
    OK(voip_config_set_thread_hooks(c, NULL, NULL, NULL));
}

static void bad_tls(voip_config *c)
{
    SAYS(VOIP_ERR_NULL, "pem", voip_config_set_tls_ca(c, NULL, 5));
    if (!voip_has_feature("tls")) {
        SAYS(VOIP_ERR_NOT_SUPPORTED, "TLS", voip_config_set_tls_ca(c, (const uint8_t *)"x", 1));
        return;
    }
    SAYS(VOIP_ERR_PARSE, "certificates", voip_config_set_tls_ca(c, (const uint8_t *)"x", 1));
    SAYS(VOIP_ERR_SYSTEM, "/nowhere", voip_config_set_tls_ca_file(c, "/nowhere"));
    SAYS(VOIP_ERR_SYSTEM, "/nowhere", voip_config_set_tls_certificate(c, "/nowhere", "/nowhere", NULL));
    SAYS(VOIP_ERR_NULL, "key_file", voip_config_set_tls_certificate(c, "/nowhere", NULL, NULL));
}

static void bad_values(voip_config *c)
{
    SAYS(VOIP_ERR_ARGUMENT, "300.1.1.1", voip_config_set_bind(c, "300.1.1.1", 0));
    SAYS(VOIP_ERR_RANGE, "65536", voip_config_set_bind(c, "127.0.0.1", 65536));
    SAYS(VOIP_ERR_RANGE, "-1", voip_config_set_bind(c, "127.0.0.1", -1));
    SAYS(VOIP_ERR_ARGUMENT, "home", voip_config_set_public_address(c, "home"));
    SAYS(VOIP_ERR_ARGUMENT, "77", voip_config_set_transport(c, 77));
    SAYS(VOIP_ERR_RANGE, "0", voip_config_set_connections(c, 0, 60000));
    SAYS(VOIP_ERR_RANGE, "999", voip_config_set_connections(c, 1, 999));
    SAYS(VOIP_ERR_NULL, "host", voip_config_set_server(c, NULL, 0));
    SAYS(VOIP_ERR_ARGUMENT, "empty", voip_config_set_server(c, "", 0));
    SAYS(VOIP_ERR_ARGUMENT, "a b", voip_config_set_server(c, "a b", 0));
    SAYS(VOIP_ERR_RANGE, "99999", voip_config_set_server(c, "a", 99999));
    SAYS(VOIP_ERR_ARGUMENT, "before the @", voip_config_set_credentials(c, "a@b", NULL, "x"));
    SAYS(VOIP_ERR_NULL, "user", voip_config_set_credentials(c, NULL, NULL, "x"));
    SAYS(VOIP_ERR_ARGUMENT, "line break", voip_config_set_credentials(c, "a\r\nX: y", NULL, "x"));
    SAYS(VOIP_ERR_NULL, "realm", voip_config_add_credentials(c, NULL, "a", "b"));
    OK(voip_config_set_auth_algorithms(c, "SHA-256, md5"));
    SAYS(VOIP_ERR_ARGUMENT, "SHA-1", voip_config_set_auth_algorithms(c, "SHA-256,SHA-1"));
    SAYS(VOIP_ERR_ARGUMENT, "unknown", voip_config_set_auth_algorithms(c, "MD5,"));
    OK(voip_config_set_auth_algorithms(c, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_config_set_auth_algorithms(NULL, "MD5"));
    SAYS(VOIP_ERR_ARGUMENT, "32", voip_config_add_ha1(c, "r", "a", VOIP_DIGEST_MD5, "12"));
    SAYS(VOIP_ERR_ARGUMENT, "9", voip_config_add_ha1(c, "r", "a", 9, "12"));
    SAYS(VOIP_ERR_ARGUMENT, "line break at byte 1", voip_config_set_display_name(c, "a\nb"));
    SAYS(VOIP_ERR_ARGUMENT, "UTF-8 at byte 1", voip_config_set_display_name(c, "a\xff"));
    SAYS(VOIP_ERR_RANGE, "9 s", voip_config_set_expires(c, 9));
    SAYS(VOIP_ERR_PARSE, "nonsense", voip_config_set_outbound_proxy(c, "nonsense <>"));
    SAYS(VOIP_ERR_RANGE, "1 ms", voip_config_set_retry(c, 500, 1));
    SAYS(VOIP_ERR_NULL, "user agent", voip_config_set_user_agent(c, NULL));
    SAYS(VOIP_ERR_RANGE, "30000 to 20000", voip_config_set_rtp_ports(c, 30000, 20000));
    SAYS(VOIP_ERR_RANGE, "no even port", voip_config_set_rtp_ports(c, 20001, 20001));
    SAYS(VOIP_ERR_RANGE, "70000", voip_config_set_rtp_ports(c, 20000, 70000));
    SAYS(VOIP_ERR_NO_CODEC, "G729", voip_config_set_codecs(c, "PCMU,G729"));
    SAYS(VOIP_ERR_ARGUMENT, "twice", voip_config_set_codecs(c, "PCMU,pcmu"));
    GIVES(VOIP_ERR_NO_CODEC, voip_config_set_codecs(c, ""));
    SAYS(VOIP_ERR_RANGE, "25 ms", voip_config_set_ptime(c, 25));
    SAYS(VOIP_ERR_RANGE, "500 ms", voip_config_set_ptime(c, 500));
    SAYS(VOIP_ERR_ARGUMENT, "5", voip_config_set_audio_format(c, 5, 8000, 1));
    SAYS(VOIP_ERR_RANGE, "11025", voip_config_set_audio_format(c, VOIP_FORMAT_S16, 11025, 1));
    SAYS(VOIP_ERR_RANGE, "channels", voip_config_set_audio_format(c, VOIP_FORMAT_S16, 8000, 3));
    SAYS(VOIP_ERR_RANGE, "200", voip_config_set_jitter(c, 200, 100));
    SAYS(VOIP_ERR_RANGE, "5 ms", voip_config_set_audio_buffers(c, 5, 100));
    SAYS(VOIP_ERR_RANGE, "0", voip_config_set_max_calls(c, 0));
    SAYS(VOIP_ERR_RANGE, "65", voip_config_set_media_threads(c, 65));
    SAYS(VOIP_ERR_RANGE, "65", voip_config_set_media_sockets(c, 65));
    SAYS(VOIP_ERR_ARGUMENT, "2", voip_config_set_event_mode(c, 2));
    SAYS(VOIP_ERR_RANGE, "1", voip_config_set_max_events(c, 1));
    SAYS(VOIP_ERR_RANGE, "200", voip_config_set_unhandled_call(c, 200));
    SAYS(VOIP_ERR_ARGUMENT, "99", voip_config_set_timer(c, 99, 5));
    SAYS(VOIP_ERR_RANGE, "0 ms", voip_config_set_timer(c, VOIP_TIMER_T1, 0));
}

/* A refused value leaves everything as it was. */
static void errors_change_nothing(void)
{
    voip_config *config = NULL;
    voip_phone *phone = NULL;
    voip_call *call = NULL;
    uint32_t rate = 0;
    MUST(voip_config_new(&config));
    OK(voip_config_set_bind(config, "127.0.0.1", 0));
    OK(voip_config_set_audio_format(config, VOIP_FORMAT_S16, 16000, 1));
    GIVES(VOIP_ERR_RANGE, voip_config_set_audio_format(config, VOIP_FORMAT_U8, 7, 1));
    GIVES(VOIP_ERR_RANGE, voip_config_set_bind(config, "127.0.0.2", 70000));
    MUST(voip_phone_new(config, &phone));
    MUST(voip_phone_start(phone));
    MUST(voip_phone_dial(phone, "sip:nobody@127.0.0.1:9", NULL, &call));
    OK(voip_call_get_audio_format(call, NULL, &rate, NULL));
    CHECK(rate == 16000);
    OK(voip_call_release(call));
    OK(voip_phone_free(phone));
    OK(voip_config_free(config));
}

static int hook_destroyed, hook_began;
static void hook(const char *name, int32_t begins, void *user)
{
    (void)user;
    CHECK(strncmp(name, "voip-", 5) == 0);
    if (begins) {
        __atomic_add_fetch(&hook_began, 1, __ATOMIC_SEQ_CST);
    } else {
        __atomic_sub_fetch(&hook_began, 1, __ATOMIC_SEQ_CST);
    }
}
static void hook_destroy(void *user)
{
    CHECK(user == &hook_destroyed);
    __atomic_add_fetch(&hook_destroyed, 1, __ATOMIC_SEQ_CST);
}

static void thread_hooks(void)
{
    voip_config *config = NULL;
    voip_phone *phone = NULL;
    MUST(voip_config_new(&config));
    OK(voip_config_set_bind(config, "127.0.0.1", 0));
    OK(voip_config_set_thread_hooks(config, hook, &hook_destroyed, hook_destroy));
    MUST(voip_phone_new(config, &phone));
    OK(voip_config_free(config));
    CHECK(hook_destroyed == 0);
    OK(voip_phone_start(phone));
    OK(voip_phone_free(phone));
    CHECK(hook_began == 0);
    CHECK(hook_destroyed == 1);
}

static void rtcp_is_off_or_beside_rtp(void)
{
    voip_config *config = NULL;
    MUST(voip_config_new(&config));
    OK(voip_config_set_rtcp(config, VOIP_RTCP_OFF));
    OK(voip_config_set_rtcp(config, VOIP_RTCP_MUX));
    SAYS(VOIP_ERR_ARGUMENT, "RTCP mode 2", voip_config_set_rtcp(config, 2));
    GIVES(VOIP_ERR_HANDLE, voip_config_set_rtcp(NULL, VOIP_RTCP_OFF));
    OK(voip_config_free(config));
}

int main(void)
{
    rtcp_is_off_or_beside_rtp();
    voip_config *config = NULL, *stale;
    voip_account_config *account = NULL;
    voip_phone *phone = (voip_phone *)&config;
    MUST(voip_config_new(&config));
    good_values(config);
    bad_values(config);
    bad_tls(config);
    OK(voip_config_free(config));
    stale = config;
    SAYS(VOIP_ERR_HANDLE, "stale", voip_config_free(stale));
    SAYS(VOIP_ERR_HANDLE, "stale", voip_config_set_ptime(stale, 20));
    SAYS(VOIP_ERR_HANDLE, "NULL", voip_config_set_codecs(NULL, "PCMU"));
    SAYS(VOIP_ERR_HANDLE, "stale", voip_phone_new(stale, &phone));
    CHECK(phone == NULL);
    MUST(voip_account_config_new(&account));
    SAYS(VOIP_ERR_HANDLE, "account config, not config", voip_config_free((voip_config *)account));
    SAYS(VOIP_ERR_HANDLE, "is no config handle", voip_config_set_ptime((voip_config *)&stale, 20));
    OK(voip_account_config_free(account));

    /* A server without a user, a user without a server. */
    MUST(voip_config_new(&config));
    OK(voip_config_set_server(config, "127.0.0.1", 0));
    SAYS(VOIP_ERR_ARGUMENT, "no user", voip_phone_new(config, &phone));
    OK(voip_config_free(config));
    MUST(voip_config_new(&config));
    OK(voip_config_set_credentials(config, "alice", NULL, "x"));
    SAYS(VOIP_ERR_ARGUMENT, "no server", voip_phone_new(config, &phone));
    OK(voip_config_free(config));

    errors_change_nothing();
    thread_hooks();
    return check_end();
}
