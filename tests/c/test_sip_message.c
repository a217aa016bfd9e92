/* SIP messages by themselves: parsed, walked, changed, written; digest; tags. */
#include "check.h"

static const char INVITE[] =
    "INVITE sip:bob@example.com SIP/2.0\r\n"
    "v: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKa\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKb\r\n"
    "Max-Forwards: 70\r\n"
    "From: \"A\" <sip:alice@example.com>;tag=1\r\n"
    "To: <sip:bob@example.com>\r\n"
    "Call-ID: x1\r\n"
    "CSeq: 7 INVITE\r\n"
    "Subject: one\r\n  two\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 4\r\n\r\nv=0\nbehind";

static const uint8_t *bytes(const char *text)
{
    return (const uint8_t *)text;
}

static int header_is(voip_sip_message *message, const char *name, size_t index, const char *expected)
{
    char value[256];
    return voip_sip_message_get_header(message, name, index, value, sizeof value, NULL) == VOIP_OK &&
           strcmp(value, expected) == 0;
}

static void walked(voip_sip_message *m)
{
    char text[512], small[4];
    uint8_t body[8];
    size_t n = 0;
    int32_t code = -1;

    OK(voip_sip_message_is_request(m, &code));
    CHECK(code == 1);
    OK(voip_sip_message_get_method(m, text, sizeof text, NULL));
    CHECK(strcmp(text, "INVITE") == 0);
    OK(voip_sip_message_get_uri(m, NULL, 0, &n));
    CHECK(n == sizeof "sip:bob@example.com");
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_sip_message_get_uri(m, small, sizeof small, &n));
    GIVES(VOIP_ERR_NULL, voip_sip_message_get_uri(m, NULL, 0, NULL));
    OK(voip_sip_message_get_status(m, &code));
    CHECK(code == 0);
    OK(voip_sip_message_get_reason(m, text, sizeof text, NULL));
    CHECK(text[0] == 0);
    CHECK(header_is(m, "subject", 0, "one two"));
    CHECK(header_is(m, "via", 1, "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKb"));
    SAYS(VOIP_ERR_ARGUMENT, "number 2", voip_sip_message_get_header(m, "Via", 2, text, sizeof text, NULL));
    OK(voip_sip_message_count_headers(m, "Via", &n));
    CHECK(n == 2);
    OK(voip_sip_message_count_headers(m, NULL, &n));
    CHECK(n == 10);
    OK(voip_sip_message_get_line(m, 2, text, sizeof text, NULL));
    CHECK(strcmp(text, "Max-Forwards: 70") == 0);
    GIVES(VOIP_ERR_RANGE, voip_sip_message_get_line(m, 10, text, sizeof text, NULL));
    OK(voip_sip_message_get_body(m, body, sizeof body, &n));
    CHECK(n == 4 && memcmp(body, "v=0\n", 4) == 0);
    OK(voip_sip_message_get_summary(m, text, sizeof text, NULL));
    CHECK(strstr(text, "INVITE sip:bob@example.com") && strstr(text, "4 bytes"));
    OK(voip_sip_message_check(m, &code, NULL, 0, NULL));
    CHECK(code == 0);
}

static void changed(voip_sip_message *m)
{
    uint8_t wire[1024];
    size_t n = 0, again = 0;
    voip_sip_message *copy = NULL;
    int32_t code = -1;

    OK(voip_sip_message_set_header(m, "Subject", "three"));
    OK(voip_sip_message_add_header(m, "X-Mine", "1"));
    OK(voip_sip_message_add_header(m, "x-mine", "2"));
    SAYS(VOIP_ERR_ARGUMENT, "byte 1", voip_sip_message_set_header(m, "X-Mine", "a\r\nVia: b"));
    SAYS(VOIP_ERR_ARGUMENT, "byte 0", voip_sip_message_set_header(m, "X-Mine", "\nVia: b"));
    SAYS(VOIP_ERR_ARGUMENT, "byte 2", voip_sip_message_add_header(m, "X-Mine", "ab\r"));
    GIVES(VOIP_ERR_ARGUMENT, voip_sip_message_set_body(m, "text/plain\nVia: b", bytes("hello"), 5));
    GIVES(VOIP_ERR_ARGUMENT, voip_sip_message_set_header(m, "X Mine", "a"));
    GIVES(VOIP_ERR_ARGUMENT, voip_sip_message_set_header(m, "Content-Length", "9"));
    GIVES(VOIP_ERR_NULL, voip_sip_message_set_header(m, "X", NULL));
    CHECK(header_is(m, "Subject", 0, "three") && header_is(m, "X-Mine", 1, "2"));
    OK(voip_sip_message_set_body(m, "text/plain", bytes("hello"), 5));
    OK(voip_sip_message_write(m, wire, sizeof wire, &n));
    OK(voip_sip_message_write(m, NULL, 0, &again));
    CHECK(n == again);
    MUST(voip_sip_message_parse(wire, n, &copy));
    CHECK(header_is(copy, "Content-Length", 0, "5") && header_is(copy, "c", 0, "text/plain"));
    CHECK(header_is(copy, "X-Mine", 0, "1"));
    OK(voip_sip_message_remove_header(copy, "X-Mine"));
    GIVES(VOIP_ERR_ARGUMENT, voip_sip_message_remove_header(copy, "X-Mine"));
    OK(voip_sip_message_remove_header(copy, "To"));
    OK(voip_sip_message_check(copy, &code, NULL, 0, NULL));
    CHECK(code == 400);
    OK(voip_sip_message_free(copy));
    GIVES(VOIP_ERR_HANDLE, voip_sip_message_free(copy));
}

