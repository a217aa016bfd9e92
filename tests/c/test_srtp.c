/* SRTP both ways between two contexts, and their keys in SDES. */
#include "check.h"

static const uint8_t PACKET[] = {0x80, 0, 0, 1, 0, 0, 0, 160, 0xca, 0xfe, 0xba, 0xbe, 'h', 'e', 'l', 'l', 'o'};
static const uint8_t RTCP[] = {0x80, 201, 0, 1, 0xca, 0xfe, 0xba, 0xbe};

static void both_ways(int32_t profile)
{
    voip_srtp *tx = NULL, *rx = NULL;
    char sdes[256];
    uint8_t wire[64], again[64];
    size_t rtp = 0, rtcp = 0, len = sizeof PACKET, sealed;

    MUST(voip_srtp_generate(profile, &tx));
    OK(voip_srtp_get_sdes(tx, 1, sdes, sizeof sdes, NULL));
    CHECK(strstr(sdes, voip_srtp_profile_name(profile)) != NULL);
    MUST(voip_srtp_from_sdes(sdes, VOIP_SRTP_RECEIVE, &rx));
    OK(voip_srtp_get_overhead(tx, &rtp, &rtcp));
    memcpy(wire, PACKET, sizeof PACKET);
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_srtp_protect(tx, wire, &len, sizeof PACKET));
    OK(voip_srtp_protect(tx, wire, &len, sizeof wire));
    CHECK(len == sizeof PACKET + rtp);
    sealed = len;
    memcpy(again, wire, sealed);
    again[14] ^= 1;
    GIVES(VOIP_ERR_SRTP_AUTH, voip_srtp_unprotect(rx, again, &len));
    CHECK(len == sealed);
    memcpy(again, wire, sealed);
    OK(voip_srtp_unprotect(rx, wire, &len));
    CHECK(len == sizeof PACKET && memcmp(wire, PACKET, len) == 0);
    len = sealed;
    GIVES(VOIP_ERR_SRTP_REPLAY, voip_srtp_unprotect(rx, again, &len));
    len = sizeof RTCP;
    memcpy(wire, RTCP, sizeof RTCP);
    OK(voip_srtp_protect_rtcp(tx, wire, &len, sizeof wire));
    CHECK(len == sizeof RTCP + rtcp);
    sealed = len;
    memcpy(again, wire, sealed);
    OK(voip_srtp_unprotect_rtcp(rx, wire, &len));
    CHECK(len == sizeof RTCP && memcmp(wire, RTCP, len) == 0);
    len = sealed;
    GIVES(VOIP_ERR_SRTP_REPLAY, voip_srtp_unprotect_rtcp(rx, again, &len));
    GIVES(VOIP_ERR_STATE, voip_srtp_unprotect(tx, wire, &len));
    GIVES(VOIP_ERR_STATE, voip_srtp_protect(rx, wire, &len, sizeof wire));
    OK(voip_srtp_free(tx));
    OK(voip_srtp_free(rx));
}

#define ONE "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4"
#define TWO "inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|2:4"

/* RFC 4568 section 6.1: the packets say which of several keys it is. */
static void several_keys(void)
{
    voip_srtp *tx[2] = {NULL, NULL}, *rx = NULL;
    uint8_t wire[64];
    char sdes[256];
    size_t len, i;
    MUST(voip_srtp_from_sdes("1 AES_CM_128_HMAC_SHA1_80 " ONE, VOIP_SRTP_SEND, &tx[0]));
    MUST(voip_srtp_from_sdes("1 AES_CM_128_HMAC_SHA1_80 " TWO ";" ONE, VOIP_SRTP_SEND, &tx[1]));
    MUST(voip_srtp_from_sdes("1 AES_CM_128_HMAC_SHA1_80 " ONE ";" TWO, VOIP_SRTP_RECEIVE, &rx));
    for (i = 0; i < 2; i++) {
        len = sizeof PACKET;
        memcpy(wire, PACKET, sizeof PACKET);
        wire[3] = (uint8_t)(1 + i);
        OK(voip_srtp_protect(tx[i], wire, &len, sizeof wire));
        OK(voip_srtp_unprotect(rx, wire, &len));
        CHECK(len == sizeof PACKET && memcmp(wire + 4, PACKET + 4, len - 4) == 0);
        OK(voip_srtp_free(tx[i]));
    }
    OK(voip_srtp_get_sdes(rx, 1, sdes, sizeof sdes, NULL));
    CHECK(strstr(sdes, "WVNfX19z") != NULL && strchr(sdes, ';') == NULL);
    OK(voip_srtp_free(rx));
    SAYS(VOIP_ERR_ARGUMENT, "identifier", voip_srtp_from_sdes("1 AES_CM_128_HMAC_SHA1_80 " ONE ";" ONE, VOIP_SRTP_RECEIVE, &rx));
}

