/* The floor: a bare loop that only receives and sends the datagrams of so many calls, with nothing in between.
 *   floor calls=N [shared=K] [far_port=P] ports=FILE
 * Without `shared` one socket a call, one recvfrom and one sendto a frame; with it K sockets, recvmmsg and sendmmsg.
 * The ports go to FILE for the far side. Every call has its time in the 20 ms; the loop sleeps from one to the next
 * millisecond and never waits for a datagram. Ends when standard input does. */
#include "bench.h"
#include <fcntl.h>
#include <poll.h>

#define SLOTS 20
#define BATCH 64

static struct {
    int calls, shared, sockets;
    int *fds;
    struct sockaddr_in *peers;
    uint32_t n;
} app;

static int open_socket(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int size = app.shared ? 8 << 20 : 65536;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || getsockname(fd, (struct sockaddr *)&at, &len))
        die("bind: %s", strerror(errno));
    *port = ntohs(at.sin_port);
    return fd;
}

static void packet(uint8_t *out, int call, uint32_t n)
{
    uint32_t words[3] = {htonl(0x80000000u | (n & 0xffff)), htonl(n * FRAME), htonl((uint32_t)call)};
    memcpy(out, words, sizeof words);
    audio_make(out + 12, n, (uint32_t)call);
}

static void one_by_one(int slot)
{
    uint8_t in[2048], out[PACKET];
    struct sockaddr_in from;
    for (int i = slot; i < app.calls; i += SLOTS) {
        socklen_t len = sizeof from;
        if (recvfrom(app.fds[i], in, sizeof in, 0, (struct sockaddr *)&from, &len) < 0 && errno != EAGAIN)
            die("recvfrom: %s", strerror(errno));
        packet(out, i, app.n);
        sendto(app.fds[i], out, sizeof out, 0, (struct sockaddr *)&app.peers[i], sizeof app.peers[i]);
    }
}

static void take_all(int fd)
{
    static uint8_t in[BATCH][2048];
    static struct sockaddr_in from[BATCH];
    static struct iovec parts[BATCH];
    static struct mmsghdr heads[BATCH];
    int got;
    do {
        for (int i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){in[i], sizeof in[i]};
            heads[i].msg_hdr = (struct msghdr){&from[i], sizeof from[i], &parts[i], 1, NULL, 0, 0};
        }
        got = recvmmsg(fd, heads, BATCH, MSG_DONTWAIT, NULL);
    } while (got == BATCH);
}

static void in_batches(int slot)
{
    static uint8_t out[BATCH][PACKET];
    static struct iovec parts[BATCH];
    static struct mmsghdr heads[BATCH];
    for (int s = 0; s < app.sockets; s++) {
        int filled = 0;
        take_all(app.fds[s]);
        for (int i = slot; i < app.calls; i += SLOTS) {
            if ((i / SLOTS) % app.sockets != s) continue;
            packet(out[filled], i, app.n);
            parts[filled] = (struct iovec){out[filled], PACKET};
            heads[filled].msg_hdr = (struct msghdr){&app.peers[i], sizeof app.peers[i], &parts[filled], 1, NULL, 0, 0};
            if (++filled == BATCH) sendmmsg(app.fds[s], heads, (unsigned)filled, 0), filled = 0;
        }
        if (filled) sendmmsg(app.fds[s], heads, (unsigned)filled, 0);
    }
}

static void loop(void)
{
    struct pollfd input = {0, POLLIN, 0};
    int64_t at = now_ns();
    int slots = app.calls < SLOTS ? app.calls : SLOTS;
    for (;; app.n++) {
        for (int slot = 0; slot < slots; slot++) {
            sleep_until(at + slot * (PTIME / SLOTS));
            if (app.shared) in_batches(slot);
            else one_by_one(slot);
        }
        at += PTIME;
        if (app.n % 10 == 0 && poll(&input, 1, 0) > 0) return;
    }
}

int main(int argc, char **argv)
{
    raise_descriptors();
    app.calls = (int)number(argc, argv, "calls", 100);
    app.shared = (int)number(argc, argv, "shared", 0);
    app.sockets = app.shared ? app.shared : app.calls;
    uint16_t far_port = (uint16_t)number(argc, argv, "far_port", 0), ports[65536];
    FILE *list = fopen(word(argc, argv, "ports", "/dev/null"), "w");
    app.fds = calloc((size_t)app.sockets, sizeof *app.fds);
    app.peers = calloc((size_t)app.calls, sizeof *app.peers);
    if (!list || !app.fds || !app.peers || app.calls > 65000 || !far_port) die("usage: see the head of floor.c");
    for (int s = 0; s < app.sockets; s++) app.fds[s] = open_socket(&ports[s]);
    for (int i = 0; i < app.calls; i++) {
        app.peers[i].sin_family = AF_INET;
        app.peers[i].sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)i);
        app.peers[i].sin_port = htons((uint16_t)(far_port + 2 * (i % 4)));
        fprintf(list, "%u\n", ports[app.shared ? (i / SLOTS) % app.sockets : i]);
    }
    fclose(list);
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    loop();
    return 0;
}
