/* Sends back what comes over SRTP, decrypted and encrypted anew: srtp_echo CRYPTO [ADDRESS [PORT]]
 *
 * CRYPTO is the other side's SDES attribute, as it stands in its SDP: "1 AES_CM_128_HMAC_SHA1_80 inline:…". This side's own
 * is printed: whoever sends needs it to read the echo. There is no signalling here, only two contexts and a socket. */
#include "example.h"
#include "udp.h"

/* Opens a packet, and seals it with our key. Its new length, 0 after a complaint. */
static size_t turn_around(voip_srtp *theirs, voip_srtp *ours, uint8_t *packet, size_t len, size_t room)
{
    voip_status status;
    switch (voip_packet_classify(packet, len)) {
    case VOIP_PACKET_RTP:
        status = voip_srtp_unprotect(theirs, packet, &len);
        if (status == VOIP_OK) status = voip_srtp_protect(ours, packet, &len, room);
        break;
    case VOIP_PACKET_RTCP:
        status = voip_srtp_unprotect_rtcp(theirs, packet, &len);
        if (status == VOIP_OK) status = voip_srtp_protect_rtcp(ours, packet, &len, room);
        break;
    default: return 0;
    }
    if (status == VOIP_OK) return len;
    printf("refused: %s\n", voip_last_error_message());
    fflush(stdout);
    return 0;
}

static int profile_of(const char *crypto)
{
    int profile = VOIP_SRTP_AES_CM_128_HMAC_SHA1_80;
    while (profile < VOIP_SRTP_AEAD_AES_256_GCM && !strstr(crypto, voip_srtp_profile_name(profile))) profile++;
    return profile;
}

int main(int argc, char **argv)
{
    voip_srtp *theirs = NULL, *ours = NULL;
    struct sockaddr_storage from;
    socklen_t from_len;
    uint8_t packet[2048];
    char crypto[256];
    unsigned long echoed = 0;
    ssize_t got;
    int fd;
    if (argc < 2) return fprintf(stderr, "usage: srtp_echo CRYPTO [ADDRESS [PORT]]\n"), 2;
    if (voip_srtp_from_sdes(argv[1], VOIP_SRTP_RECEIVE, &theirs)) return complain("crypto");
    if (voip_srtp_generate(profile_of(argv[1]), &ours) || voip_srtp_get_sdes(ours, 1, crypto, sizeof crypto, NULL))
        return complain("key");
    printf("crypto %s\n", crypto);
    fd = open_udp(argc > 2 ? argv[2] : "0.0.0.0", argc > 3 ? argv[3] : "5004");
    if (fd < 0) return 1;
    while ((got = wait_datagram(fd, packet, sizeof packet - 64, &from, &from_len)) >= 0) {
        size_t len = turn_around(theirs, ours, packet, (size_t)got, sizeof packet);
        if (len > 0 && sendto(fd, packet, len, 0, (struct sockaddr *)&from, from_len) == (ssize_t)len) echoed++;
    }
    printf("echoed %lu packets\n", echoed);
    close(fd);
    voip_srtp_free(theirs); /* the keys are wiped */
    voip_srtp_free(ours);
    return 0;
}
