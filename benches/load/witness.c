/* What the machine itself does to deadlines and to work: a thread of the highest priority that wakes up every 2 ms, says how
 * late it was, and how long work took that is always the same (it sends itself a few datagrams, beside whatever else the core
 * does). What a virtual machine's host and its neighbours take away shows here, and is nobody's fault.
 * Runs until its input ends or says something; then one line of JSON: `took_us` for each twentieth of a second since
 * `begin_s` of CLOCK_MONOTONIC. */
#include "bench.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define PERIOD_NS 2000000
#define CELL_NS 50000000
#define CELLS 100000
#define BIT 2

static struct {
    int64_t ns;
    int bits;
} cells[CELLS];
static atomic_int over;

static void *wait_for_end(void *unused)
{
    char byte;
    (void)!read(0, &byte, 1);
    atomic_store(&over, 1);
    return unused;
}

/* It finds the caches as others left them, as the packets of calls do. */
static void work(int fd, int64_t since_begin)
{
    int64_t cell = since_begin / CELL_NS, ns = send_to_itself(fd, BIT);
    if (cell < CELLS) {
        cells[cell].ns += ns;
        cells[cell].bits++;
    }
}

int main(void)
{
    pthread_t waiter;
    int fd = socket_to_itself();
    struct sched_param first = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
    int64_t worst = 0, begin = now_ns(), due = begin;
    long ticks = 0, late1 = 0, late5 = 0;
    if (pthread_create(&waiter, NULL, wait_for_end, NULL)) die("no thread");
    (void)sched_setscheduler(0, SCHED_FIFO, &first); /* without the right to it the figure is worse, and says so */
    while (!atomic_load(&over)) {
        due += PERIOD_NS;
        sleep_until(due);
        int64_t now = now_ns(), late = now - due;
        if (late > worst) worst = late;
        late1 += late > 1000000;
        late5 += late > 5000000;
        if (late > PERIOD_NS) due = now;
        ticks++;
        work(fd, now - begin);
    }
    printf("{\"ticks\":%ld,\"max_ms\":%.3f,\"over_1ms\":%ld,\"over_5ms\":%ld,", ticks, (double)worst / 1e6, late1, late5);
    printf("\"begin_s\":%.3f,\"took_us\":[", (double)begin / 1e9);
    for (int64_t i = 0, last = (now_ns() - begin) / CELL_NS; i < last && i < CELLS; i++)
        printf("%s%.3f", i ? "," : "", cells[i].bits ? (double)cells[i].ns / 1e3 / BIT / cells[i].bits : 0);
    puts("]}");
    return 0;
}
