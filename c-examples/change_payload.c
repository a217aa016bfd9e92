/* A relay that hides a text in passing RTP: change_payload HOST PORT TEXT [ADDRESS [PORT]]
 *
 * What comes to ADDRESS:PORT goes on to HOST:PORT. The lowest bit of every byte of G.711 payload becomes a bit of TEXT, which
 * is repeated with a zero byte between; nobody hears the difference. Header, extension, padding and length stay as they
 * are, so that every receiver takes the packet for what it was. Whatever is not RTP with PCMU or PCMA passes unchanged. */
#include <stdlib.h>
#include "example.h"
#include "udp.h"

typedef struct {
    const char *text;
    size_t bits; /* of the text with its zero byte */
    size_t next;
} hidden;

static void hide(hidden *h, uint8_t *payload, size_t len)
{
    size_t i;
    for (i = 0; i < len; i++, h->next = (h->next + 1) % h->bits) {
        uint8_t bit = (uint8_t)h->text[h->next / 8] >> (7 - h->next % 8) & 1;
        payload[i] = (uint8_t)((payload[i] & ~1) | bit);
    }
}

/* The changed packet into `out`; its length, 0 if it is no RTP of G.711. */
static size_t change(hidden *h, const uint8_t *data, size_t len, uint8_t *out, size_t room)
{
    voip_rtp_packet packet = VOIP_RTP_PACKET_INIT;
    uint8_t payload[2048];
    size_t written = 0;
    if (voip_packet_classify(data, len) != VOIP_PACKET_RTP || voip_rtp_packet_parse(data, len, &packet)) return 0;
    if ((packet.payload_type != 0 && packet.payload_type != 8) || packet.payload_len > sizeof payload) return 0;
    memcpy(payload, packet.payload, packet.payload_len);
    hide(h, payload, packet.payload_len);
    packet.payload = payload; /* all else is written as it was parsed */
    return voip_rtp_packet_write(&packet, out, room, &written) ? 0 : written;
}

int main(int argc, char **argv)
{
    struct sockaddr_storage target, from;
    socklen_t target_len, from_len;
    uint8_t packet[2048], changed[2048];
    unsigned long passed = 0, touched = 0;
    ssize_t got;
    hidden h = {NULL, 0, 0};
    int fd;
    if (argc < 4) return fprintf(stderr, "usage: change_payload HOST PORT TEXT [ADDRESS [PORT]]\n"), 2;
    h.text = argv[3];
    h.bits = 8 * (strlen(h.text) + 1);
    target_len = find_address(argv[1], argv[2], 0, &target);
    fd = target_len ? open_udp(argc > 4 ? argv[4] : "0.0.0.0", argc > 5 ? argv[5] : "5004") : -1;
    if (fd < 0) return 1;
    while ((got = wait_datagram(fd, packet, sizeof packet, &from, &from_len)) >= 0) {
        size_t len = change(&h, packet, (size_t)got, changed, sizeof changed);
        if (sendto(fd, len ? changed : packet, len ? len : (size_t)got, 0, (struct sockaddr *)&target, target_len) > 0) passed++;
        touched += len > 0;
    }
    printf("passed %lu packets, changed %lu\n", passed, touched);
    close(fd);
    return 0;
}
