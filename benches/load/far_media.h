/* The media of the far side: cheap, so that the measured side is the bottleneck, and strict.
 *
 * Call i has the address 127.1.0.0 + i, so four sockets are enough for thousands of peers: what leaves says its source
 * by IP_PKTINFO, what comes says its destination the same way. The sockets are read and written once a millisecond and
 * never waited for. The kernel stamps what comes when it was sent (loopback delivers at once). */
#ifndef FAR_MEDIA_H
#define FAR_MEDIA_H

#include "bench.h"
#include <netinet/ip.h>

#define FAR_SOCKETS 4
#define FAR_BATCH 128
#define SLOTS 20
#define FIRST_ADDRESS 0x7f010000u

struct leg {
    struct sockaddr_in peer; /* where its audio goes; port 0: nowhere yet */
    int sending;
    uint32_t ssrc, sent; /* frames sent: also number of the next */
    int64_t sent_at[64]; /* by frame number: for the delay of a loop */
    /* what came since the window began */
    uint64_t came, good;
    uint32_t number, sender;
    uint16_t seq, first_seq;
    int64_t stamp;
    int known; /* a frame with audio was seen: number and sender are of it */
};

struct media_totals {
    uint64_t came, good, silent, broken, gaps, foreign, lost, sent, send_errors;
    struct histogram interval, delay;
};

static struct {
    struct leg *legs;
    int count, check, counting, loop; /* loop: what comes is what we sent */
    uint16_t port;
    int fds[FAR_SOCKETS];
    struct media_totals totals;
} media;

static inline void media_open(int count, int check)
{
    const int on = 1, size = 32 << 20;
    media.legs = calloc((size_t)count, sizeof *media.legs);
    media.count = count;
    media.check = check;
    if (!media.legs) die("no memory");
    for (int try = 0; try < 200; try++) { /* four even ports in a row, below those that the kernel gives away */
        int s;
        media.port = (uint16_t)(20000 + 2 * (((unsigned)getpid() * 7 + (unsigned)try * 31) % 5000));
        for (s = 0; s < FAR_SOCKETS; s++) {
            struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(media.port + 2 * s))};
            int fd = media.fds[s] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
            if (fd < 0) die("socket: %s", strerror(errno));
            setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
            setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
            if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
                setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
            if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size))
                setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            if (bind(fd, (struct sockaddr *)&at, sizeof at)) break;
        }
        if (s == FAR_SOCKETS) return;
        while (s >= 0) close(media.fds[s--]);
    }
    die("no four ports in a row");
}

static inline uint16_t leg_port(int i) { return (uint16_t)(media.port + 2 * (i % FAR_SOCKETS)); }

static inline void leg_address(int i, char out[16])
{
    struct in_addr at = {htonl(FIRST_ADDRESS + (uint32_t)i)};
    snprintf(out, 16, "%s", inet_ntoa(at));
}

static inline void leg_start(int i, const struct sockaddr_in *peer)
{
    media.legs[i].peer = *peer;
    media.legs[i].sending = 1;
    media.legs[i].ssrc = 0x5a000000u + (uint32_t)i;
}

/* ---- out ------------------------------------------------------------------------------------------------------ */

