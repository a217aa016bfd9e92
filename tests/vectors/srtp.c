/* 05_srtp and 05_srtp_fuzz: packets of libsrtp and pylibsrtp to the bit, both ways; SDES lines; nothing breaks. */
#include "vectors.h"

static int32_t profile_of(const char *name)
{
    static const char *const others[][2] = {{"AES_CM_256_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80"},
                                            {"AES_CM_256_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_32"},
                                            {"AES_CM_192_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_80"},
                                            {"AES_CM_192_HMAC_SHA1_32", "AES_192_CM_HMAC_SHA1_32"}};
    int32_t profile;
    size_t i;
    for (i = 0; i < 4; i++) {
        if (strcmp(name, others[i][0]) == 0) name = others[i][1];
    }
    for (profile = 1; profile <= VOIP_SRTP_AEAD_AES_256_GCM; profile++) {
        if (strcmp(name, voip_srtp_profile_name(profile)) == 0) return profile;
    }
    return 0;
}

typedef voip_status (*protect)(voip_srtp *, uint8_t *, size_t *, size_t);
typedef voip_status (*unprotect)(voip_srtp *, uint8_t *, size_t *);

static void round_trip(voip_srtp *tx, voip_srtp *rx, protect seal, unprotect open, bytes plain, bytes sealed)
{
    uint8_t wire[2048], again[2048];
    size_t len = plain.len;
    memcpy(wire, plain.data, plain.len);
    OK(seal(tx, wire, &len, sizeof wire));
    CHECK(same(wire, len, sealed.data, sealed.len));
    memcpy(again, sealed.data, sealed.len);
    memcpy(wire, sealed.data, sealed.len);
    len = sealed.len;
    wire[len - 1] ^= 1;
    CHECK(open(rx, wire, &len) != VOIP_OK && len == sealed.len);
    wire[len - 1] ^= 1;
    OK(open(rx, wire, &len));
    CHECK(same(wire, len, plain.data, plain.len));
    len = sealed.len;
    GIVES(VOIP_ERR_SRTP_REPLAY, open(rx, again, &len));
}

static void contexts(const json *row, voip_srtp **tx, voip_srtp **rx)
{
    bytes key = hex_of(row, "master_key"), salt = hex_of(row, "master_salt"), mki = hex_of(row, "mki");
    int32_t profile = profile_of(text(row, "profile"));
    MUST(voip_srtp_new(profile, VOIP_SRTP_SEND, key.data, key.len, salt.data, salt.len, mki.data, mki.len, tx));
    MUST(voip_srtp_new(profile, VOIP_SRTP_RECEIVE, key.data, key.len, salt.data, salt.len, mki.data, mki.len, rx));
}

static int packet(const json *row)
{
    voip_srtp *tx = NULL, *rx = NULL;
    contexts(row, &tx, &rx);
    round_trip(tx, rx, voip_srtp_protect, voip_srtp_unprotect, hex_of(row, "plain"), hex_of(row, "protected"));
    if (has(row, "rtcp_srtcp_index")) {
        round_trip(tx, rx, voip_srtp_protect_rtcp, voip_srtp_unprotect_rtcp, hex_of(row, "rtcp_plain"),
            hex_of(row, "rtcp_protected"));
    } else if (has(row, "rtcp_protected")) {
        /* The NULL suite's row has the E bit off, which libvoip reads but writes only for UNENCRYPTED_SRTCP. */
        bytes plain = hex_of(row, "rtcp_plain"), sealed = hex_of(row, "rtcp_protected");
        size_t len = sealed.len;
        OK(voip_srtp_unprotect_rtcp(rx, sealed.data, &len));
        CHECK(same(sealed.data, len, plain.data, plain.len));
    }
    OK(voip_srtp_free(tx));
    OK(voip_srtp_free(rx));
    return 1;
}

static int sequence(const json *row)
{
    voip_srtp *tx = NULL, *rx = NULL;
    const json *p;
    uint32_t roc = 99;
    contexts(row, &tx, &rx);
    for (p = get(row, "rtp")->first; p != NULL; p = p->next) {
        bytes plain = hex_of(p, "plain");
        uint32_t ssrc = (uint32_t)plain.data[8] << 24 | (uint32_t)plain.data[9] << 16 | (uint32_t)plain.data[10] << 8 | plain.data[11];
        round_trip(tx, rx, voip_srtp_protect, voip_srtp_unprotect, plain, hex_of(p, "protected"));
        OK(voip_srtp_get_roc(rx, ssrc, &roc));
        CHECK(roc == (uint32_t)number(p, "roc"));
    }
    for (p = get(row, "rtcp")->first; p != NULL; p = p->next) {
        round_trip(tx, rx, voip_srtp_protect_rtcp, voip_srtp_unprotect_rtcp, hex_of(p, "plain"), hex_of(p, "protected"));
    }
    OK(voip_srtp_free(tx));
    OK(voip_srtp_free(rx));
    return 1;
}

