/* RTP without a phone: send a WAV file, receive into one, print packets.
 *
 *   rtp_tools send FILE.wav ADDRESS:PORT [PCMU|PCMA|G722|L16/RATE]
 *   rtp_tools receive PORT FILE.wav [RATE]      until the sender says goodbye, nothing comes for 3 s, or Ctrl-C
 *   rtp_tools print PORT [COUNT]                until so many packets or Ctrl-C
 */
#include "example.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAMES = 960, MOST_CHANNELS = 8, QUIET_TURNS = 6 };

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static int usage(void)
{
    fputs("usage: rtp_tools send FILE.wav ADDRESS:PORT [PCMU|PCMA|G722|L16/RATE]\n"
          "       rtp_tools receive PORT FILE.wav [RATE]\n"
          "       rtp_tools print PORT [COUNT]\n"
          "\n"
          "Wireshark shows such packets as UDP, since no call told it that they are RTP. One of these helps:\n"
          "  - Analyze > Decode As...: UDP port PORT is RTP, PORT + 1 is RTCP\n"
          "    (tshark -d udp.port==PORT,rtp -d udp.port==PORT+1,rtcp)\n"
          "  - Analyze > Enabled Protocols: switch \"rtp_udp\" on, the heuristic that guesses\n"
          "    (tshark --enable-heuristic rtp_udp)\n"
          "  - a capture that holds the SIP or RTSP with the SDP, from which it learns ports and payload types\n"
          "For payload types from 96 on it needs to be told the codec, too: Preferences > Protocols > RTP, or the SDP.\n"
          "Bad UDP checksums on the loopback interface are none: the kernel leaves them away there.\n",
          stderr);
    return 2;
}

static int port_of(const char *text)
{
    char *end = NULL;
    long port = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && port > 0 && port < 65536 ? (int)port : -1;
}

/* "PCMA" or "L16/16000" as a line of the payload map. */
static int payload_of(const char *text, voip_rtp_payload *line, char *name, size_t size)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    voip_payload_entry known = VOIP_PAYLOAD_ENTRY_INIT;
    if (len == 0 || len >= size) return -1;
    memcpy(name, text, len);
    name[len] = '\0';
    line->name = name;
    line->clock_rate = slash ? (uint32_t)strtoul(slash + 1, NULL, 10) : 8000;
    line->channels = 1;
    line->payload_type = voip_payload_from_name(name, line->clock_rate, 1, &known) ? 96 : known.payload_type;
    return 0;
}

static void tell(voip_rtp_session *session)
{
    voip_rtp_session_stats s = VOIP_RTP_SESSION_STATS_INIT;
    if (voip_rtp_session_get_stats(session, &s)) return;
    printf("sent=%" PRIu64 " received=%" PRIu64 " lost=%" PRIu64 " late=%" PRIu64 " ssrc=0x%08x remote_ssrc=0x%08x"
           " reports_sent=%" PRIu64 " reports_received=%" PRIu64 " round_trip_us=%" PRId64 "\n",
           s.tx_packets, s.rx_packets, s.rx_lost, s.rx_late, s.local_ssrc, s.remote_ssrc, s.reports_sent,
           s.reports_received, s.round_trip_us);
}

/* The next frames of the file, its channels mixed into one. */
static size_t next_frames(voip_wav *wav, uint32_t channels, int16_t *pcm)
{
    int16_t all[FRAMES * MOST_CHANNELS];
    size_t got = 0, i;
    uint32_t c;
    if (voip_wav_read(wav, all, FRAMES, &got)) return 0;
    for (i = 0; i < got; i++) {
        int32_t sum = 0;
        for (c = 0; c < channels; c++) sum += all[i * channels + c];
        pcm[i] = (int16_t)(sum / (int32_t)channels);
    }
    return got;
}

/* All of the file, paced by the session: it takes frames as it sends them. */
static int send_all(voip_rtp_session *session, voip_wav *wav, uint32_t channels)
{
    int16_t pcm[FRAMES];
    size_t got, put;
    int started = 0;
    while (!stopped && (got = next_frames(wav, channels, pcm)) > 0) {
        /* What is there before the start goes out first, without silence in front of it. */
        if (!started && voip_rtp_session_write(session, pcm, got, 0, &put)) return complain("write");
        if (!started && voip_rtp_session_start(session)) return complain("start");
        if (started && voip_rtp_session_write(session, pcm, got, -1, &put)) return complain("write");
        started = 1;
    }
    if (!started) return complain("the file has no audio");
    while (!stopped && voip_rtp_session_drain(session, 200) == VOIP_ERR_TIMEOUT) {
    }
    return 0;
}

static int send_file(const char *path, const char *target, const char *codec)
{
    voip_rtp_session_options options = VOIP_RTP_SESSION_OPTIONS_INIT;
    voip_wav_info info = VOIP_WAV_INFO_INIT;
    voip_rtp_payload line = {0};
    voip_rtp_session *session = NULL;
    voip_wav *wav = NULL;
    char address[64] = "", name[32];
    const char *colon = strrchr(target, ':');
    int failed;
    if (colon == NULL || (size_t)(colon - target) >= sizeof address || port_of(colon + 1) < 0) return usage();
    if (payload_of(codec, &line, name, sizeof name)) return usage();
    memcpy(address, target, (size_t)(colon - target));
    if (voip_wav_open(path, &wav) || voip_wav_get_info(wav, &info)) return complain(path);
    if (info.channels > MOST_CHANNELS) return complain("too many channels");
    options.local_address = strchr(address, ':') ? "::" : NULL;
    options.remote_address = address;
    options.remote_port = port_of(colon + 1);
    options.direction = VOIP_MEDIA_SENDONLY;
    options.payloads = &line;
    options.payload_count = 1;
    options.rate = info.rate;
    options.cname = "rtp_tools";
    if (voip_rtp_session_new(&options, &session)) return complain("no session");
    failed = send_all(session, wav, info.channels);
    voip_rtp_session_stop(session);
    tell(session);
    voip_rtp_session_free(session);
    voip_wav_close(wav);
    return failed;
}