struct info {
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static inline void say_source(struct msghdr *head, struct info *info, int leg)
{
    struct in_pktinfo at = {.ipi_spec_dst.s_addr = htonl(FIRST_ADDRESS + (uint32_t)leg)};
    head->msg_control = info->room;
    head->msg_controllen = sizeof info->room;
    struct cmsghdr *first = CMSG_FIRSTHDR(head);
    first->cmsg_level = IPPROTO_IP;
    first->cmsg_type = IP_PKTINFO;
    first->cmsg_len = CMSG_LEN(sizeof at);
    memcpy(CMSG_DATA(first), &at, sizeof at);
}

static inline void leg_packet(uint8_t *out, struct leg *leg, int i)
{
    uint32_t n = leg->sent++;
    uint32_t words[3] = {htonl(0x80000000u | (n & 0xffff)), htonl(n * FRAME), htonl(leg->ssrc)};
    memcpy(out, words, sizeof words);
    audio_make(out + 12, n, (uint32_t)i);
    leg->sent_at[n & 63] = clock_ns(CLOCK_REALTIME);
}

static inline void push(int fd, struct mmsghdr *heads, int count)
{
    int done = 0;
    while (done < count) {
        int n = sendmmsg(fd, heads + done, (unsigned)(count - done), 0);
        if (n > 0) media.totals.sent += (uint64_t)n, done += n;
        else media.totals.send_errors++, done++;
    }
}

/* Sends one frame of every call whose time is in this slot. */
static inline void media_send(int slot)
{
    static uint8_t out[FAR_BATCH][PACKET];
    static struct iovec parts[FAR_BATCH];
    static struct mmsghdr heads[FAR_BATCH];
    static struct info infos[FAR_BATCH];
    for (int s = 0; s < FAR_SOCKETS; s++) {
        int filled = 0;
        for (int i = slot; i < media.count; i += SLOTS) {
            struct leg *leg = &media.legs[i];
            if (i % FAR_SOCKETS != s || !leg->sending) continue;
            leg_packet(out[filled], leg, i);
            parts[filled] = (struct iovec){out[filled], PACKET};
            heads[filled].msg_hdr = (struct msghdr){&leg->peer, sizeof leg->peer, &parts[filled], 1, NULL, 0, 0};
            say_source(&heads[filled].msg_hdr, &infos[filled], i);
            if (++filled == FAR_BATCH) push(media.fds[s], heads, filled), filled = 0;
        }
        push(media.fds[s], heads, filled);
    }
}

/* ---- in ------------------------------------------------------------------------------------------------------- */

static inline void leg_heard(struct leg *leg, const uint8_t *packet, size_t len, int64_t stamp)
{
    struct media_totals *totals = &media.totals;
    uint16_t seq = (uint16_t)(packet[2] << 8 | packet[3]);
    uint32_t n, sender;
    int64_t apart = stamp - leg->stamp - PTIME;
    if (!leg->came++) leg->first_seq = seq;
    else note(&totals->interval, apart < 0 ? -apart : apart), totals->lost += (uint16_t)(seq - leg->seq - 1);
    leg->seq = seq;
    leg->stamp = stamp;
    totals->came++;
    if (!media.check) {
        totals->good += len == PACKET;
        return;
    }
    if (len != PACKET || (packet[1] & 0x7f) != 0) {
        totals->broken++;
    } else if (audio_check(packet + 12, &n, &sender)) {
        totals->good++;
        leg->good++;
        if (leg->known && sender != leg->sender) totals->foreign++;
        if (leg->known && n != leg->number + 1) totals->gaps++;
        leg->known = 1, leg->number = n, leg->sender = sender;
        if (media.loop && leg->sent - n <= 63) note(&totals->delay, stamp - leg->sent_at[n & 63]);
    } else if (packet[12] == 0xff || packet[12] == 0x7f) {
        totals->silent++;
    } else {
        totals->broken++;
    }
}

static inline void take(struct msghdr *head, const uint8_t *packet, size_t len)
{
    int64_t leg = -1, stamp = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo at;
            memcpy(&at, CMSG_DATA(c), sizeof at);
            leg = (int64_t)ntohl(at.ipi_addr.s_addr) - (int64_t)FIRST_ADDRESS;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            stamp = t.tv_sec * SECOND + t.tv_nsec;
        }
    }
    if (!media.counting || leg < 0 || leg >= media.count || len < 12) return;
    leg_heard(&media.legs[leg], packet, len, stamp);
}

static inline void media_receive(void)
{
    static uint8_t in[FAR_BATCH][512];
    static struct iovec parts[FAR_BATCH];
    static struct mmsghdr heads[FAR_BATCH];
    static struct {
        _Alignas(struct cmsghdr) char room[128];
    } controls[FAR_BATCH];
    for (int s = 0; s < FAR_SOCKETS; s++) {
        for (int got = FAR_BATCH; got == FAR_BATCH;) {
            for (int i = 0; i < FAR_BATCH; i++) {
                parts[i] = (struct iovec){in[i], sizeof in[i]};
                heads[i].msg_hdr = (struct msghdr){NULL, 0, &parts[i], 1, controls[i].room, sizeof controls[i].room, 0};
            }
            got = recvmmsg(media.fds[s], heads, FAR_BATCH, MSG_DONTWAIT, NULL);
            for (int i = 0; i < got; i++) take(&heads[i].msg_hdr, in[i], heads[i].msg_len);
        }
    }
}

/* ---- a window of measuring -------------------------------------------------------------------------------------- */

static inline void media_window_begins(void)
{
    media_receive(); /* what came before does not count */
    memset(&media.totals, 0, sizeof media.totals);
    for (int i = 0; i < media.count; i++) media.legs[i].came = media.legs[i].good = 0, media.legs[i].known = 0;
    media.counting = 1;
}

static inline void media_window_ends(void)
{
    media_receive();
    media.counting = 0;
}

static inline void media_print(double seconds)
{
    const struct media_totals *t = &media.totals;
    double wanted = seconds * 50 * media.count;
    printf("\"expected\":%.0f,\"came\":%llu,\"good\":%llu,\"silent\":%llu,\"broken\":%llu,\"gaps\":%llu,\"foreign\":%llu,"
           "\"lost\":%llu,\"sent\":%llu,\"send_errors\":%llu,",
        wanted, (unsigned long long)t->came, (unsigned long long)t->good, (unsigned long long)t->silent,
        (unsigned long long)t->broken, (unsigned long long)t->gaps, (unsigned long long)t->foreign,
        (unsigned long long)t->lost, (unsigned long long)t->sent, (unsigned long long)t->send_errors);
    printf("\"interval_p50_ms\":%.3f,\"interval_p99_ms\":%.3f,\"interval_max_ms\":%.3f,", percentile(&t->interval, 0.5),
        percentile(&t->interval, 0.99), (double)t->interval.max / 1e6);
    if (t->delay.count)
        printf("\"delay_p50_ms\":%.3f,\"delay_p99_ms\":%.3f,", percentile(&t->delay, 0.5), percentile(&t->delay, 0.99));
}

#endif