int main(void)
{
    static const uint8_t key[32] = {1}, salt[14] = {2}, mki[2] = {0, 7};
    voip_srtp *tx = NULL, *rx = NULL;
    uint8_t wire[64];
    size_t len = sizeof PACKET, n = 0;
    uint32_t roc = 9;
    char sdes[8];
    int32_t profile;

    for (profile = VOIP_SRTP_AES_CM_128_HMAC_SHA1_80; profile <= VOIP_SRTP_AEAD_AES_256_GCM; profile++) {
        both_ways(profile);
    }
    CHECK(voip_srtp_profile_name(0)[0] == 0);
    GIVES(VOIP_ERR_ARGUMENT, voip_srtp_generate(0, &tx));
    SAYS(VOIP_ERR_RANGE, "length", voip_srtp_new(1, VOIP_SRTP_SEND, key, 15, salt, 14, NULL, 0, &tx));
    GIVES(VOIP_ERR_NULL, voip_srtp_new(1, VOIP_SRTP_SEND, NULL, 16, salt, 14, NULL, 0, &tx));
    GIVES(VOIP_ERR_ARGUMENT, voip_srtp_new(1, 2, key, 16, salt, 14, NULL, 0, &tx));
    CHECK(tx == NULL);

    MUST(voip_srtp_new(VOIP_SRTP_AES_256_CM_HMAC_SHA1_80, VOIP_SRTP_SEND, key, 32, salt, 14, mki, 2, &tx));
    MUST(voip_srtp_new(VOIP_SRTP_AES_256_CM_HMAC_SHA1_80, VOIP_SRTP_RECEIVE, key, 32, salt, 14, mki, 2, &rx));
    OK(voip_srtp_get_overhead(tx, &n, NULL));
    CHECK(n == 12);
    GIVES(VOIP_ERR_ARGUMENT, voip_srtp_get_roc(tx, 0xcafebabe, &roc));
    OK(voip_srtp_set_roc(tx, 0xcafebabe, 3));
    OK(voip_srtp_set_roc(rx, 0xcafebabe, 3));
    OK(voip_srtp_get_roc(rx, 0xcafebabe, &roc));
    CHECK(roc == 3);
    memcpy(wire, PACKET, sizeof PACKET);
    OK(voip_srtp_protect(tx, wire, &len, sizeof wire));
    OK(voip_srtp_unprotect(rx, wire, &len));
    CHECK(len == sizeof PACKET && memcmp(wire, PACKET, len) == 0);
    len = 3;
    GIVES(VOIP_ERR_PARSE, voip_srtp_unprotect(rx, wire, &len));
    GIVES(VOIP_ERR_NULL, voip_srtp_unprotect(rx, wire, NULL));
    len = 20;
    GIVES(VOIP_ERR_NULL, voip_srtp_unprotect(rx, NULL, &len));
    GIVES(VOIP_ERR_RANGE, voip_srtp_protect(tx, wire, &len, 10));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_srtp_get_sdes(tx, 1, sdes, sizeof sdes, NULL));
    GIVES(VOIP_ERR_RANGE, voip_srtp_get_sdes(tx, 0, sdes, sizeof sdes, NULL));
    OK(voip_srtp_free(tx));
    OK(voip_srtp_free(rx));
    GIVES(VOIP_ERR_HANDLE, voip_srtp_free(rx));
    GIVES(VOIP_ERR_HANDLE, voip_srtp_get_roc(tx, 1, &roc));
    GIVES(VOIP_ERR_HANDLE, voip_srtp_free(NULL));

    GIVES(VOIP_ERR_NOT_SUPPORTED, voip_srtp_from_sdes("1 F8_128_HMAC_SHA1_80 inline:AAAA", VOIP_SRTP_RECEIVE, &rx));
    SAYS(VOIP_ERR_PARSE, "byte", voip_srtp_from_sdes("x AES_CM_128_HMAC_SHA1_80 inline:AAAA", VOIP_SRTP_RECEIVE, &rx));
    GIVES(VOIP_ERR_RANGE, voip_srtp_from_sdes("1 AES_CM_128_HMAC_SHA1_80 inline:AAAA", VOIP_SRTP_RECEIVE, &rx));
    several_keys();
    return check_end();
}
