/* 06_stun_ice: the messages of RFC 5769 and RFC 8489, of browsers and of fuzzers; STUN in captures. */
#include "capture.h"
#include "vectors.h"

static int32_t class_of(const char *name)
{
    static const char *const names[] = {"request", "indication", "success", "error"};
    int32_t n;
    for (n = 0; n < 4; n++) {
        if (strcmp(name, names[n]) == 0) return n;
    }
    return -1;
}

static void attribute_as_described(const voip_stun_message *message, size_t index, const json *d)
{
    int32_t type = 0, port = -1;
    const uint8_t *value = NULL;
    size_t len = 0;
    char address[64] = "";
    OK(voip_stun_get_attribute(message, index, &type, &value, &len));
    CHECK(type == (int32_t)strtol(text(d, "type"), NULL, 16));
    if (has(d, "len")) CHECK(len == number(d, "len"));
    if (type == VOIP_STUN_ERROR_CODE && has(d, "code")) {
        int32_t code = 0;
        OK(voip_stun_get_error(message, &code, address, sizeof address, NULL));
        CHECK(code == number(d, "code") && strcmp(address, text(d, "text")) == 0);
    } else if (has(d, "text")) {
        CHECK(same(value, len, text(d, "text"), strlen(text(d, "text"))));
    }
    if (has(d, "hex")) {
        bytes expected = hex_of(d, "hex");
        CHECK(same(value, len, expected.data, expected.len));
    }
    if (has(d, "address") && type == VOIP_STUN_XOR_MAPPED_ADDRESS) {
        OK(voip_stun_get_address(message, type, address, sizeof address, NULL, &port));
        CHECK(strcmp(address, text(d, "address")) == 0 && port == number(d, "port"));
    }
}

static void credentials(const voip_stun_message *message, const json *row)
{
    const char *user = text(row, "username"), *realm = text(row, "realm"), *password = text(row, "password");
    char wrong[128];
    int32_t how = is_text(row, "credential", "long-term") ? VOIP_STUN_LONG_TERM_MD5 : VOIP_STUN_SHORT_TERM;
    OK(voip_stun_check_integrity(message, how, user, realm, password));
    sprintf(wrong, "%sx", password);
    GIVES(VOIP_ERR_AUTH, voip_stun_check_integrity(message, how, user, realm, wrong));
}

static void as_described(const voip_stun_message *message, const json *row, const json *d)
{
    bytes id = hex_of(d, "transaction_id");
    const json *attribute;
    size_t index = 0;
    CHECK(message->message_class == class_of(text(d, "cls")));
    CHECK(message->method == (int32_t)strtol(text(d, "method"), NULL, 16));
    CHECK(same(message->transaction_id, 12, id.data, id.len));
    CHECK(message->attribute_count == count(get(d, "attributes")));
    for (attribute = get(d, "attributes")->first; attribute != NULL; attribute = attribute->next) {
        attribute_as_described(message, index++, attribute);
    }
    if (has(d, "fingerprint_ok")) {
        CHECK((voip_stun_check_fingerprint(message) == VOIP_OK) == (get(d, "fingerprint_ok")->kind == JSON_TRUE));
    }
    if (has(row, "credential")) credentials(message, row);
}

/* What was read is written again to the bit where a builder can: no integrity, no padding but zeros. */
static void rebuild(const voip_stun_message *message)
{
    voip_stun_builder *builder = NULL;
    uint8_t again[4096];
    size_t i, len = 0;
    if (message->raw_len > sizeof again) return;
    MUST(voip_stun_builder_new(message->message_class, message->method, message->transaction_id, &builder));
    for (i = 0; i < message->attribute_count; i++) {
        const uint8_t *value = NULL;
        int32_t type = 0;
        size_t n = 0;
        OK(voip_stun_get_attribute(message, i, &type, &value, &n));
        OK(voip_stun_builder_add(builder, type, value, n));
    }
    OK(voip_stun_builder_write(builder, again, sizeof again, &len));
    CHECK(len == message->raw_len);
    OK(voip_stun_builder_free(builder));
}

