/* Many phones in one process: how long each takes to start, and what it costs: phones [count=100] [calls=64]
 * Prints the start (voip_phone_new and voip_phone_start) of the first, of the second, and the median; threads and resident
 * memory when all run idly. */
#include "bench.h"
#include <voip.h>

static void check(const char *what, voip_status status)
{
    if (status != VOIP_OK) die("%s: %s", what, voip_last_error_message());
}

static int64_t start(voip_phone **phone, uint32_t calls)
{
    voip_config *config;
    check("config", voip_config_new(&config));
    check("bind", voip_config_set_bind(config, "127.0.0.1", 0));
    check("calls", voip_config_set_max_calls(config, calls));
    int64_t begin = now_ns();
    check("phone", voip_phone_new(config, phone));
    check("start", voip_phone_start(*phone));
    int64_t took = now_ns() - begin;
    voip_config_free(config);
    return took;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int threads(void)
{
    char line[256];
    int count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Threads: %d", &count) == 1) break;
    if (file) fclose(file);
    return count;
}

int main(int argc, char **argv)
{
    int count = (int)number(argc, argv, "count", 100);
    uint32_t calls = (uint32_t)number(argc, argv, "calls", 64);
    voip_phone **phones = calloc((size_t)count, sizeof *phones);
    int64_t *took = calloc((size_t)count, sizeof *took);
    if (count < 2 || !phones || !took) die("count is at least 2");
    took[0] = start(&phones[0], calls);
    long one = rss_kib(getpid());
    for (int i = 1; i < count; i++) took[i] = start(&phones[i], calls);
    long all = rss_kib(getpid());
    int64_t first = took[0], second = took[1];
    qsort(took, (size_t)count, sizeof *took, by_size);
    printf("{\"first_us\":%.1f,\"second_us\":%.1f,\"median_us\":%.1f,\"threads\":%d,\"kib\":%.1f}\n", (double)first / 1e3,
        (double)second / 1e3, (double)took[count / 2] / 1e3, threads(), (double)(all - one) / (count - 1));
    for (int i = 0; i < count; i++) voip_phone_free(phones[i]);
    free(phones);
    free(took);
    return 0;
}