/* A context made of the line opens what one made of the line's key protected. */
static int sdes(const json *row)
{
    const json *expect = get(row, "expect"), *key = get(expect, "keys")->first;
    bytes master = hex_of(key, "master_key"), salt = hex_of(key, "master_salt"), mki = {NULL, 0};
    uint8_t packet[256] = {0x80, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 'h', 'i'}, identifier[128] = {0};
    voip_srtp *tx = NULL, *rx = NULL;
    char again[512];
    size_t len = 14;
    int32_t profile = profile_of(text(expect, "suite"));
    if (profile == 0) {
        GIVES(VOIP_ERR_NOT_SUPPORTED, voip_srtp_from_sdes(text(row, "line"), VOIP_SRTP_RECEIVE, &rx));
        return 1;
    }
    MUST(voip_srtp_from_sdes(text(row, "line"), VOIP_SRTP_RECEIVE, &rx));
    if (has(key, "mki")) {
        mki.data = identifier;
        mki.len = (size_t)number(key, "mki_length");
        identifier[mki.len - 1] = (uint8_t)number(key, "mki");
    }
    MUST(voip_srtp_new(profile, VOIP_SRTP_SEND, master.data, master.len, salt.data, salt.len, mki.data, mki.len, &tx));
    OK(voip_srtp_protect(tx, packet, &len, sizeof packet));
    OK(voip_srtp_unprotect(rx, packet, &len));
    CHECK(len == 14 && packet[12] == 'h');
    OK(voip_srtp_get_sdes(rx, (uint32_t)number(expect, "tag"), again, sizeof again, NULL));
    CHECK(strstr(again, text(key, "key_salt_b64")) != NULL && strstr(again, text(expect, "suite")) != NULL);
    OK(voip_srtp_free(tx));
    OK(voip_srtp_free(rx));
    return 1;
}

static int vector(const char *folder, const json *row)
{
    (void)folder;
    if (is_text(row, "kind", "srtp_packet_master_keys")) return packet(row);
    if (is_text(row, "kind", "srtp_sequence_master_keys")) return sequence(row);
    if (is_text(row, "kind", "sdes_line")) return sdes(row);
    /* Session keys, key streams and F8 lie below the API: unit tests of the crate. */
    return 0;
}

static void fuzz_sdes(bytes file)
{
    char *line, *rest;
    file.data[file.len] = 0;
    for (line = (char *)file.data; line != NULL; line = rest) {
        char again[4096];
        voip_srtp *srtp = NULL, *second = NULL;
        rest = strpbrk(line, "\r\n");
        if (rest != NULL) *rest++ = 0;
        if (voip_srtp_from_sdes(line, VOIP_SRTP_SEND, &srtp) != VOIP_OK) continue;
        OK(voip_srtp_get_sdes(srtp, 1, again, sizeof again, NULL));
        OK(voip_srtp_from_sdes(again, VOIP_SRTP_RECEIVE, &second));
        OK(voip_srtp_free(srtp));
        OK(voip_srtp_free(second));
    }
}

static int fuzz(const char *folder, const json *row)
{
    bytes file = file_of(folder, row, 0);
    uint8_t key[32] = {7}, salt[14] = {9}, wire[4096];
    int32_t profile;
    if (file.len > sizeof wire - 64) return 0;
    if (strncmp(text(row, "id"), "sdes", 4) == 0) fuzz_sdes(file);
    for (profile = 1; profile <= VOIP_SRTP_AEAD_AES_256_GCM; profile++) {
        voip_srtp *rx = NULL, *tx = NULL;
        size_t len = file.len, key_len = profile == 3 || profile == 4 ? 24 : profile == 5 || profile == 6 || profile == 10 ? 32 : 16;
        MUST(voip_srtp_new(profile, VOIP_SRTP_RECEIVE, key, key_len, salt, profile > 8 ? 12 : 14, NULL, 0, &rx));
        MUST(voip_srtp_new(profile, VOIP_SRTP_SEND, key, key_len, salt, profile > 8 ? 12 : 14, NULL, 0, &tx));
        memcpy(wire, file.data, file.len);
        CHECK(voip_srtp_unprotect(rx, wire, &len) != VOIP_OK && len == file.len);
        CHECK(voip_srtp_unprotect_rtcp(rx, wire, &len) != VOIP_OK && len == file.len);
        /* What is a packet comes back; the rest is refused. */
        if (voip_srtp_protect(tx, wire, &len, sizeof wire) == VOIP_OK) {
            OK(voip_srtp_unprotect(rx, wire, &len));
            CHECK(same(wire, len, file.data, file.len));
        }
        len = file.len;
        memcpy(wire, file.data, file.len);
        if (voip_srtp_protect_rtcp(tx, wire, &len, sizeof wire) == VOIP_OK) {
            OK(voip_srtp_unprotect_rtcp(rx, wire, &len));
            CHECK(same(wire, len, file.data, file.len));
        }
        OK(voip_srtp_free(rx));
        OK(voip_srtp_free(tx));
    }
    return 1;
}

int main(void)
{
    run_shared("05_srtp", 14, vector);
    run_shared("05_srtp_fuzz", 90, fuzz);
    return check_end();
}
