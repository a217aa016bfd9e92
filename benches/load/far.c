/* The caller of the benchmark: places calls into whatever listens, sends and checks their audio, hangs up.
 *   far to=HOST:PORT pid=PID calls=N [rate=500] [settle=2] [window=5] [check=1] [loop=0] [linger=0] [also=PID] [away=0]
 *       N calls at once; a window of so many seconds is measured when all are up, in whose middle the far side may be
 *       away for some milliseconds: then all its calls' packets come at once
 *   far to=HOST:PORT pid=PID churn=M [across=50] [rtp=0]
 *       M calls one after the other, so many at a time: INVITE, 180, 200, ACK, BYE, each hung up when answered;
 *       refused=1: each is refused, INVITE, 180, 4xx, ACK
 *   far to=HOST:PORT pid=PID options=M [across=50]
 *       M requests OPTIONS in the same way
 *   far ports=FILE calls=N ...
 *       no SIP: audio to the ports that the floor wrote there
 * PID is the measured process. One line of JSON is the result. */
#include "far_media.h"
#include "sip.h"

enum state { IDLE, INVITED, UP, LEAVING, DONE };

struct call {
    enum state state;
    int64_t again; /* when the request is repeated */
    int tries;
    uint32_t generation; /* of a slot that is used again and again */
    char to[192], target[192];
};

static struct {
    const char *uri;
    struct sockaddr_in peer, own;
    int fd, count, up, done, failed, rtp, refused, options;
    unsigned run;
    char name[32];
    pid_t pid, also;
    struct call *calls;
    uint64_t churned, churn, started;
    struct histogram setup;
    int64_t *invited_at;
} app;

/* ---- SIP out ---------------------------------------------------------------------------------------------------- */

static void transmit(const char *message, int len)
{
    if (sendto(app.fd, message, (size_t)len, 0, (struct sockaddr *)&app.peer, sizeof app.peer) < 0)
        die("the peer's port is gone: %s", strerror(errno));
}

