/* What the machine itself does to deadlines: a thread of the highest priority that does nothing but wake up every 2 ms, and
 * says how late it was. What a virtual machine's host takes away shows here, and is nobody's fault.
 * Runs until its input ends or says something; then one line of JSON. */
#include "bench.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define PERIOD_NS 2000000

static atomic_int over;

static void *wait_for_end(void *unused)
{
    char byte;
    (void)!read(0, &byte, 1);
    atomic_store(&over, 1);
    return unused;
}

int main(void)
{
    pthread_t waiter;
    struct sched_param first = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
    int64_t worst = 0, due = now_ns();
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
    }
    printf("{\"ticks\":%ld,\"max_ms\":%.3f,\"over_1ms\":%ld,\"over_5ms\":%ld}\n", ticks, (double)worst / 1e6, late1, late5);
    return 0;
}
