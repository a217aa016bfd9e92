/* The callee and registrar of the benchmark: answers what comes and keeps nothing.
 *   answer [port=0] [expires=3600] [pid=PID]
 * INVITE gets 180 and 200, REGISTER gets 200 with the Contact that it named (expires=0 refuses with 403), all else 200.
 * Says `ready PORT`; a line on standard input prints counters and the CPU time of PID as JSON, its end ends the program. */
#include "sip.h"
#include <poll.h>

static struct {
    uint64_t invites, acks, byes, registers, others;
    struct sockaddr_in own, sink;
    int fd, expires;
    pid_t pid;
} app;

static void send_to(const struct sockaddr_in *to, const char *message, int len)
{
    if (len > 0) sendto(app.fd, message, (size_t)len, 0, (const struct sockaddr *)to, sizeof *to);
}

static void answer_invite(const char *request, const struct sockaddr_in *from)
{
    char out[SIP_MAX], sdp[1024], contact[96], tag[32];
    app.invites++;
    snprintf(tag, sizeof tag, "a%llx", (unsigned long long)app.invites);
    snprintf(contact, sizeof contact, "Contact: <sip:answer@127.0.0.1:%u>\r\n", ntohs(app.own.sin_port));
    sip_sdp(sdp, sizeof sdp, "127.0.0.1", ntohs(app.sink.sin_port));
    send_to(from, out, sip_answer(request, "180 Ringing", tag, contact, "", out));
    send_to(from, out, sip_answer(request, "200 OK", tag, contact, sdp, out));
}

static void answer_register(const char *request, const struct sockaddr_in *from)
{
    char out[SIP_MAX], contact[512], uri[256], asked[32], line[640] = "";
    int expires = app.expires;
    app.registers++;
    if (sip_header(request, "Expires", asked, sizeof asked) && atoi(asked) < expires) expires = atoi(asked);
    if (sip_header(request, "Contact", contact, sizeof contact)) {
        const char *own = strstr(contact, ";expires=");
        if (own && atoi(own + 9) < expires) expires = atoi(own + 9);
        sip_uri(contact, uri, sizeof uri);
        snprintf(line, sizeof line, "Contact: <%s>;expires=%d\r\n", uri, expires);
    }
    send_to(from, out, sip_answer(request, app.expires ? "200 OK" : "403 Forbidden", "reg", line, "", out));
}

static void heard(const char *request, const struct sockaddr_in *from)
{
    char out[SIP_MAX];
    if (!strncmp(request, "INVITE ", 7)) answer_invite(request, from);
    else if (!strncmp(request, "REGISTER ", 9)) answer_register(request, from);
    else if (!strncmp(request, "ACK ", 4)) app.acks++;
    else if (strncmp(request, "SIP/2.0 ", 8)) {
        app.byes += !strncmp(request, "BYE ", 4);
        app.others += !!strncmp(request, "BYE ", 4);
        send_to(from, out, sip_answer(request, "200 OK", "far", "", "", out));
    }
}

static int take(void)
{
    static char in[SIP_MAX];
    struct sockaddr_in from;
    int count = 0;
    for (; count < 256; count++) {
        socklen_t len = sizeof from;
        ssize_t got = recvfrom(app.fd, in, sizeof in - 1, 0, (struct sockaddr *)&from, &len);
        if (got < 0) break;
        in[got] = '\0';
        if (got > 20) heard(in, &from);
    }
    return count;
}

static void print(void)
{
    printf("{\"at\":%.6f,\"invites\":%llu,\"acks\":%llu,\"byes\":%llu,\"registers\":%llu,\"others\":%llu,\"cpu_s\":%.6f,"
           "\"far_cpu_s\":%.6f,\"rss_kib\":%ld}\n",
        (double)now_ns() / 1e9, (unsigned long long)app.invites, (unsigned long long)app.acks,
        (unsigned long long)app.byes, (unsigned long long)app.registers, (unsigned long long)app.others,
        (double)cpu_ns(app.pid) / 1e9, (double)cpu_ns(getpid()) / 1e9, rss_kib(app.pid));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[64];
    struct pollfd input = {0, POLLIN, 0};
    const int small = 2048;
    app.own.sin_port = htons((uint16_t)number(argc, argv, "port", 0));
    app.expires = (int)number(argc, argv, "expires", 3600);
    app.fd = sip_open(&app.own);
    int sink = sip_open(&app.sink); /* takes the audio, and loses it */
    setsockopt(sink, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    printf("ready %u\n", ntohs(app.own.sin_port));
    fflush(stdout);
    for (int64_t checked = 0;;) {
        if (!take()) sleep_until(now_ns() + 50000);
        if (now_ns() - checked < 5000000) continue;
        checked = now_ns();
        if (poll(&input, 1, 0) <= 0) continue;
        ssize_t got = read(0, line, sizeof line - 1);
        if (got <= 0) return 0;
        line[got] = '\0';
        if (atoi(line)) app.pid = (pid_t)atoi(line);
        print();
    }
}
