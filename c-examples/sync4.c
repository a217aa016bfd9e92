/* Four RTP streams on one clock, as a receiver that gave each of them an rtpbin of its own cannot have them.
 *
 * The streams come on four RTP ports, their sender reports on four RTCP ports, receiver reports go back to four more. The
 * sync group learns from the sender reports which instant each timestamp belongs to; what is printed is how far the streams
 * are apart by arrival, and what is left of it. What is in the packets does not matter here: H.264 or anything else.
 *
 *     sync4 [--address A] [--remote A] [--rtp P,P,P,P] [--rtcp P,P,P,P] [--return P,P,P,P] [--payload 96]
 *           [--clock-rate 90000] [--ssrc N,N,N,N] [--clock-base N,N,N,N] [--seqnum-base N,N,N,N]
 *           [--seconds 10] [--send MS,MS,MS,MS]
 *
 * --send: sends the four streams itself, from a second process, with these delays in ms. Its packets say when they were
 * captured, so that the result can be checked against the truth. Port 0 takes any free one. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <voip.h>

#define STREAMS 4
#define MS 1000000ull
#define PACKET_MS 20
#define MARK "sync4..."

struct options {
    const char *address, *remote;
    long rtp[STREAMS], rtcp[STREAMS], back[STREAMS], ssrc[STREAMS], clock_base[STREAMS], seqnum_base[STREAMS];
    long send[STREAMS];
    long payload, clock_rate, seconds;
    int sends;
};

struct stream {
    int rtp, rtcp;
    uint32_t id, ssrc, timestamp;
    uint64_t packets, captured;
    uint32_t last_sr;
    uint16_t highest;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t ntp_of(uint64_t unix_ns)
{
    uint64_t seconds = unix_ns / 1000000000ull, rest = unix_ns % 1000000000ull;
    return ((seconds + 2208988800ull) << 32) + (rest << 32) / 1000000000ull;
}

/* ---- receiving ---- */

static int open_port(const char *address, long *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)*port) };
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1 || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        fprintf(stderr, "%s:%ld can't be opened\n", address, *port);
        exit(1);
    }
    *port = ntohs(at.sin_port);
    return fd;
}

static void send_to(int fd, const char *address, long port, const uint8_t *data, size_t len)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    if (inet_pton(AF_INET, address, &to.sin_addr) == 1) sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof to);
}

static void on_rtp(voip_sync_group *group, struct stream *s, const struct options *o, const uint8_t *data, size_t len)
{
    voip_rtp_packet packet = VOIP_RTP_PACKET_INIT;
    size_t i;
    if (voip_rtp_packet_parse(data, len, &packet) != VOIP_OK || packet.payload_type != o->payload) return;
    if (s->ssrc == 0) s->ssrc = packet.ssrc;
    if (packet.ssrc != s->ssrc) return;
    voip_sync_group_packet(group, s->id, packet.timestamp, 0);
    s->packets++;
    s->highest = packet.sequence;
    s->timestamp = packet.timestamp;
    s->captured = 0;
    if (packet.payload_len == 16 && memcmp(packet.payload, MARK, 8) == 0) {
        for (i = 8; i < 16; i++) s->captured = s->captured << 8 | packet.payload[i];
    }
}

