/* Parses the INVITE with its SDP through the C interface, so many times: parse FILE [runs=N]
 * Prints nanoseconds for one. Under callgrind the difference of two runs is the count of instructions. */
#include "bench.h"
#include <voip.h>

static size_t read_file(const char *path, uint8_t *out, size_t room)
{
    FILE *file = fopen(path, "rb");
    size_t used = 0;
    int before = 0;
    if (!file) die("%s: %s", path, strerror(errno));
    for (int c; (c = fgetc(file)) != EOF && used + 2 < room; before = c) {
        if (c == '\n' && before != '\r') out[used++] = '\r'; /* stored with bare line feeds, perhaps */
        out[used++] = (uint8_t)c;
    }
    fclose(file);
    return used;
}

static void once(const uint8_t *bytes, size_t len, const char *body)
{
    voip_sip_message *message;
    voip_sdp *sdp;
    if (voip_sip_message_parse(bytes, len, &message) != VOIP_OK) die("parse: %s", voip_last_error_message());
    if (voip_sdp_parse((const uint8_t *)body, len - (size_t)(body - (const char *)bytes), &sdp) != VOIP_OK)
        die("sdp: %s", voip_last_error_message());
    voip_sdp_free(sdp);
    voip_sip_message_free(message);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[8192];
    if (argc < 2) die("usage: parse FILE [runs=N]");
    size_t len = read_file(argv[1], bytes, sizeof bytes - 1);
    long runs = (long)number(argc, argv, "runs", 20000);
    const char *body = strstr((const char *)bytes, "\r\n\r\n") + 4;
    int64_t begin = now_ns();
    for (long i = 0; i < runs; i++) once(bytes, len, body);
    printf("{\"bytes\":%zu,\"runs\":%ld,\"ns\":%.1f}\n", len, runs, (double)(now_ns() - begin) / (double)runs);
    return 0;
}
