/* The floor: a bare loop that only receives and sends the datagrams of so many calls, with nothing in between.
 *   floor calls=N [shared=K] [uring=1|2] [far_port=P] ports=FILE
 * Without `shared` one socket a call, one recvfrom and one sendto a frame; with it K sockets, recvmmsg and sendmmsg.
 * uring=1: a socket a call, and one io_uring_enter for all receives and sends of a millisecond; 2: the same with multishot
 * receives into buffers that the kernel chooses.
 * The ports go to FILE for the far side. Every call has its time in the 20 ms; the loop sleeps from one to the next
 * millisecond and never waits for a datagram. Ends when standard input does. */
#include "bench.h"
#include "uring.h"
#include <fcntl.h>
#include <poll.h>

#define SLOTS 20
#define BATCH 64

static struct {
    int calls, shared, sockets, uring;
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

#define BUFFERS 4096 /* for multishot receives */
#define BUFFER 2048

static struct uring ring;
static uint8_t *buffers;

static struct io_uring_sqe *operation(int op, int call, void *at, unsigned len)
{
    struct io_uring_sqe *sqe = uring_next(&ring);
    sqe->opcode = (uint8_t)op, sqe->fd = call, sqe->flags = IOSQE_FIXED_FILE;
    sqe->addr = (uint64_t)(uintptr_t)at, sqe->len = len, sqe->user_data = (uint64_t)call << 1;
    return sqe;
}

static void listen_to(int call)
{
    struct io_uring_sqe *sqe = operation(IORING_OP_RECV, call, NULL, 0);
    sqe->ioprio = IORING_RECV_MULTISHOT, sqe->flags |= IOSQE_BUFFER_SELECT, sqe->user_data |= 1;
}

static void open_uring(void)
{
    uring_open(&ring, (unsigned)app.calls * 2 < 64 ? 64 : (unsigned)app.calls * 2);
    uring_register(&ring, IORING_REGISTER_FILES, app.fds, (unsigned)app.calls);
    if (app.uring < 2) return;
    buffers = uring_buffers(&ring, BUFFERS, BUFFER);
    for (unsigned n = 0; n < BUFFERS; n++) uring_give_buffer(&ring, BUFFERS - 1, buffers + n * BUFFER, BUFFER, n);
    for (int i = 0; i < app.calls; i++) listen_to(i);
    uring_enter(&ring, 0);
}

/* What is over. A multishot receive that the kernel has ended is begun again. */
static void reap(void)
{
    unsigned head = *ring.cq_head, tail = __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE);
    for (; head != tail; head++) {
        struct io_uring_cqe *cqe = &ring.cqes[head & *ring.cq_mask];
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        if (cqe->res < 0 && cqe->res != -EAGAIN && cqe->res != -ENOBUFS) die("io_uring: %s", strerror(-cqe->res));
        if (cqe->flags & IORING_CQE_F_BUFFER) uring_give_buffer(&ring, BUFFERS - 1, buffers + id * BUFFER, BUFFER, id);
        if ((cqe->user_data & 1) && !(cqe->flags & IORING_CQE_F_MORE)) listen_to((int)(cqe->user_data >> 1));
    }
    __atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
}

static void by_uring(int slot)
{
    static uint8_t in[BATCH][2048], out[65536 / SLOTS][PACKET];
    static struct iovec parts[BATCH];
    static struct msghdr heads[65536 / SLOTS];
    static struct sockaddr_in from[BATCH];
    int n = 0;
    if (app.uring >= 2) reap();
    for (int i = slot; i < app.calls; i += SLOTS, n++) {
        if (app.uring == 1) {
            int place = n % BATCH; /* nobody looks at what came */
            parts[place] = (struct iovec){in[place], sizeof in[place]};
            heads[n] = (struct msghdr){&from[place], sizeof from[place], &parts[place], 1, NULL, 0, 0};
            operation(IORING_OP_RECVMSG, i, &heads[n], 1)->msg_flags = MSG_DONTWAIT;
        }
        packet(out[n], i, app.n);
        struct io_uring_sqe *sqe = operation(IORING_OP_SEND, i, out[n], PACKET);
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        sqe->addr2 = (uint64_t)(uintptr_t)&app.peers[i], sqe->addr_len = sizeof app.peers[i];
    }
    uring_enter(&ring, 0);
    if (app.uring == 1) reap();
}

static void loop(void)
{
    struct pollfd input = {0, POLLIN, 0};
    int64_t at = now_ns();
    int slots = app.calls < SLOTS ? app.calls : SLOTS;
    for (;; app.n++) {
        for (int slot = 0; slot < slots; slot++) {
            sleep_until(at + slot * (PTIME / SLOTS));
            if (app.uring) by_uring(slot);
            else if (app.shared) in_batches(slot);
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
    app.uring = (int)number(argc, argv, "uring", 0);
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
    if (app.uring) open_uring();
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    loop();
    return 0;
}