static void on_rtcp(voip_sync_group *group, struct stream *s, const uint8_t *data, size_t len)
{
    voip_rtcp_packet packet = VOIP_RTCP_PACKET_INIT;
    voip_rtcp_item item;
    size_t cursor = 0, i;
    char cname[256];
    if (voip_rtcp_parse(data, len, 0, NULL) != VOIP_OK) return;
    while (voip_rtcp_next(data, len, &cursor, &packet) == VOIP_OK) {
        if (packet.packet_type == VOIP_RTCP_SR && (s->ssrc == 0 || packet.ssrc == s->ssrc)) {
            uint64_t ntp = (uint64_t)packet.ntp_seconds << 32 | packet.ntp_fraction;
            s->last_sr = (uint32_t)(ntp >> 16);
            if (voip_sync_group_report(group, s->id, ntp, packet.rtp_timestamp, 0) != VOIP_OK)
                fprintf(stderr, "stream %u: %s\n", s->id, voip_last_error_message());
        }
        for (i = 0; packet.packet_type == VOIP_RTCP_SDES && voip_rtcp_get_item(&packet, i, &item) == VOIP_OK; i++) {
            if (item.kind != VOIP_RTCP_CNAME || item.text_len >= sizeof cname) continue;
            memcpy(cname, item.text, item.text_len);
            cname[item.text_len] = 0;
            if (voip_sync_group_set_cname(group, s->id, cname) != VOIP_OK)
                fprintf(stderr, "stream %u: %s\n", s->id, voip_last_error_message());
        }
    }
}

static void report_back(const struct stream *s, const struct options *o, int i)
{
    voip_rtcp_report report;
    voip_rtcp_item item;
    uint8_t out[256];
    size_t used = 0;
    memset(&report, 0, sizeof report);
    memset(&item, 0, sizeof item);
    report.ssrc = s->ssrc;
    report.highest_sequence = s->highest;
    report.last_sr = s->last_sr;
    item.kind = VOIP_RTCP_CNAME;
    item.text = "sync4@receiver";
    item.text_len = 14;
    if (voip_rtcp_write_rr(out, sizeof out, &used, 0x5ec00000u + (uint32_t)i, &report, 1) == VOIP_OK &&
        voip_rtcp_write_sdes(out, sizeof out, &used, 0x5ec00000u + (uint32_t)i, &item, 1) == VOIP_OK)
        send_to(s->rtcp, o->remote, o->back[i], out, used);
}

static void print_skew(voip_sync_group *group, const struct stream *streams)
{
    int i;
    uint64_t first = 0;
    for (i = 0; i < STREAMS; i++) {
        voip_sync_stats stats = VOIP_SYNC_STATS_INIT;
        uint64_t time = 0;
        voip_sync_group_get_stats(group, streams[i].id, &stats);
        printf("stream=%d packets=%" PRIu64 " reports=%" PRIu64 " aligned=%d skew_before_ms=%.3f skew_after_ms=%.3f "
               "drift_ppm=%.1f", i, stats.packets, stats.reports, stats.aligned, (double)stats.skew_before_ns / 1e6,
               (double)stats.skew_after_ns / 1e6, (double)stats.drift_ppb / 1e3);
        if (streams[i].captured && voip_sync_group_get_time(group, streams[i].id, streams[i].timestamp, &time, NULL) == VOIP_OK) {
            /* The group's time and the sender's clock run side by side: their distance is the same for all, or that is skew. */
            uint64_t apart = time - streams[i].captured;
            if (first == 0) first = apart;
            printf(" true_ms=%.3f", (double)(int64_t)(apart - first) / 1e6);
        }
        printf("\n");
    }
    fflush(stdout);
}

static void receive(voip_sync_group *group, struct stream *streams, const struct options *o)
{
    struct pollfd fds[2 * STREAMS];
    uint64_t start = now_ns(CLOCK_MONOTONIC), end = start + (uint64_t)o->seconds * 1000 * MS, next = start + 1000 * MS;
    uint8_t data[2048];
    int i;
    for (i = 0; i < STREAMS; i++) {
        fds[2 * i] = (struct pollfd){ .fd = streams[i].rtp, .events = POLLIN };
        fds[2 * i + 1] = (struct pollfd){ .fd = streams[i].rtcp, .events = POLLIN };
    }
    while (!stopped && now_ns(CLOCK_MONOTONIC) < end) {
        uint64_t now = now_ns(CLOCK_MONOTONIC), time;
        if (now >= next) {
            /* This is where a player would read every stream at the same `time`. */
            voip_sync_group_now(group, 0, &time);
            for (i = 0; i < STREAMS; i++) report_back(&streams[i], o, i);
            next += 1000 * MS;
            continue;
        }
        if (poll(fds, 2 * STREAMS, (int)((next - now) / MS) + 1) <= 0) continue;
        for (i = 0; i < 2 * STREAMS; i++) {
            ssize_t len;
            if (!(fds[i].revents & POLLIN) || (len = recv(fds[i].fd, data, sizeof data, MSG_DONTWAIT)) <= 0) continue;
            if (i % 2 == 0) on_rtp(group, &streams[i / 2], o, data, (size_t)len);
            else on_rtcp(group, &streams[i / 2], data, (size_t)len);
        }
    }
}

