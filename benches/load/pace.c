/* What the machine itself does to work: sends itself one datagram after the other, which is always the same work, and says how
 * long it took. What a virtual machine's host and its neighbours take away shows here, and is nobody's fault.
 *   pace [seconds=20]
 * One line of JSON. A bit of work is some 0.15 ms, one is done every 0.2 ms (as calls do, it rests in between);
 * slow is what takes a quarter more than the median. */
#include "bench.h"

#define BIT 100
#define EVERY 200000
#define MOST 1000000

static int64_t took[MOST], sorted[MOST];

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    int fd = socket_to_itself(), count = 0;
    int64_t at = now_ns(), due = at, end = at + (int64_t)(number(argc, argv, "seconds", 20) * 1e9);
    while (at < end && count < MOST) {
        took[count++] = send_to_itself(fd, BIT);
        due += EVERY;
        sleep_until(due);
        at = now_ns();
        due = at > due + EVERY ? at : due;
    }
    memcpy(sorted, took, (size_t)count * sizeof *took);
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    int64_t median = sorted[count / 2], all = 0, slow = 0, together = 0, longest = 0;
    for (int i = 0; i < count; i++) {
        all += took[i];
        together = took[i] > median + median / 4 ? together + took[i] : 0;
        slow += together ? took[i] : 0;
        longest = together > longest ? together : longest;
    }
    printf("{\"median_us\":%.3f,\"p99_us\":%.3f,\"slow_percent\":%.3f,\"longest_slow_ms\":%.1f,\"longest_bit_ms\":%.1f}\n",
        (double)median / 1e3 / BIT, (double)sorted[count * 99LL / 100] / 1e3 / BIT, 100.0 * (double)slow / (double)all,
        (double)longest / 1e6, (double)sorted[count - 1] / 1e6);
    return 0;
}
