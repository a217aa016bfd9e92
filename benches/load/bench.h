/* What the programs of the benchmark share: the clock, the kernel's accounting of CPU time, the audio that is sent, and
 * a small histogram. Not a part of libvoip. */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME 160       /* samples of 20 ms at 8 kHz */
#define PACKET 172      /* with the RTP header */
#define PTIME 20000000L /* ns */
#define SECOND 1000000000L

static inline void die(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(1);
}

/* ---- time ----------------------------------------------------------------------------------------------------- */

static inline int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t)) return 0;
    return t.tv_sec * SECOND + t.tv_nsec;
}

static inline int64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static inline void sleep_until(int64_t at)
{
    struct timespec t = {at / SECOND, at % SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

/* CPU time of a process, all its threads, by the scheduler's accounting in nanoseconds; 0 if there is none such. */
static inline int64_t cpu_ns(pid_t pid)
{
    clockid_t id;
    return pid > 0 && clock_getcpuclockid(pid, &id) == 0 ? clock_ns(id) : 0;
}

static inline long rss_kib(pid_t pid)
{
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static inline void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- work that is always the same ------------------------------------------------------------------------------- */

/* A socket whose datagrams come back to itself. */
static inline int socket_to_itself(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof own;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, len) || getsockname(fd, (struct sockaddr *)&own, &len) ||
        connect(fd, (struct sockaddr *)&own, len))
        die("no socket: %s", strerror(errno));
    return fd;
}

/* So many datagrams, one after the other; how long it took. */
static inline int64_t send_to_itself(int fd, int times)
{
    char datagram[FRAME] = {0};
    int64_t begin = now_ns();
    for (int i = 0; i < times; i++)
        if (send(fd, datagram, sizeof datagram, 0) < 0 || recv(fd, datagram, sizeof datagram, 0) < 0)
            die("loopback: %s", strerror(errno));
    return now_ns() - begin;
}

/* ---- options: `name=value` words -------------------------------------------------------------------------------- */

static inline const char *word(int argc, char **argv, const char *name, const char *otherwise)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++)
        if (!strncmp(argv[i], name, len) && argv[i][len] == '=') return argv[i] + len + 1;
    return otherwise;
}

static inline double number(int argc, char **argv, const char *name, double otherwise)
{
    const char *text = word(argc, argv, name, NULL);
    return text ? atof(text) : otherwise;
}

/* ---- audio: every frame says its number and its sender in codes that G.711 carries unharmed --------------------- */

/* Codes 0x80 … 0xbf of mu-law: 64 different levels, six bits a sample. */
static inline uint8_t code6(unsigned value) { return (uint8_t)(0x80 | (value & 63)); }

static inline int16_t ulaw_decode(uint8_t code)
{
    int u = ~code & 0xff, t = (((u & 15) << 3) + 0x84) << ((u & 0x70) >> 4);
    return (int16_t)(u & 0x80 ? 0x84 - t : t - 0x84);
}

#define HEAD 8 /* samples: 4 of the frame's number, 3 of the sender, 1 that is a check */

static inline void audio_head(uint8_t *payload, uint32_t n, uint32_t sender)
{
    for (int i = 0; i < 4; i++) payload[i] = code6(n >> (6 * i));
    for (int i = 0; i < 3; i++) payload[4 + i] = code6(sender >> (6 * i));
    payload[7] = code6(n * 7 + sender * 13 + 5);
}

/* The rest of frame `n`: one of 16 patterns. */
static inline const uint8_t *audio_body(uint32_t n)
{
    static uint8_t bodies[16][FRAME - HEAD];
    static int made;
    if (!made) {
        for (unsigned k = 0; k < 16; k++)
            for (unsigned i = 0; i < FRAME - HEAD; i++) bodies[k][i] = code6(k * 37 + i * 11 + (i >> 3) * k);
        made = 1;
    }
    return bodies[n & 15];
}

static inline void audio_make(uint8_t payload[FRAME], uint32_t n, uint32_t sender)
{
    audio_head(payload, n, sender);
    memcpy(payload + HEAD, audio_body(n), FRAME - HEAD);
}

/* Is this a whole frame of a sender? */
static inline int audio_check(const uint8_t payload[FRAME], uint32_t *n, uint32_t *sender)
{
    uint8_t head[HEAD];
    *n = *sender = 0;
    for (int i = 0; i < 4; i++) *n |= (uint32_t)(payload[i] & 63) << (6 * i);
    for (int i = 0; i < 3; i++) *sender |= (uint32_t)(payload[4 + i] & 63) << (6 * i);
    audio_head(head, *n, *sender);
    return !memcmp(head, payload, HEAD) && !memcmp(audio_body(*n), payload + HEAD, FRAME - HEAD);
}

/* ---- percentiles ------------------------------------------------------------------------------------------------ */

#define BUCKET_NS 10000
#define BUCKETS 20000 /* up to 200 ms */

struct histogram {
    uint64_t bucket[BUCKETS];
    uint64_t count;
    int64_t max;
};

static inline void note(struct histogram *h, int64_t ns)
{
    int64_t at = ns / BUCKET_NS;
    h->bucket[at < 0 ? 0 : at < BUCKETS ? at : BUCKETS - 1]++;
    h->count++;
    if (ns > h->max) h->max = ns;
}

/* In milliseconds: the upper end of the bucket. */
static inline double percentile(const struct histogram *h, double part)
{
    uint64_t sum = 0, wanted = (uint64_t)(part * (double)h->count);
    for (int i = 0; i < BUCKETS; i++)
        if ((sum += h->bucket[i]) > wanted) return (i + 1) * (BUCKET_NS / 1e6);
    return (double)h->max / 1e6;
}

#endif