/* ---- sending, to have something to receive ---- */

static void send_packet(int fd, const struct options *o, int i, uint64_t n, uint64_t captured)
{
    voip_rtp_packet packet = VOIP_RTP_PACKET_INIT;
    uint8_t payload[16], out[64];
    size_t written = 0, b;
    memcpy(payload, MARK, 8);
    for (b = 0; b < 8; b++) payload[8 + b] = (uint8_t)(captured >> (56 - 8 * b));
    packet.version = 2;
    packet.payload_type = (uint8_t)o->payload;
    packet.ssrc = (uint32_t)o->ssrc[i];
    packet.sequence = (uint16_t)(o->seqnum_base[i] + (long)n);
    packet.timestamp = (uint32_t)((uint64_t)o->clock_base[i] + n * (uint64_t)o->clock_rate * PACKET_MS / 1000);
    packet.payload = payload;
    packet.payload_len = sizeof payload;
    if (voip_rtp_packet_write(&packet, out, sizeof out, &written) == VOIP_OK) send_to(fd, o->address, o->rtp[i], out, written);
}

static void send_report(int fd, const struct options *o, int i, uint64_t n, uint64_t ntp)
{
    voip_rtcp_packet sender = VOIP_RTCP_PACKET_INIT;
    voip_rtcp_item item;
    uint8_t out[256];
    size_t used = 0;
    memset(&item, 0, sizeof item);
    item.kind = VOIP_RTCP_CNAME;
    item.text = "sync4@sender";
    item.text_len = 12;
    sender.ssrc = (uint32_t)o->ssrc[i];
    sender.ntp_seconds = (uint32_t)(ntp >> 32);
    sender.ntp_fraction = (uint32_t)ntp;
    sender.rtp_timestamp = (uint32_t)((uint64_t)o->clock_base[i] + n * (uint64_t)o->clock_rate * PACKET_MS / 1000);
    sender.packets = (uint32_t)n;
    sender.octets = (uint32_t)n * 16;
    if (voip_rtcp_write_sr(out, sizeof out, &used, &sender, NULL, 0) == VOIP_OK &&
        voip_rtcp_write_sdes(out, sizeof out, &used, sender.ssrc, &item, 1) == VOIP_OK)
        send_to(fd, o->address, o->rtcp[i], out, used);
}

/* Packet n of every stream is captured at the same instant, and sent after the stream's delay. */
static void send_all(const struct options *o)
{
    uint64_t start = now_ns(CLOCK_MONOTONIC), wall = now_ns(CLOCK_REALTIME), sent[STREAMS] = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    while (!stopped) {
        uint64_t now = now_ns(CLOCK_MONOTONIC), next = UINT64_MAX;
        int i;
        for (i = 0; i < STREAMS; i++) {
            uint64_t captured = start + sent[i] * PACKET_MS * MS, due = captured + (uint64_t)o->send[i] * MS;
            if (due > now) {
                if (due < next) next = due;
                continue;
            }
            send_packet(fd, o, i, sent[i], captured);
            if (sent[i] % 50 == 25) send_report(fd, o, i, sent[i], ntp_of(wall + (captured - start)));
            sent[i]++;
            next = now;
        }
        if (next > now) poll(NULL, 0, (int)((next - now) / MS) + 1);
    }
    close(fd);
}