static void request(int i, const char *method, int cseq, const char *body)
{
    struct call *call = &app.calls[i];
    char out[SIP_MAX];
    int first = !strcmp(method, "INVITE") || !strcmp(method, "OPTIONS");
    int len = snprintf(out, sizeof out,
        "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%u-%d-%u-%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:far%d@%s>;tag=f%u-%u\r\n"
        "To: %s\r\nCall-ID: %d-%u-%u@far\r\nCSeq: %d %s\r\nContact: <sip:far%d@%s>\r\n%sContent-Length: %zu\r\n\r\n%s",
        method, first ? app.uri : call->target, app.name, app.run, i, call->generation, method, i, app.name, app.run,
        call->generation, call->to, i, call->generation, app.run, cseq, method, i, app.name,
        *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    transmit(out, len);
}

static void invite(int i)
{
    struct call *call = &app.calls[i];
    char sdp[1024], address[16];
    leg_address(i, address);
    sip_sdp(sdp, sizeof sdp, address, leg_port(i));
    if (call->state == IDLE) {
        snprintf(call->to, sizeof call->to, "<%s>", app.uri);
        app.started++;
        app.invited_at[i] = now_ns();
        call->tries = 0;
    }
    call->state = INVITED;
    call->again = now_ns() + SECOND;
    if (app.options) request(i, "OPTIONS", 1, "");
    else request(i, "INVITE", 1, sdp);
}

static void bye(int i)
{
    struct call *call = &app.calls[i];
    if (call->state == UP) call->tries = 0;
    media.legs[i].sending = 0;
    call->state = LEAVING;
    call->again = now_ns() + SECOND;
    request(i, "BYE", 2, "");
}

static void finished(int i, int well)
{
    struct call *call = &app.calls[i];
    app.failed += !well;
    if (app.churn && app.started < app.churn) {
        app.churned += (uint64_t)well;
        call->generation++;
        call->state = IDLE;
        invite(i);
        return;
    }
    app.churned += (uint64_t)well;
    call->state = DONE;
    app.done++;
}

/* Requests that were not answered are sent again, five times; only called now and then. */
static void repeat(void)
{
    int64_t now = now_ns();
    for (int i = 0; i < app.count; i++) {
        struct call *call = &app.calls[i];
        if ((call->state != INVITED && call->state != LEAVING) || call->again > now) continue;
        if (++call->tries > 5) finished(i, 0);
        else if (call->state == INVITED) invite(i);
        else bye(i);
    }
}

/* ---- SIP in ----------------------------------------------------------------------------------------------------- */

static void answered(int i, const char *message)
{
    struct call *call = &app.calls[i];
    struct sockaddr_in peer;
    char contact[256];
    if (call->state == INVITED) {
        if (!sip_header(message, "To", call->to, sizeof call->to) ||
            !sip_header(message, "Contact", contact, sizeof contact) || !sip_audio(message, &peer))
            die("an answer that makes no call: %s", message);
        sip_uri(contact, call->target, sizeof call->target);
        call->state = UP;
        app.up++;
        note(&app.setup, now_ns() - app.invited_at[i]);
        if (!app.churn || app.rtp) leg_start(i, &peer);
    }
    request(i, "ACK", 1, ""); /* also to a 200 that came again */
    if (app.churn && call->state == UP) bye(i);
}

static void heard(char *message, const struct sockaddr_in *from)
{
    char id[256], cseq[64], out[SIP_MAX];
    int i, status = sip_status(message), len;
    unsigned generation;
    if (!status) { /* a request of the peer, which hangs up or asks: fine */
        if (strncmp(message, "ACK", 3) && (len = sip_answer(message, "200 OK", "far", "", "", out)))
            sendto(app.fd, out, (size_t)len, 0, (const struct sockaddr *)from, sizeof *from);
        return;
    }
    if (!sip_header(message, "Call-ID", id, sizeof id) || !sip_header(message, "CSeq", cseq, sizeof cseq)) return;
    if (sscanf(id, "%d-%u", &i, &generation) != 2 || i < 0 || i >= app.count) return;
    struct call *call = &app.calls[i];
    if (generation != call->generation) return;
    if (strstr(cseq, "INVITE")) {
        if (status < 200) call->again = now_ns() + 10 * SECOND;
        else if (status < 300) answered(i, message);
        else {
            sip_header(message, "To", call->to, sizeof call->to);
            snprintf(call->target, sizeof call->target, "%s", app.uri);
            request(i, "ACK", 1, "");
            if (!app.refused && app.failed < 3) fprintf(stderr, "far: refused with %d\n", status);
            if (call->state == INVITED) finished(i, app.refused);
        }
    } else if (app.options && status >= 200 && call->state == INVITED) {
        note(&app.setup, now_ns() - app.invited_at[i]);
        finished(i, 1);
    } else if (strstr(cseq, "BYE") && status >= 200 && call->state == LEAVING) {
        app.up--;
        finished(i, status < 300);
    }
}

static int listen_sip(void)
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

/* ---- time ------------------------------------------------------------------------------------------------------- */

static int64_t slot_at;
static int slot_number;
static int64_t latest; /* how late the far side itself was, at worst; the host hears that from the first call on */

/* One millisecond of the far side's life. */
static void slot(void)
{
    sleep_until(slot_at += PTIME / SLOTS);
    int64_t late = now_ns() - slot_at;
    if (late > latest) latest = late;
    media_receive();
    media_send(slot_number);
    slot_number = (slot_number + 1) % SLOTS;
    if (app.fd >= 0) {
        listen_sip();
        if (slot_number == 0) repeat();
    }
}

struct account {
    int64_t wall, cpu, also, own, soft;
};

/* The kernel's thread that takes over when a core is flooded would hide work of the measured side. */
static pid_t softirq_thread(void)
{
    char path[64], name[32];
    for (pid_t pid = 2; pid < 200; pid++) {
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        int found = fgets(name, sizeof name, file) && !strcmp(name, "ksoftirqd/1\n");
        fclose(file);
        if (found) return pid;
    }
    return 0;
}

static struct account take_account(void)
{
    static pid_t soft = -1;
    if (soft < 0) soft = softirq_thread();
    return (struct account){now_ns(), cpu_ns(app.pid), cpu_ns(app.also), cpu_ns(getpid()), cpu_ns(soft)};
}

static void print_account(struct account a, struct account b)
{
    printf("\"seconds\":%.6f,\"cpu_s\":%.6f,\"also_cpu_s\":%.6f,\"far_cpu_s\":%.6f,\"softirq_s\":%.6f,",
        (double)(b.wall - a.wall) / 1e9, (double)(b.cpu - a.cpu) / 1e9, (double)(b.also - a.also) / 1e9,
        (double)(b.own - a.own) / 1e9, (double)(b.soft - a.soft) / 1e9);
}

static void for_seconds(double seconds)
{
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    while (now_ns() < end) slot();
}

/* ---- what it does ------------------------------------------------------------------------------------------------- */

static void read_ports(const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned port;
    if (!file) die("%s: %s", path, strerror(errno));
    for (int i = 0; i < app.count && fscanf(file, "%u", &port) == 1; i++) {
        struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        leg_start(i, &peer);
        app.up++;
    }
    fclose(file);
}

static void place_calls(double rate, double patience)
{
    int64_t begin = now_ns(), end = begin + (int64_t)((app.count / rate + patience) * 1e9);
    int placed = 0;
    while ((app.up + app.failed < app.count || placed < app.count) && now_ns() < end) {
        int due = (int)((double)(now_ns() - begin) / 1e9 * rate) + 1;
        while (placed < app.count && placed < due) invite(placed++);
        slot();
    }
}

static void hang_up(double rate)
{
    int64_t begin = now_ns(), end = begin + (int64_t)((app.count / rate + 8) * 1e9);
    int left = 0;
    while ((app.up > 0 || left < app.count) && now_ns() < end) {
        int due = (int)((double)(now_ns() - begin) / 1e9 * rate) + 1;
        for (; left < app.count && left < due; left++)
            if (app.calls[left].state == UP) bye(left);
        slot();
    }
}

static void calls(int argc, char **argv, const char *ports)
{
    double rate = number(argc, argv, "rate", 500), window = number(argc, argv, "window", 5);
    long rss_before = rss_kib(app.pid), rss_begin, rss_up, rss_after;
    slot_at = now_ns();
    if (ports) read_ports(ports);
    else place_calls(rate, 10);
    int up = app.up;
    int64_t worst;
    for_seconds(number(argc, argv, "settle", 2));
    rss_begin = rss_kib(app.pid);
    struct account a = take_account();
    media_window_begins();
    for_seconds(window / 2);
    sleep_until(now_ns() + (int64_t)(number(argc, argv, "away", 0) * 1e6));
    for_seconds(window / 2);
    media_window_ends();
    worst = latest;
    struct account b = take_account();
    rss_up = rss_kib(app.pid);
    if (!ports) hang_up(2 * rate);
    for_seconds(number(argc, argv, "linger", 0));
    rss_after = rss_kib(app.pid);
    printf("{\"calls\":%d,\"up\":%d,\"failed\":%d,\"left_up\":%d,", app.count, up, app.failed, ports ? 0 : app.up);
    print_account(a, b);
    media_print((double)(b.wall - a.wall) / 1e9);
    printf("\"far_late_max_ms\":%.3f,", (double)worst / 1e6);
    printf("\"rss_before_kib\":%ld,\"rss_begin_kib\":%ld,\"rss_up_kib\":%ld,\"rss_after_kib\":%ld}\n", rss_before, rss_begin,
        rss_up, rss_after);
}

static void churn(int argc, char **argv)
{
    double patience = number(argc, argv, "patience", 60);
    long rss_before = rss_kib(app.pid);
    struct account a = take_account();
    int64_t checked = a.wall, end = a.wall + (int64_t)(patience * 1e9);
    for (int i = 0; i < app.count && app.started < app.churn; i++) invite(i);
    slot_at = now_ns();
    while (app.churned + (uint64_t)app.failed < app.churn && now_ns() < end) {
        if (app.rtp && now_ns() >= slot_at + PTIME / SLOTS) slot();
        else if (!listen_sip()) sleep_until(now_ns() + 20000);
        if (now_ns() - checked > SECOND / 10) checked = now_ns(), repeat();
    }
    struct account b = take_account();
    long rss_up = rss_kib(app.pid);
    for (int64_t stop = now_ns() + (int64_t)(number(argc, argv, "linger", 0) * 1e9); now_ns() < stop;) {
        listen_sip();
        sleep_until(now_ns() + 1000000);
    }
    printf("{\"calls\":%llu,\"failed\":%d,", (unsigned long long)app.churned, app.failed);
    print_account(a, b);
    printf("\"setup_p50_ms\":%.3f,\"setup_p99_ms\":%.3f,", percentile(&app.setup, 0.5), percentile(&app.setup, 0.99));
    printf("\"rss_before_kib\":%ld,\"rss_up_kib\":%ld,\"rss_after_kib\":%ld}\n", rss_before, rss_up, rss_kib(app.pid));
}

int main(int argc, char **argv)
{
    const char *to = word(argc, argv, "to", NULL), *ports = word(argc, argv, "ports", NULL);
    static char uri[128];
    raise_descriptors();
    app.options = (int)number(argc, argv, "options", 0);
    app.refused = (int)number(argc, argv, "refused", 0);
    app.churn = (uint64_t)(app.options ? app.options : number(argc, argv, "churn", 0));
    app.count = (int)(app.churn ? number(argc, argv, "across", 50) : number(argc, argv, "calls", 100));
    app.pid = (pid_t)number(argc, argv, "pid", 0);
    app.also = (pid_t)number(argc, argv, "also", 0);
    app.rtp = (int)number(argc, argv, "rtp", 0);
    app.run = (unsigned)(now_ns() / 1000 ^ getpid());
    app.fd = -1;
    if ((!to && !ports) || app.count < 1 || app.count > 60000) die("usage: see the head of far.c");
    app.calls = calloc((size_t)app.count, sizeof *app.calls);
    app.invited_at = calloc((size_t)app.count, sizeof *app.invited_at);
    media_open(app.count, (int)number(argc, argv, "check", 1));
    media.loop = (int)number(argc, argv, "loop", 0);
    if (ports) { /* the floor must know our ports before it can write its own */
        char line[8];
        printf("port %u\n", media.port);
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin)) return 1;
        app.pid = (pid_t)atoi(line) ? (pid_t)atoi(line) : app.pid;
    } else {
        app.peer = sip_peer(to);
        app.fd = sip_open(&app.own);
        snprintf(app.name, sizeof app.name, "127.0.0.1:%u", ntohs(app.own.sin_port));
        snprintf(uri, sizeof uri, "sip:%s@%s", word(argc, argv, "user", "bench"), to);
        app.uri = uri;
    }
    if (app.churn) churn(argc, argv);
    else calls(argc, argv, ports);
    return 0;
}