/* Until the sender leaves or is silent. */
static void receive_all(voip_rtp_session *session, voip_wav *wav)
{
    voip_rtp_session_stats s = VOIP_RTP_SESSION_STATS_INIT;
    int16_t pcm[FRAMES];
    size_t got = 0;
    int quiet = 0;
    while (!stopped && quiet < QUIET_TURNS) {
        voip_status status = voip_rtp_session_read(session, pcm, FRAMES, 500, &got);
        if (got > 0) voip_wav_write(wav, pcm, got);
        voip_rtp_session_get_stats(session, &s);
        if (status == VOIP_ERR_TIMEOUT && s.byes_received > 0) return;
        quiet = status == VOIP_ERR_TIMEOUT && s.rx_packets > 0 ? quiet + 1 : 0;
    }
}

static int receive_file(int port, const char *path, uint32_t rate)
{
    /* The static types say themselves what they are; 96 is what `send` calls L16 of another rate than 44100. */
    const voip_rtp_payload map[] = {
        {0, 0, 0, NULL},  {8, 0, 0, NULL},        {9, 0, 0, NULL},
        {11, 0, 0, NULL}, {96, rate, 1, "L16"}, {101, 8000, 1, "telephone-event"},
    };
    voip_rtp_session_options options = VOIP_RTP_SESSION_OPTIONS_INIT;
    voip_rtp_session *session = NULL;
    voip_wav *wav = NULL;
    options.rtp_port = port;
    options.direction = VOIP_MEDIA_RECVONLY;
    options.payloads = map;
    options.payload_count = sizeof map / sizeof map[0];
    options.rate = rate;
    if (voip_rtp_session_new(&options, &session) || voip_rtp_session_start(session)) return complain("no session");
    if (voip_wav_create(path, rate, 1, &wav)) return complain(path);
    printf("listening on %d\n", port);
    fflush(stdout);
    receive_all(session, wav);
    voip_rtp_session_stop(session);
    tell(session);
    voip_rtp_session_free(session);
    return voip_wav_close(wav) ? complain(path) : 0;
}

static void print_elements(const voip_rtp_packet *packet)
{
    const uint8_t *data = NULL;
    size_t cursor = 0, len = 0, i;
    uint8_t id = 0;
    while (voip_rtp_packet_next_element(packet, &cursor, &id, &data, &len) == VOIP_OK && data != NULL) {
        printf("  element id=%u bytes=", id);
        for (i = 0; i < len; i++) printf("%02x", data[i]);
        putchar('\n');
    }
}

static void print_packet(const uint8_t *data, size_t len, const struct sockaddr_in *from)
{
    static const char *const kinds[] = {"unknown", "STUN", "ZRTP", "DTLS", "TURN", "RTP", "RTCP"};
    int32_t kind = voip_packet_classify(data, len);
    voip_rtp_packet packet = VOIP_RTP_PACKET_INIT;
    char address[INET_ADDRSTRLEN] = "", line[512] = "";
    inet_ntop(AF_INET, &from->sin_addr, address, sizeof address);
    printf("%s:%d %s %zu bytes\n", address, ntohs(from->sin_port), kinds[kind], len);
    if (kind != VOIP_PACKET_RTP) return;
    if (voip_rtp_packet_parse(data, len, &packet)) {
        printf("  broken: %s\n", voip_last_error_message());
        return;
    }
    if (voip_rtp_packet_get_summary(&packet, line, sizeof line, NULL) == VOIP_OK) printf("  %s\n", line);
    print_elements(&packet);
}

static int print_packets(int port, long count)
{
    struct sockaddr_in here = {0}, from;
    struct pollfd waiting = {0};
    uint8_t data[2048];
    waiting.fd = socket(AF_INET, SOCK_DGRAM, 0);
    waiting.events = POLLIN;
    here.sin_family = AF_INET;
    here.sin_port = htons((uint16_t)port);
    if (bind(waiting.fd, (struct sockaddr *)&here, sizeof here)) {
        perror("bind");
        return 1;
    }
    printf("listening on %d\n", port);
    fflush(stdout);
    while (!stopped && count != 0) {
        socklen_t size = sizeof from;
        ssize_t len;
        if (poll(&waiting, 1, -1) < 1) continue;
        len = recvfrom(waiting.fd, data, sizeof data, 0, (struct sockaddr *)&from, &size);
        if (len < 0) continue;
        print_packet(data, (size_t)len, &from);
        fflush(stdout);
        count -= count > 0;
    }
    close(waiting.fd);
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = {0};
    action.sa_handler = stop;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (argc >= 4 && strcmp(argv[1], "send") == 0) return send_file(argv[2], argv[3], argc > 4 ? argv[4] : "PCMU");
    if (argc < 3 || port_of(argv[2]) < 0) return usage();
    if (argc >= 4 && strcmp(argv[1], "receive") == 0) {
        return receive_file(port_of(argv[2]), argv[3], argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 8000);
    }
    if (strcmp(argv[1], "print") == 0) return print_packets(port_of(argv[2]), argc > 3 ? strtol(argv[3], NULL, 10) : -1);
    return usage();
}
