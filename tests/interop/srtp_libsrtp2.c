/* SRTP and SRTCP against Debian's libsrtp2, both ways and byte-identical: every profile that both have, the roll-over of the
 * sequence number, replays, master key identifiers. Debian builds libsrtp2 on NSS, which has no AES-192: it takes those
 * profiles and computes something else. */
#include <srtp2/srtp.h>
#include "../c/check.h"

typedef struct {
    int32_t profile;
    size_t key_len, salt_len;
    void (*policy)(srtp_crypto_policy_t *);
    /* RTCP keeps the long tag where RTP has the short one (RFC 3711 section 5.2). */
    void (*rtcp_policy)(srtp_crypto_policy_t *);
} row;

static const row ROWS[] = {
    {VOIP_SRTP_AES_CM_128_HMAC_SHA1_80, 16, 14, srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtp_default},
    {VOIP_SRTP_AES_CM_128_HMAC_SHA1_32, 16, 14, srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
        srtp_crypto_policy_set_rtcp_default},
    {VOIP_SRTP_AES_256_CM_HMAC_SHA1_80, 32, 14, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
    {VOIP_SRTP_AES_256_CM_HMAC_SHA1_32, 32, 14, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
    {VOIP_SRTP_AEAD_AES_128_GCM, 16, 12, srtp_crypto_policy_set_aes_gcm_128_16_auth,
        srtp_crypto_policy_set_aes_gcm_128_16_auth},
    {VOIP_SRTP_AEAD_AES_256_GCM, 32, 12, srtp_crypto_policy_set_aes_gcm_256_16_auth,
        srtp_crypto_policy_set_aes_gcm_256_16_auth},
};

enum { SSRC = 0x1badcafe, ROOM = 1024 };

/* The two ends of each implementation under one key. */
typedef struct {
    const row *profile;
    int mki_len;
    srtp_t their_tx, their_rx;
    voip_srtp *tx, *rx;
} bench;

static uint8_t KEY[46], MKI[4] = {0xca, 0xfe, 0, 7};

static srtp_t their_session(const row *r, int mki_len, srtp_ssrc_type_t direction)
{
    static srtp_master_key_t key;
    static srtp_master_key_t *keys[1] = {&key};
    srtp_policy_t policy;
    srtp_t session = NULL;
    memset(&policy, 0, sizeof policy);
    r->policy(&policy.rtp);
    r->rtcp_policy(&policy.rtcp);
    policy.ssrc.type = direction;
    policy.window_size = 128;
    if (mki_len > 0) {
        key.key = KEY;
        key.mki_id = MKI;
        key.mki_size = (unsigned)mki_len;
        policy.keys = keys;
        policy.num_master_keys = 1;
    } else {
        policy.key = KEY;
    }
    return srtp_create(&session, &policy) == srtp_err_status_ok ? session : NULL;
}

static int begin(bench *b, const row *r, int mki_len)
{
    const uint8_t *mki = mki_len > 0 ? MKI : NULL, *salt = KEY + r->key_len;
    size_t i;
    for (i = 0; i < sizeof KEY; i++) KEY[i] = (uint8_t)(i * 29 + 5);
    memset(b, 0, sizeof *b);
    b->profile = r;
    b->mki_len = mki_len;
    b->their_tx = their_session(r, mki_len, ssrc_any_outbound);
    b->their_rx = their_session(r, mki_len, ssrc_any_inbound);
    if (b->their_tx == NULL || b->their_rx == NULL) return 0;
    MUST(voip_srtp_new(r->profile, VOIP_SRTP_SEND, KEY, r->key_len, salt, r->salt_len, mki, (size_t)mki_len, &b->tx));
    MUST(voip_srtp_new(r->profile, VOIP_SRTP_RECEIVE, KEY, r->key_len, salt, r->salt_len, mki, (size_t)mki_len, &b->rx));
    return 1;
}

static void end(bench *b)
{
    if (b->their_tx) srtp_dealloc(b->their_tx);
    if (b->their_rx) srtp_dealloc(b->their_rx);
    if (b->tx) OK(voip_srtp_free(b->tx));
    if (b->rx) OK(voip_srtp_free(b->rx));
}

static int they_protect(bench *b, uint8_t *wire, int *len, int rtcp)
{
    int status = rtcp ? srtp_protect_rtcp_mki(b->their_tx, wire, len, b->mki_len > 0, 0)
                      : srtp_protect_mki(b->their_tx, wire, len, b->mki_len > 0, 0);
    return status;
}

static int they_unprotect(bench *b, uint8_t *wire, int *len, int rtcp)
{
    return rtcp ? (int)srtp_unprotect_rtcp_mki(b->their_rx, wire, len, b->mki_len > 0)
                : (int)srtp_unprotect_mki(b->their_rx, wire, len, b->mki_len > 0);
}

/* What libsrtp2 2.5.0 does not open although it is its own packet to the bit: SRTCP with an MKI where RTP has the short tag,
 * by whose length it looks for the MKI. */
static int they_open(const bench *b, int rtcp)
{
    int32_t p = b->profile->profile;
    int is_short = p == VOIP_SRTP_AES_CM_128_HMAC_SHA1_32 || p == VOIP_SRTP_AES_256_CM_HMAC_SHA1_32;
    return !(rtcp && is_short && b->mki_len > 0);
}

/* Both protect the packet alike; each opens what the other made, once. */
static void exchange(bench *b, const uint8_t *plain, size_t plain_len, int rtcp)
{
    uint8_t ours[ROOM], theirs[ROOM], copy[ROOM];
    size_t len = plain_len, sealed;
    int their_len = (int)plain_len;
    memcpy(ours, plain, plain_len);
    memcpy(theirs, plain, plain_len);
    OK(rtcp ? voip_srtp_protect_rtcp(b->tx, ours, &len, ROOM) : voip_srtp_protect(b->tx, ours, &len, ROOM));
    CHECK(they_protect(b, theirs, &their_len, rtcp) == srtp_err_status_ok);
    CHECK((int)len == their_len && memcmp(ours, theirs, len) == 0);
    sealed = len;
    memcpy(copy, theirs, sealed);
    OK(rtcp ? voip_srtp_unprotect_rtcp(b->rx, theirs, &len) : voip_srtp_unprotect(b->rx, theirs, &len));
    CHECK(len == plain_len && memcmp(theirs, plain, plain_len) == 0);
    len = sealed;
    GIVES(VOIP_ERR_SRTP_REPLAY,
        rtcp ? voip_srtp_unprotect_rtcp(b->rx, copy, &len) : voip_srtp_unprotect(b->rx, copy, &len));
    if (!they_open(b, rtcp)) return;
    memcpy(copy, ours, sealed);
    their_len = (int)sealed;
    CHECK(they_unprotect(b, ours, &their_len, rtcp) == srtp_err_status_ok);
    CHECK(their_len == (int)plain_len && memcmp(ours, plain, plain_len) == 0);
    their_len = (int)sealed;
    CHECK(they_unprotect(b, copy, &their_len, rtcp) == srtp_err_status_replay_fail);
}

static size_t rtp(uint8_t *out, uint16_t sequence, size_t payload)
{
    voip_rtp_packet packet = VOIP_RTP_PACKET_INIT;
    uint8_t content[512], extension[8] = {0x10, 1, 0x21, 2, 3};
    size_t written = 0, i;
    for (i = 0; i < payload; i++) content[i] = (uint8_t)(sequence + i);
    packet.payload_type = 8;
    packet.sequence = sequence;
    packet.timestamp = sequence * 160u;
    packet.ssrc = SSRC;
    packet.payload = content;
    packet.payload_len = payload;
    packet.has_extension = sequence % 3 == 0;
    packet.extension_profile = 0xbede;
    packet.extension = extension;
    packet.extension_len = packet.has_extension ? sizeof extension : 0;
    packet.csrc_count = sequence % 2;
    OK(voip_rtp_packet_write(&packet, out, ROOM, &written));
    return written;
}

/* Over the roll-over, forwards and a little out of order; payloads from nothing to more than a block of everything. */
static void stream(bench *b)
{
    static const int order[] = {0, 1, 2, 5, 4, 3, 6, 7, 8, 9, 12, 11, 10, 13, 14, 15, 16, 17, 18, 19};
    uint8_t plain[ROOM];
    uint32_t roc = 9;
    size_t i;
    for (i = 0; i < sizeof order / sizeof order[0]; i++) {
        uint16_t sequence = (uint16_t)(65530 + order[i]);
        exchange(b, plain, rtp(plain, sequence, i * 23), 0);
    }
    OK(voip_srtp_get_roc(b->tx, SSRC, &roc));
    CHECK(roc == 1);
}

static void reports(bench *b)
{
    voip_rtcp_packet sender = VOIP_RTCP_PACKET_INIT;
    int i;
    sender.ssrc = SSRC;
    for (i = 0; i < 5; i++) {
        uint8_t plain[ROOM];
        size_t used = 0;
        sender.packets = (uint32_t)i;
        OK(voip_rtcp_write_sr(plain, ROOM, &used, &sender, NULL, 0));
        exchange(b, plain, used, 1);
    }
}

/* A changed bit is refused by both, and what is refused changes nothing. */
static void forgery(bench *b)
{
    uint8_t wire[ROOM], bad[ROOM];
    size_t len = rtp(wire, 1000, 160), sealed, at;
    int their_len;
    OK(voip_srtp_protect(b->tx, wire, &len, ROOM));
    sealed = len;
    for (at = 12; at < sealed; at += 17) {
        memcpy(bad, wire, sealed);
        bad[at] ^= 0x10;
        len = sealed;
        GIVES(VOIP_ERR_SRTP_AUTH, voip_srtp_unprotect(b->rx, bad, &len));
        memcpy(bad, wire, sealed);
        bad[at] ^= 0x10;
        their_len = (int)sealed;
        CHECK(they_unprotect(b, bad, &their_len, 0) != srtp_err_status_ok);
    }
    memcpy(bad, wire, sealed);
    their_len = (int)sealed;
    CHECK(they_unprotect(b, bad, &their_len, 0) == srtp_err_status_ok);
    len = sealed;
    OK(voip_srtp_unprotect(b->rx, wire, &len));
}

int main(void)
{
    static const int identifiers[] = {0, 1, 4};
    size_t i, m, ran = 0;
    CHECK(srtp_init() == srtp_err_status_ok);
    for (i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const char *name = voip_srtp_profile_name(ROWS[i].profile);
        for (m = 0; m < 3; m++) {
            bench b;
            if (begin(&b, &ROWS[i], identifiers[m])) {
                reports(&b);
                forgery(&b);
                end(&b);
                CHECK(begin(&b, &ROWS[i], identifiers[m]));
                stream(&b);
                ran++;
            } else {
                printf("%s: this libsrtp2 has no such profile\n", name);
                m = 2;
            }
            end(&b);
        }
    }
    printf("%zu exchanges with %s\n", ran, srtp_get_version_string());
    CHECK(ran == 18);
    srtp_shutdown();
    return check_end();
}
