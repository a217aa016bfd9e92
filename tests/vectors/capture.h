/* UDP payloads out of captures: pcap and pcapng; Ethernet, raw IP, loopback and Linux cooked frames. Malformed captures
 * end early; fragments are left out. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stddef.h>
#include <stdint.h>

typedef void (*payload_callback)(const uint8_t *data, size_t len, void *user);

static size_t number_at(const uint8_t *bytes, size_t width, int big)
{
    size_t value = 0, i;
    for (i = 0; i < width; i++) value = value << 8 | bytes[big ? i : width - 1 - i];
    return value;
}

static void udp_of_ip(const uint8_t *packet, size_t len, payload_callback callback, void *user)
{
    size_t header, size;
    if (len < 20) return;
    if (packet[0] >> 4 == 4) {
        if (packet[9] != 17 || number_at(packet + 6, 2, 1) & 0x3fff) return;
        header = 4 * (size_t)(packet[0] & 15);
    } else if (packet[0] >> 4 == 6) {
        if (packet[6] != 17) return;
        header = 40;
    } else {
        return;
    }
    if (len < header + 8) return;
    size = number_at(packet + header + 4, 2, 1);
    if (size < 8 || len < header + size) return;
    callback(packet + header + 8, size - 8, user);
}

static void udp_of_frame(size_t link, const uint8_t *frame, size_t len, payload_callback callback, void *user)
{
    size_t at;
    switch (link) {
    case 0: case 108: at = 4; break;
    case 1:
        for (at = 12; at + 2 <= len && number_at(frame + at, 2, 1) == 0x8100;) at += 4;
        at += 2;
        break;
    case 12: case 14: case 101: case 228: case 229: at = 0; break;
    case 113: at = 16; break;
    case 276: at = 20; break;
    default: return;
    }
    if (at < len) udp_of_ip(frame + at, len - at, callback, user);
}

static void each_pcap(const uint8_t *file, size_t len, payload_callback callback, void *user)
{
    int big = file[0] == 0xa1;
    size_t link, at, captured;
    if (len < 24) return;
    link = number_at(file + 20, 4, big) & 0xffff;
    for (at = 24; at + 16 <= len; at += 16 + captured) {
        captured = number_at(file + at + 8, 4, big);
        if (captured > len - at - 16) return;
        udp_of_frame(link, file + at + 16, captured, callback, user);
    }
}

static void each_pcapng(const uint8_t *file, size_t len, payload_callback callback, void *user)
{
    size_t links[32], interfaces = 0, at, kind, size, n;
    int big = 0;
    for (at = 0; at + 12 <= len; at += size) {
        const uint8_t *block = file + at;
        if (number_at(block, 4, 1) == 0x0a0d0d0a) {
            big = block[8] == 0x1a;
            interfaces = 0;
        }
        kind = number_at(block, 4, big);
        size = number_at(block + 4, 4, big);
        if (size < 12 || size > len - at) return;
        if (kind == 1 && interfaces < 32 && size >= 16) links[interfaces++] = number_at(block + 8, 2, big);
        if (kind == 6 && size >= 32) {
            n = number_at(block + 20, 4, big);
            if (number_at(block + 8, 4, big) < interfaces && n <= size - 32) {
                udp_of_frame(links[number_at(block + 8, 4, big)], block + 28, n, callback, user);
            }
        }
        if (kind == 3 && size >= 16 && interfaces > 0) udp_of_frame(links[0], block + 12, size - 16, callback, user);
    }
}

static void each_udp_payload(const uint8_t *file, size_t len, payload_callback callback, void *user)
{
    if (len < 12) return;
    if (number_at(file, 4, 1) == 0x0a0d0d0a) each_pcapng(file, len, callback, user);
    else each_pcap(file, len, callback, user);
}

#endif