/* ---- */

static int numbers(const char *text, long *out)
{
    char *end;
    int i;
    for (i = 0; i < STREAMS; i++) {
        out[i] = strtol(text, &end, 0);
        if (end == text || (i + 1 < STREAMS && *end != ',') || (i + 1 == STREAMS && *end != 0)) return 0;
        text = end + 1;
    }
    return 1;
}

static int parse(int argc, char **argv, struct options *o)
{
    int i, good = 1;
    for (i = 1; i + 1 < argc && good; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--address")) o->address = value;
        else if (!strcmp(name, "--remote")) o->remote = value;
        else if (!strcmp(name, "--rtp")) good = numbers(value, o->rtp);
        else if (!strcmp(name, "--rtcp")) good = numbers(value, o->rtcp);
        else if (!strcmp(name, "--return")) good = numbers(value, o->back);
        else if (!strcmp(name, "--ssrc")) good = numbers(value, o->ssrc);
        else if (!strcmp(name, "--clock-base")) good = numbers(value, o->clock_base);
        else if (!strcmp(name, "--seqnum-base")) good = numbers(value, o->seqnum_base);
        else if (!strcmp(name, "--send")) good = o->sends = numbers(value, o->send);
        else if (!strcmp(name, "--payload")) o->payload = atol(value);
        else if (!strcmp(name, "--clock-rate")) o->clock_rate = atol(value);
        else if (!strcmp(name, "--seconds")) o->seconds = atol(value);
        else good = 0;
    }
    return good && i == argc;
}

int main(int argc, char **argv)
{
    /* The ports of the question that this answers, and what its caps say. */
    struct options o = { .address = "0.0.0.0", .remote = "127.0.0.1", .rtp = { 5000, 5002, 5004, 5006 },
        .rtcp = { 5001, 5003, 5005, 5007 }, .back = { 5011, 5012, 5013, 5014 }, .clock_base = { 1000, 2000, 3000, 4000 },
        .payload = 96, .clock_rate = 90000, .seconds = 10 };
    struct stream streams[STREAMS];
    voip_sync_group *group = NULL;
    pid_t child = 0;
    int i;

    if (!parse(argc, argv, &o)) return fprintf(stderr, "wrong options; they are at the head of sync4.c\n"), 2;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    memset(streams, 0, sizeof streams);
    if (voip_sync_group_new(1000, STREAMS, &group) != VOIP_OK) return 1;
    for (i = 0; i < STREAMS; i++) {
        if (o.sends && o.ssrc[i] == 0) o.ssrc[i] = 0x1000 + i;
        streams[i].ssrc = (uint32_t)o.ssrc[i];
        streams[i].rtp = open_port(o.address, &o.rtp[i]);
        streams[i].rtcp = open_port(o.address, &o.rtcp[i]);
        /* No sound is kept, only instants; the name of the clock comes with the first report. */
        if (voip_sync_group_add(group, (uint32_t)o.clock_rate, 0, 0, NULL, &streams[i].id) != VOIP_OK)
            return fprintf(stderr, "%s\n", voip_last_error_message()), 1;
        printf("stream %d: RTP on %ld, RTCP on %ld, reports go to %s:%ld\n", i, o.rtp[i], o.rtcp[i], o.remote, o.back[i]);
    }
    fflush(stdout);
    if (o.sends && (child = fork()) == 0) {
        if (!strcmp(o.address, "0.0.0.0")) o.address = "127.0.0.1";
        send_all(&o);
        _exit(0);
    }
    receive(group, streams, &o);
    print_skew(group, streams);
    if (child > 0) {
        kill(child, SIGTERM);
        waitpid(child, NULL, 0);
    }
    for (i = 0; i < STREAMS; i++) {
        close(streams[i].rtp);
        close(streams[i].rtcp);
    }
    voip_sync_group_free(group);
    return 0;
}
