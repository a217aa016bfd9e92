/* STUN messages built and read, RFC 5769's sample request, and a query of a port where nobody listens. */
#include "check.h"

/* RFC 5769 section 2.1. */
static const uint8_t SAMPLE[] = {
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
    0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c,
    0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f,
    0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
    0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
    0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf};

static void sample(void)
{
    voip_stun_message m = VOIP_STUN_MESSAGE_INIT;
    const uint8_t *value = NULL;
    const char *password = "VOkJxbRl1RmTxUk/WvJxBt";
    size_t len = 0;
    int32_t type = 0;
    uint8_t broken[sizeof SAMPLE];

    OK(voip_stun_parse(SAMPLE, sizeof SAMPLE, &m));
    CHECK(m.message_class == VOIP_STUN_REQUEST && m.method == VOIP_STUN_BINDING && m.attribute_count == 6);
    OK(voip_stun_check_fingerprint(&m));
    OK(voip_stun_check_integrity(&m, VOIP_STUN_SHORT_TERM, NULL, NULL, password));
    GIVES(VOIP_ERR_AUTH, voip_stun_check_integrity(&m, VOIP_STUN_SHORT_TERM, NULL, NULL, "other"));
    GIVES(VOIP_ERR_NULL, voip_stun_check_integrity(&m, VOIP_STUN_LONG_TERM_MD5, NULL, NULL, password));
    GIVES(VOIP_ERR_ARGUMENT, voip_stun_check_integrity(&m, 9, "a", "b", password));
    OK(voip_stun_find_attribute(&m, VOIP_STUN_USERNAME, &value, &len));
    CHECK(len == 9 && memcmp(value, "evtj:h6vY", 9) == 0);
    OK(voip_stun_get_attribute(&m, 1, &type, &value, &len));
    CHECK(type == VOIP_STUN_PRIORITY && len == 4);
    GIVES(VOIP_ERR_RANGE, voip_stun_get_attribute(&m, 6, &type, &value, &len));
    SAYS(VOIP_ERR_ARGUMENT, "REALM", voip_stun_find_attribute(&m, VOIP_STUN_REALM, &value, &len));
    memcpy(broken, SAMPLE, sizeof broken);
    broken[30] ^= 1;
    OK(voip_stun_parse(broken, sizeof broken, &m));
    GIVES(VOIP_ERR_PARSE, voip_stun_check_fingerprint(&m));
    GIVES(VOIP_ERR_AUTH, voip_stun_check_integrity(&m, VOIP_STUN_SHORT_TERM, NULL, NULL, password));
    for (len = 0; len < sizeof SAMPLE; len++) {
        GIVES(VOIP_ERR_PARSE, voip_stun_parse(SAMPLE, len, &m));
    }
}

static void built(const char *address)
{
    voip_stun_builder *b = NULL;
    voip_stun_message m = VOIP_STUN_MESSAGE_INIT;
    uint8_t wire[512];
    char text[64];
    size_t n = 0;
    int32_t port = 0, code = 0;

    MUST(voip_stun_builder_new(VOIP_STUN_ERROR, VOIP_STUN_BINDING, NULL, &b));
    OK(voip_stun_builder_add_address(b, VOIP_STUN_XOR_MAPPED_ADDRESS, address, 4321));
    OK(voip_stun_builder_add_address(b, VOIP_STUN_ALTERNATE_SERVER, address, 1));
    OK(voip_stun_builder_add_error(b, 438, "Stale Nonce"));
    GIVES(VOIP_ERR_RANGE, voip_stun_builder_add_error(b, 200, NULL));
    OK(voip_stun_builder_add(b, VOIP_STUN_SOFTWARE, (const uint8_t *)"x", 1));
    GIVES(VOIP_ERR_RANGE, voip_stun_builder_add(b, 70000, NULL, 0));
    OK(voip_stun_builder_add_integrity(b, VOIP_STUN_MESSAGE_INTEGRITY, VOIP_STUN_LONG_TERM_MD5, "u", "r", "p"));
    GIVES(VOIP_ERR_STATE, voip_stun_builder_add(b, VOIP_STUN_SOFTWARE, (const uint8_t *)"x", 1));
    OK(voip_stun_builder_add_integrity(b, VOIP_STUN_MESSAGE_INTEGRITY_SHA256, VOIP_STUN_LONG_TERM_SHA256, "u", "r", "p"));
    OK(voip_stun_builder_add_fingerprint(b));
    GIVES(VOIP_ERR_STATE, voip_stun_builder_add_fingerprint(b));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_stun_builder_write(b, wire, 10, &n));
    OK(voip_stun_builder_write(b, wire, sizeof wire, &n));
    OK(voip_stun_parse(wire, n, &m));
    OK(voip_stun_check_fingerprint(&m));
    OK(voip_stun_check_integrity(&m, VOIP_STUN_LONG_TERM_SHA256, "u", "r", "p"));
    OK(voip_stun_get_address(&m, 0, text, sizeof text, NULL, &port));
    CHECK(strcmp(text, address) == 0 && port == 4321);
    OK(voip_stun_get_address(&m, VOIP_STUN_ALTERNATE_SERVER, text, sizeof text, NULL, &port));
    CHECK(strcmp(text, address) == 0 && port == 1);
    GIVES(VOIP_ERR_PARSE, voip_stun_get_address(&m, VOIP_STUN_SOFTWARE, text, sizeof text, NULL, &port));
    OK(voip_stun_get_error(&m, &code, text, sizeof text, NULL));
    CHECK(code == 438 && strcmp(text, "Stale Nonce") == 0);
    OK(voip_stun_builder_free(b));
    GIVES(VOIP_ERR_HANDLE, voip_stun_builder_free(b));
    GIVES(VOIP_ERR_HANDLE, voip_stun_builder_write(b, wire, sizeof wire, &n));
}

int main(void)
{
    voip_stun_answer answer = VOIP_STUN_ANSWER_INIT;
    voip_stun_options options = VOIP_STUN_OPTIONS_INIT;
    voip_stun_builder *b = NULL;

    sample();
    built("192.0.2.1");
    built("2001:db8::1");
    GIVES(VOIP_ERR_ARGUMENT, voip_stun_builder_new(4, 1, NULL, &b));
    GIVES(VOIP_ERR_RANGE, voip_stun_builder_new(0, 4096, NULL, &b));
    CHECK(b == NULL);

    /* The discard port: nobody listens there. */
    GIVES(VOIP_ERR_UNREACHABLE, voip_stun_query("127.0.0.1:9", NULL, 10000, &answer));
    options.tcp = 1;
    GIVES(VOIP_ERR_UNREACHABLE, voip_stun_query("127.0.0.1:9", &options, 10000, &answer));
    options.bind = "nowhere";
    GIVES(VOIP_ERR_ARGUMENT, voip_stun_query("127.0.0.1:9", &options, 10000, &answer));
    GIVES(VOIP_ERR_ARGUMENT, voip_stun_query("127.0.0.1:x", NULL, 0, &answer));
    GIVES(VOIP_ERR_NULL, voip_stun_query("127.0.0.1:9", NULL, 0, NULL));
    GIVES(VOIP_ERR_NULL, voip_stun_query(NULL, NULL, 0, &answer));
    GIVES(VOIP_ERR_ARGUMENT, voip_stun_query("127.0.0.1:9", NULL, -2, &answer));
    return check_end();
}