static void answered(voip_sip_message *request)
{
    voip_sip_message *response = NULL, *none = NULL;
    char text[256];
    int32_t code = 0;

    OK(voip_sip_message_new_response(request, 486, NULL, "192.0.2.9:1234", &response));
    OK(voip_sip_message_get_status(response, &code));
    OK(voip_sip_message_get_reason(response, text, sizeof text, NULL));
    CHECK(code == 486 && strcmp(text, "Busy Here") == 0);
    OK(voip_sip_message_get_header(response, "Via", 0, text, sizeof text, NULL));
    CHECK(strstr(text, "rport=1234") != NULL);
    OK(voip_sip_message_get_header(response, "To", 0, text, sizeof text, NULL));
    CHECK(strstr(text, ";tag=") != NULL);
    GIVES(VOIP_ERR_STATE, voip_sip_message_new_response(response, 200, NULL, "192.0.2.9:1", &none));
    GIVES(VOIP_ERR_RANGE, voip_sip_message_new_response(request, 700, NULL, "192.0.2.9:1", &none));
    GIVES(VOIP_ERR_ARGUMENT, voip_sip_message_new_response(request, 200, NULL, "192.0.2.9", &none));
    CHECK(none == NULL);
    OK(voip_sip_message_free(response));
    OK(voip_sip_message_new_request("OPTIONS", "sip:a@b", &response));
    OK(voip_sip_message_set_header(response, "Via", "SIP/2.0/UDP a;branch=z9hG4bK1"));
    CHECK(header_is(response, "Content-Length", 0, "0"));
    OK(voip_sip_message_free(response));
    GIVES(VOIP_ERR_ARGUMENT, voip_sip_message_new_request("OP TIONS", "sip:a@b", &response));
}

/* RFC 7616 section 3.9.1. */
static void digest(void)
{
    const char *challenge =
        "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=%s, "
        "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    const char *cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    const char *expected[][2] = {
        {"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
        {"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
    };
    char value[1024], text[512];
    size_t i;
    for (i = 0; i < 2; i++) {
        snprintf(text, sizeof text, challenge, expected[i][0]);
        OK(voip_sip_digest_response(text, "GET", "/dir/index.html", "Mufasa", "Circle of Life", NULL, 0, 1, cnonce, value,
                                    sizeof value, NULL));
        CHECK(strstr(value, expected[i][1]) != NULL);
        CHECK(strstr(value, "nc=00000001") != NULL);
    }
    {
        const char *header = "Digest realm=\"a, b \\\"c\\\"\", Nonce=\"xyz\",algorithm=MD5 , stale=TRUE";
        OK(voip_sip_get_auth_param(header, "REALM", value, sizeof value, NULL));
        CHECK(strcmp(value, "a, b \"c\"") == 0);
        OK(voip_sip_get_auth_param(header, "nonce", value, sizeof value, NULL));
        CHECK(strcmp(value, "xyz") == 0);
        OK(voip_sip_get_auth_param(header, "stale", value, sizeof value, NULL));
        CHECK(strcmp(value, "TRUE") == 0);
        SAYS(VOIP_ERR_ARGUMENT, "qop", voip_sip_get_auth_param(header, "qop", value, sizeof value, NULL));
        GIVES(VOIP_ERR_ARGUMENT, voip_sip_get_auth_param("Digest", "qop", value, sizeof value, NULL));
        GIVES(VOIP_ERR_NULL, voip_sip_get_auth_param(NULL, "qop", value, sizeof value, NULL));
        GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_sip_get_auth_param(header, "nonce", value, 3, NULL));
    }
    GIVES(VOIP_ERR_PARSE, voip_sip_digest_response("Basic realm=\"a\"", "GET", "/", "a", "b", NULL, 0, 1, NULL, value,
                                                   sizeof value, NULL));
    GIVES(VOIP_ERR_RANGE, voip_sip_digest_response(text, "GET", "/", "a", "b", NULL, 0, 0, NULL, value, sizeof value, NULL));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL,
          voip_sip_digest_response(text, "GET", "/", "a", "b", NULL, 0, 1, NULL, value, 10, NULL));
}

int main(void)
{
    voip_sip_message *m = NULL;
    voip_config *config = NULL;
    char a[64], b[64], small[4];
    size_t n = 0;

    GIVES(VOIP_ERR_NULL, voip_sip_message_parse(bytes(INVITE), 10, NULL));
    GIVES(VOIP_ERR_NULL, voip_sip_message_parse(NULL, 10, &m));
    SAYS(VOIP_ERR_PARSE, "byte", voip_sip_message_parse(bytes("HELLO\r\n\r\n"), 9, &m));
    CHECK(m == NULL);
    GIVES(VOIP_ERR_HANDLE, voip_sip_message_get_status(NULL, NULL));
    MUST(voip_config_new(&config));
    SAYS(VOIP_ERR_HANDLE, "config, not SIP message", voip_sip_message_free((voip_sip_message *)config));
    OK(voip_config_free(config));

    MUST(voip_sip_message_parse(bytes(INVITE), sizeof INVITE - 1, &m));
    walked(m);
    answered(m);
    changed(m);
    OK(voip_sip_message_free(m));
    GIVES(VOIP_ERR_HANDLE, voip_sip_message_get_body(m, NULL, 0, &n));
    digest();

    OK(voip_sip_new_tag(a, sizeof a, &n));
    OK(voip_sip_new_tag(b, sizeof b, NULL));
    CHECK(strcmp(a, b) != 0 && n == strlen(a) + 1);
    OK(voip_sip_new_call_id(a, sizeof a, NULL));
    OK(voip_sip_new_branch(b, sizeof b, NULL));
    CHECK(strlen(a) >= 20 && strncmp(b, "z9hG4bK", 7) == 0);
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_sip_new_branch(small, sizeof small, NULL));
    return check_end();
}