static int message_case(const char *folder, const json *row)
{
    const json *d = get(row, "described"), *attribute;
    bytes file = file_of(folder, row, 0);
    voip_stun_message message = VOIP_STUN_MESSAGE_INIT;
    voip_status status = voip_stun_parse(file.data, file.len, &message);
    int whole = get(d, "stun")->kind == JSON_TRUE && get(d, "length_matches")->kind == JSON_TRUE;
    for (attribute = get(d, "attributes")->first; attribute != NULL; attribute = attribute->next) {
        whole &= !has(attribute, "bad");
    }
    if (status == VOIP_OK) {
        CHECK(whole);
        as_described(&message, row, d);
        rebuild(&message);
        return 1;
    }
    GIVES(VOIP_ERR_PARSE, status);
    CHECK(strstr(voip_last_error_message(), "byte") != NULL);
    /* Fuzzers' messages that another reader takes may break a rule that it does not know. */
    CHECK(!whole || has(row, "must"));
    return 1;
}

typedef struct {
    size_t messages, fingerprints, wrong;
} tally;

static void count_message(const uint8_t *data, size_t len, void *user)
{
    tally *t = (tally *)user;
    voip_stun_message message = VOIP_STUN_MESSAGE_INIT;
    if (voip_packet_classify(data, len) != VOIP_PACKET_STUN) return;
    if (voip_stun_parse(data, len, &message) != VOIP_OK) {
        t->wrong++;
        return;
    }
    t->messages++;
    rebuild(&message);
    if (voip_stun_find_attribute(&message, VOIP_STUN_FINGERPRINT, NULL, &len) == VOIP_OK) {
        OK(voip_stun_check_fingerprint(&message));
        t->fingerprints++;
    }
}

static int capture(const char *folder, const json *row)
{
    /* Where the other reader also counted STUN in TCP and in what ICMP quotes. */
    static const char *const more[] = {"ndpi_stun_dtls_rtp.pcapng", "ndpi_stun_signal.pcapng",
                                       "ndpi_stun_tcp_multiple_msgs_same_pkt.pcap"};
    bytes file = file_of(folder, row, 0);
    tally t = {0, 0, 0};
    size_t i, expected = (size_t)number(get(row, "frames_by_protocol"), "stun"), exact = 1;
    for (i = 0; i < 3; i++) exact &= strcmp(text(row, "id"), more[i]) != 0;
    each_udp_payload(file.data, file.len, count_message, &t);
    CHECK(t.wrong == 0 && (t.messages == expected || !exact));
    return 1;
}

/* ICE itself comes with a later issue: of its rows only the candidate lines can be asked, as attributes of SDP. */
static int ice(const char *folder, const json *row)
{
    char sdp_text[512], value[256];
    voip_sdp *sdp = NULL;
    (void)folder;
    if (!is_text(row, "kind", "candidate_line")) return 0;
    sprintf(sdp_text, "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n%s\r\n", text(row, "line"));
    MUST(voip_sdp_parse((const uint8_t *)sdp_text, strlen(sdp_text), &sdp));
    OK(voip_sdp_get_attribute(sdp, 0, "candidate", 0, value, sizeof value, NULL));
    CHECK(strstr(text(row, "line"), value) != NULL && strstr(value, text(get(row, "expected"), "address")) != NULL);
    OK(voip_sdp_free(sdp));
    return 1;
}

int main(void)
{
    static const char *const own[] = {"rfc5769-2.1-request.bin", "rfc5769-2.2-ipv4-response.bin",
                                      "rfc5769-2.3-ipv6-response.bin"};
    size_t i;
    for (i = 0; i < 3; i++) {
        bytes file = read_path(join("tests/data/stun", own[i]));
        voip_stun_message message = VOIP_STUN_MESSAGE_INIT;
        OK(voip_stun_parse(file.data, file.len, &message));
        OK(voip_stun_check_fingerprint(&message));
        OK(voip_stun_check_integrity(&message, VOIP_STUN_SHORT_TERM, NULL, NULL, "VOkJxbRl1RmTxUk/WvJxBt"));
    }
    printf("tests/data/stun: 3 cases\n");
    run_shared("06_stun_ice/stun", 61, message_case);
    run_shared("06_stun_ice/pcap", 15, capture);
    run_shared("06_stun_ice/ice", 2, ice);
    return check_end();
}
