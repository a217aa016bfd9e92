/* What benches/srtp.rs needs of libsrtp2: compiled by the bench itself when Debian's libsrtp2-dev is there. */
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

/* Profiles by the numbers of RFC 5764 and RFC 7714; 0x1001 and 0x1002 are AES_256_CM with the long and the short tag. */
static int set_policy(srtp_policy_t *policy, int profile)
{
    memset(policy, 0, sizeof *policy);
    switch (profile) {
    case 1: srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtp); break;
    case 2: srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy->rtp); break;
    case 0x1001: srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy->rtp); break;
    case 0x1002: srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(&policy->rtp); break;
    case 7: srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp); break;
    case 8: srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp); break;
    default: return 0;
    }
    policy->rtcp = policy->rtp;
    return 1;
}

/* A session for one direction; NULL when this build of libsrtp2 cannot do the profile. */
void *peer_new(int profile, unsigned char *key_and_salt, int inbound)
{
    static int started;
    srtp_policy_t policy;
    srtp_t session = NULL;
    if (!started && srtp_init() != srtp_err_status_ok) return NULL;
    started = 1;
    if (!set_policy(&policy, profile)) return NULL;
    policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
    policy.key = key_and_salt;
    return srtp_create(&session, &policy) == srtp_err_status_ok ? session : NULL;
}

/* The new length, or -1. `packet` has room for 32 more bytes. */
int peer_protect(void *session, void *packet, int len)
{
    return srtp_protect(session, packet, &len) == srtp_err_status_ok ? len : -1;
}

int peer_unprotect(void *session, void *packet, int len)
{
    return srtp_unprotect(session, packet, &len) == srtp_err_status_ok ? len : -1;
}

void peer_free(void *session)
{
    srtp_dealloc(session);
}

const char *peer_version(void)
{
    return srtp_get_version_string();
}
