/* As much of io_uring as the floor needs, by its system calls alone. */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct uring {
    int fd;
    unsigned entries, queued;
    unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    struct io_uring_buf_ring *buffers;
};

static void uring_open(struct uring *ring, unsigned entries)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                .cq_entries = 4 * entries};
    ring->fd = (int)syscall(SYS_io_uring_setup, entries, &p);
    if (ring->fd < 0) die("io_uring_setup: %s", strerror(errno));
    size_t sq_bytes = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    size_t cq_bytes = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    int both = PROT_READ | PROT_WRITE, how = MAP_SHARED | MAP_POPULATE;
    char *sq = mmap(NULL, sq_bytes, both, how, ring->fd, IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, cq_bytes, both, how, ring->fd, IORING_OFF_CQ_RING);
    ring->sqes = mmap(NULL, p.sq_entries * sizeof *ring->sqes, both, how, ring->fd, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || (void *)ring->sqes == MAP_FAILED) die("mmap: %s", strerror(errno));
    ring->entries = p.sq_entries;
    ring->sq_tail = (unsigned *)(sq + p.sq_off.tail), ring->sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
    ring->sq_array = (unsigned *)(sq + p.sq_off.array);
    ring->cq_head = (unsigned *)(cq + p.cq_off.head), ring->cq_tail = (unsigned *)(cq + p.cq_off.tail);
    ring->cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
    ring->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static void uring_register(struct uring *ring, unsigned what, void *with, unsigned count)
{
    if (syscall(SYS_io_uring_register, ring->fd, what, with, count) < 0)
        die("io_uring_register %u: %s", what, strerror(errno));
}

/* The next entry to fill; it is the caller's duty that there is one. */
static struct io_uring_sqe *uring_next(struct uring *ring)
{
    unsigned index = (*ring->sq_tail + ring->queued++) & *ring->sq_mask;
    ring->sq_array[index] = index;
    memset(&ring->sqes[index], 0, sizeof ring->sqes[index]);
    return &ring->sqes[index];
}

/* Hands over what was filled and runs what is due. */
static void uring_enter(struct uring *ring, unsigned wait_for)
{
    unsigned count = ring->queued;
    __atomic_store_n(ring->sq_tail, *ring->sq_tail + count, __ATOMIC_RELEASE);
    ring->queued = 0;
    if (syscall(SYS_io_uring_enter, ring->fd, count, wait_for, IORING_ENTER_GETEVENTS, NULL, 0) < 0 && errno != EINTR)
        die("io_uring_enter: %s", strerror(errno));
}

/* Buffers that the kernel chooses from, `size` bytes each; `count` is a power of two. */
static uint8_t *uring_buffers(struct uring *ring, unsigned count, unsigned size)
{
    uint8_t *memory = mmap(NULL, (size_t)count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *list = mmap(NULL, count * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || list == MAP_FAILED) die("mmap: %s", strerror(errno));
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)list, .ring_entries = count};
    ring->buffers = list;
    uring_register(ring, IORING_REGISTER_PBUF_RING, &reg, 1);
    return memory;
}

static void uring_give_buffer(struct uring *ring, unsigned mask, uint8_t *at, unsigned size, unsigned id)
{
    uint16_t tail = ring->buffers->tail;
    struct io_uring_buf *buffer = &ring->buffers->bufs[tail & mask];
    buffer->addr = (uint64_t)(uintptr_t)at, buffer->len = size, buffer->bid = (uint16_t)id;
    __atomic_store_n(&ring->buffers->tail, (uint16_t)(tail + 1), __ATOMIC_RELEASE);
}

#endif
