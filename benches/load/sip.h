/* As much SIP as a load generator needs: prepared requests, answers made from what came. Not a part of libvoip. */
#ifndef BENCH_SIP_H
#define BENCH_SIP_H

#include "bench.h"
#include <strings.h>

#define SIP_MAX 4096

/* The value of a header, cut out into `out`; NULL if there is none. */
static inline char *sip_header(const char *message, const char *name, char *out, size_t room)
{
    size_t len = strlen(name);
    for (const char *line = strstr(message, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (line[2] == '\r') return NULL;
        if (strncasecmp(line + 2, name, len) || line[2 + len] != ':') continue;
        const char *value = line + 3 + len, *end = strstr(value, "\r\n");
        while (*value == ' ') value++;
        if (!end || (size_t)(end - value) >= room) return NULL;
        memcpy(out, value, (size_t)(end - value));
        out[end - value] = '\0';
        return out;
    }
    return NULL;
}

/* All lines of a header, as they came. */
static inline void sip_lines(const char *message, const char *name, char *out, size_t room)
{
    size_t len = strlen(name), used = 0;
    out[0] = '\0';
    for (const char *line = strstr(message, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) || line[2 + len] != ':') continue;
        const char *end = strstr(line + 2, "\r\n");
        if (!end || used + (size_t)(end - line) >= room) return;
        memcpy(out + used, line + 2, (size_t)(end - line));
        used += (size_t)(end - line);
        out[used] = '\0';
    }
}

static inline int sip_status(const char *message)
{
    return strncmp(message, "SIP/2.0 ", 8) ? 0 : atoi(message + 8);
}

/* The URI between angle brackets, or the whole up to a semicolon. */
static inline void sip_uri(const char *value, char *out, size_t room)
{
    const char *from = strchr(value, '<'), *end;
    from = from ? from + 1 : value;
    end = from + strcspn(from, strchr(value, '<') ? ">" : ";");
    snprintf(out, room, "%.*s", (int)(end - from), from);
}

/* Where an SDP wants its audio. */
static inline int sip_audio(const char *message, struct sockaddr_in *peer)
{
    const char *c = strstr(message, "\r\nc=IN IP4 "), *m = strstr(message, "\r\nm=audio ");
    char address[32];
    if (!c || !m || sscanf(c + 11, "%31[0-9.]", address) != 1) return 0;
    *peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(m + 10))};
    return inet_aton(address, &peer->sin_addr) && peer->sin_port;
}

static inline int sip_sdp(char *out, size_t room, const char *address, unsigned port)
{
    return snprintf(out, room,
        "v=0\r\no=far 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 0 101\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
        address, address, port);
}

static inline int sip_open(struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int size = 16 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    at->sin_family = AF_INET;
    if (!at->sin_addr.s_addr) at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) die("socket: %s", strerror(errno));
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(fd, (struct sockaddr *)at, len) || getsockname(fd, (struct sockaddr *)at, &len))
        die("bind: %s", strerror(errno));
    return fd;
}

/* `HOST:PORT` */
static inline struct sockaddr_in sip_peer(const char *text)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    char host[64];
    int port = 5060;
    if (!text || sscanf(text, "%63[^:]:%d", host, &port) < 1 || !inet_aton(host, &at.sin_addr)) die("not HOST:PORT");
    at.sin_port = htons((uint16_t)port);
    return at;
}

/* The answer to a request, to go back where that came from; `extra` are whole lines. */
static inline int sip_answer(
    const char *request, const char *status, const char *tag, const char *extra, const char *body, char *out)
{
    char vias[1024], from[512], to[512], id[256], cseq[64];
    sip_lines(request, "Via", vias, sizeof vias);
    if (!sip_header(request, "From", from, sizeof from) || !sip_header(request, "To", to, sizeof to) ||
        !sip_header(request, "Call-ID", id, sizeof id) || !sip_header(request, "CSeq", cseq, sizeof cseq))
        return 0;
    return snprintf(out, SIP_MAX, "SIP/2.0 %s\r\n%sFrom: %s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n%s%sContent-Length: %zu\r\n\r\n%s",
        status, vias, from, to, strstr(to, ";tag=") ? "" : ";tag=", strstr(to, ";tag=") ? "" : tag, id, cseq, extra,
        *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
}

#endif
