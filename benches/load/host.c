/* The measured program: a host of libvoip that carries the audio of all its calls.
 *   host [port=0] [audio=full|none|echo] [calls=4000] [sockets=K]      answers every call; refuse=CODE: with that
 *   host dial=HOST:PORT churn=M [across=50] ...                        places M calls, hangs each up when answered
 *   host pair=N ...                                                    two phones in here call each other N times
 *   host registrar=HOST:PORT accounts=N [expires=S] ...                one phone with many accounts
 *   host idle=1 [registrar=HOST:PORT]                                  one phone that waits
 * audio=full: one thread reads every frame that came and writes one to send, each call at its own time in the 20 ms.
 * srtp=1: encrypted, keys in the SDP. record=FOLDER: each call into a file there. codecs=NAMES.
 * sockets=K: shared sockets (skipped with status 77 while the library has none). jitter=MIN: of the receive buffer.
 * Says `ready PORT`, obeys lines on standard input (`stats`, else or end of file: quit), and ends with a line of JSON. */
#include "bench.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <voip.h>

/* Also built against a library that does not have it yet. */
extern voip_status voip_config_set_media_sockets(voip_config *config, uint32_t sockets) __attribute__((weak));

#define SLOTS 20
#define LINES 65536
#define PREFILL 3
#define CATCH_UP 10 /* intervals */

struct line {
    voip_call *call;
    uint32_t sent, number, sender; /* frames written; what was heard last */
    int known;
    size_t room; /* of its queue */
};

struct totals {
    uint64_t read, written, good, silent, broken, gaps, foreign, refused, late;
};

static struct {
    _Atomic(voip_call *) lines[LINES]; /* calls with audio, by place */
    _Atomic int high;
    struct line mine[LINES]; /* of the audio thread */
    struct totals totals;
    int catching_up; /* of the audio thread: for so many intervals more */
    _Atomic int quit, answered, ended, up, registered, failed;
    int audio, pair, refuse;
    const char *record;
    double dial_s, dial_cpu_s;
    sem_t room;
    int16_t linear[256];
    uint8_t code[65536];
    int16_t bodies[16][FRAME - HEAD];
} app;

enum { AUDIO_NONE, AUDIO_FULL, AUDIO_ECHO };

static void check(const char *what, voip_status status)
{
    if (status != VOIP_OK) die("%s: %s (%s)", what, voip_status_name(status), voip_last_error_message());
}

/* ---- audio ------------------------------------------------------------------------------------------------------ */

static void make_tables(void)
{
    for (int c = 0x80; c < 0xc0; c++) {
        app.linear[c] = ulaw_decode((uint8_t)c);
        app.code[(uint16_t)app.linear[c]] = (uint8_t)c;
    }
    for (uint32_t n = 0; n < 16; n++)
        for (int i = 0; i < FRAME - HEAD; i++) app.bodies[n][i] = app.linear[audio_body(n)[i]];
}

static void write_frame(struct line *line, uint32_t sender)
{
    int16_t pcm[FRAME];
    uint8_t head[HEAD];
    size_t put = 0;
    audio_head(head, line->sent, sender);
    for (int i = 0; i < HEAD; i++) pcm[i] = app.linear[head[i]];
    memcpy(pcm + HEAD, app.bodies[line->sent & 15], sizeof app.bodies[0]);
    if (voip_call_write_audio(line->call, pcm, FRAME, 0, &put) == VOIP_OK && put == FRAME) {
        app.totals.written++;
        line->sent++;
    } else {
        app.totals.refused++;
    }
}

static void heard_frame(struct line *line, const int16_t *pcm, size_t got)
{
    struct totals *t = &app.totals;
    uint8_t head[HEAD], made[HEAD];
    uint32_t n = 0, sender = 0;
    t->read++;
    for (int i = 0; i < HEAD; i++) head[i] = app.code[(uint16_t)pcm[i]];
    for (int i = 0; i < 4; i++) n |= (uint32_t)(head[i] & 63) << (6 * i);
    for (int i = 0; i < 3; i++) sender |= (uint32_t)(head[4 + i] & 63) << (6 * i);
    audio_head(made, n, sender);
    if (got == FRAME && !memcmp(head, made, HEAD) && !memcmp(pcm + HEAD, app.bodies[n & 15], sizeof app.bodies[0])) {
        t->good++;
        if (line->known && n != line->number + 1) t->gaps++;
        if (line->known && sender != line->sender) t->foreign++;
        line->known = 1, line->number = n, line->sender = sender;
    } else if (pcm[0] == 0 && pcm[1] == 0) {
        t->silent++;
    } else {
        t->broken++;
    }
}

/* A host that woke up late does what a sound card would: it lets go what it has missed, and keeps as much in the queue as
 * ever. One that wrote it all at once would be behind for the rest of the call. */
static void top_up(struct line *line, int place)
{
    size_t space = 0;
    for (int i = 0; i < PREFILL; i++) {
        if (voip_call_get_write_space(line->call, &space) != VOIP_OK || space + PREFILL * FRAME <= line->room) break;
        write_frame(line, (uint32_t)place);
    }
}

/* Everything that came for one call, and one frame back. */
static void serve(int place)
{
    voip_call *call = atomic_load_explicit(&app.lines[place], memory_order_acquire);
    struct line *line = &app.mine[place];
    int16_t pcm[FRAME];
    size_t got;
    if (!call) return;
    if (line->call != call) {
        *line = (struct line){.call = call};
        voip_call_get_write_space(call, &line->room);
        for (int i = 0; i < PREFILL; i++) write_frame(line, (uint32_t)place);
    }
    for (int i = 0; i < 12; i++) {
        got = 0;
        if (voip_call_read_audio(call, pcm, FRAME, 0, &got) == VOIP_ERR_CALL_ENDED || got == 0) break;
        heard_frame(line, pcm, got);
    }
    if (app.catching_up) top_up(line, place);
    else write_frame(line, (uint32_t)place);
}

static void *audio_thread(void *none)
{
    int64_t at = now_ns();
    (void)none;
    while (!app.quit) {
        int high = app.high, slots = high < SLOTS ? high : SLOTS;
        for (int slot = 0; slot < slots; slot++) {
            sleep_until(at + slot * (PTIME / SLOTS));
            for (int i = slot; i < high; i += SLOTS) serve(i);
        }
        int64_t late = now_ns() - (at += PTIME);
        if (late > PTIME) at += late / PTIME * PTIME, app.catching_up = CATCH_UP, app.totals.late++;
        else if (app.catching_up) app.catching_up--;
        sleep_until(at);
    }
    return NULL;
}

/* What is heard goes back at once: the delay of a loop through the host. */
static void *echo_thread(void *call)
{
    int16_t pcm[FRAME];
    size_t got = 0, put;
    while (voip_call_read_audio(call, pcm, FRAME, 1000, &got) == VOIP_OK || got > 0) {
        voip_call_write_audio(call, pcm, got, 0, &put);
        got = 0;
    }
    voip_call_release(call);
    return NULL;
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static void line_up(voip_call *call)
{
    pthread_t thread;
    if (app.audio == AUDIO_ECHO) {
        voip_call_retain(call);
        if (!pthread_create(&thread, NULL, echo_thread, call)) pthread_detach(thread);
        return;
    }
    if (app.record) {
        static _Atomic int files;
        char path[512];
        snprintf(path, sizeof path, "%s/%d.wav", app.record, files++);
        check("record", voip_call_record_start(call, path, NULL));
    }
    if (app.audio != AUDIO_FULL) return;
    for (int i = 0; i < LINES; i++) {
        if (atomic_load_explicit(&app.lines[i], memory_order_relaxed)) continue;
        voip_call_set_user_data(call, (void *)(intptr_t)(i + 1));
        atomic_store_explicit(&app.lines[i], call, memory_order_release);
        if (i >= app.high) app.high = i + 1;
        return;
    }
}

static void line_down(voip_call *call)
{
    void *place = NULL;
    voip_call_get_user_data(call, &place);
    if (place) atomic_store_explicit(&app.lines[(intptr_t)place - 1], NULL, memory_order_release);
}

static void on_incoming_call(voip_phone *phone, voip_call *call, const voip_incoming_call_info *info, void *user)
{
    (void)phone, (void)info, (void)user;
    voip_call_ring(call);
    if (app.refuse) voip_call_reject(call, app.refuse, NULL);
    else voip_call_answer(call);
}

static void on_call_state(voip_call *call, const voip_call_state_info *info, void *dials)
{
    if (info->state == VOIP_CALL_ANSWERED) {
        app.answered++;
        app.up++;
        line_up(call);
        if (dials && !app.pair) voip_call_hangup(call);
    } else if (info->state == VOIP_CALL_ENDED) {
        line_down(call);
        app.ended++;
        app.up--;
        if (info->cause != VOIP_END_HANGUP && !app.refuse) {
            if (!app.failed++) fprintf(stderr, "host: a call ended: %s, %d %s\n", voip_end_cause_name(info->cause), info->sip_code, info->reason);
        }
        if (dials) voip_call_release(call), sem_post(&app.room);
    }
}

static void on_account_status(voip_account *account, const voip_account_status_info *info, void *user)
{
    (void)account, (void)user;
    if (info->status == VOIP_ACCOUNT_REGISTERED) app.registered++;
    if (info->status == VOIP_ACCOUNT_FAILED && !app.failed++) fprintf(stderr, "host: no account: %s\n", info->reason);
}

/* ---- phones ----------------------------------------------------------------------------------------------------- */

static voip_phone *start_phone(int argc, char **argv, int dials, char *address, size_t room)
{
    voip_callbacks callbacks = VOIP_CALLBACKS_INIT;
    voip_config *config;
    voip_phone *phone;
    int calls = (int)number(argc, argv, "calls", 4000), sockets = (int)number(argc, argv, "sockets", 0);
    int jitter = (int)number(argc, argv, "jitter", -1);
    check("config", voip_config_new(&config));
    check("bind", voip_config_set_bind(config, "127.0.0.1", dials ? 0 : (int)number(argc, argv, "port", 0)));
    check("max_calls", voip_config_set_max_calls(config, (uint32_t)calls));
    check("max_events", voip_config_set_max_events(config, (uint32_t)calls * 4 + 20000));
    check("codecs", voip_config_set_codecs(config, word(argc, argv, "codecs", "PCMU")));
    check("ports", voip_config_set_rtp_ports(config, 2000, 65534));
    check("buffers", voip_config_set_audio_buffers(config, 200, 200));
    if (number(argc, argv, "srtp", 0) != 0) check("srtp", voip_config_set_srtp(config, VOIP_SRTP_MODE_MANDATORY));
    if (jitter >= 0) check("jitter", voip_config_set_jitter(config, (uint32_t)jitter, 200));
    if (sockets) {
        if (!voip_config_set_media_sockets) exit(77);
        check("sockets", voip_config_set_media_sockets(config, (uint32_t)sockets));
    }
    callbacks.on_incoming_call = on_incoming_call;
    callbacks.on_call_state = on_call_state;
    callbacks.on_account_status = on_account_status;
    check("phone", voip_phone_new(config, &phone));
    check("callbacks", voip_phone_set_callbacks(phone, &callbacks, dials ? &app : NULL, NULL));
    check("start", voip_phone_start(phone));
    check("address", voip_phone_get_local_address(phone, address, room, NULL));
    voip_config_free(config);
    return phone;
}

static void dial_all(voip_phone *phone, const char *target, int count, int across)
{
    char uri[160];
    voip_call *call;
    snprintf(uri, sizeof uri, "sip:bench@%s", target);
    sem_init(&app.room, 0, (unsigned)across);
    for (int i = 0; i < count; i++) {
        sem_wait(&app.room);
        if (voip_phone_dial(phone, uri, NULL, &call) != VOIP_OK) {
            if (!app.failed++) fprintf(stderr, "host: dial: %s\n", voip_last_error_message());
            sem_post(&app.room);
        }
    }
}

static void add_accounts(voip_phone *phone, const char *registrar, int count, int expires)
{
    char host[64], user[32];
    int port = 5060;
    voip_account_config *config;
    voip_account *account;
    if (sscanf(registrar, "%63[^:]:%d", host, &port) < 1) die("not HOST:PORT");
    for (int i = 0; i < count; i++) {
        snprintf(user, sizeof user, "line%d", i);
        check("account", voip_account_config_new(&config));
        check("server", voip_account_config_set_server(config, host, port));
        check("credentials", voip_account_config_set_credentials(config, user, NULL, "secret"));
        check("expires", voip_account_config_set_expires(config, (uint32_t)expires));
        check("add", voip_account_add(phone, config, &account));
        voip_account_config_free(config);
    }
}

/* ---- orders ----------------------------------------------------------------------------------------------------- */

static void print_phone(voip_phone *phone)
{
    voip_phone_stats s = VOIP_PHONE_STATS_INIT;
    if (voip_phone_get_stats(phone, &s) != VOIP_OK) return;
    printf("\"calls\":%llu,\"media_received\":%llu,\"media_sent\":%llu,\"media_send_errors\":%llu,\"media_wakeups\":%llu,"
           "\"control_wakeups\":%llu,\"events_dropped\":%llu,\"sip_dropped\":%llu,\"late_p50_us\":%u,\"late_p99_us\":%u,"
           "\"late_max_us\":%u,",
        (unsigned long long)s.calls, (unsigned long long)s.media_received, (unsigned long long)s.media_sent,
        (unsigned long long)s.media_send_errors, (unsigned long long)s.media_wakeups,
        (unsigned long long)s.control_wakeups, (unsigned long long)s.events_dropped, (unsigned long long)s.sip_dropped,
        s.media_late_p50_us, s.media_late_p99_us, s.media_late_max_us);
}

static void print_all(voip_phone *phone)
{
    struct totals t = app.totals;
    printf("{");
    print_phone(phone);
    printf("\"up\":%d,\"answered\":%d,\"ended\":%d,\"failed\":%d,\"registered\":%d,\"read\":%llu,\"written\":%llu,\"good\":%llu,"
           "\"silent\":%llu,\"broken\":%llu,\"gaps\":%llu,\"foreign\":%llu,\"refused\":%llu,\"late\":%llu,\"dial_s\":%.6f,\"dial_cpu_s\":%.6f,"
           "\"cpu_s\":%.6f}\n",
        app.up, app.answered, app.ended, app.failed, app.registered, (unsigned long long)t.read,
        (unsigned long long)t.written, (unsigned long long)t.good, (unsigned long long)t.silent,
        (unsigned long long)t.broken, (unsigned long long)t.gaps, (unsigned long long)t.foreign,
        (unsigned long long)t.refused, (unsigned long long)t.late, app.dial_s, app.dial_cpu_s, (double)cpu_ns(getpid()) / 1e9);
    fflush(stdout);
}

static void obey(voip_phone *phone)
{
    char line[64];
    while (fgets(line, sizeof line, stdin) && !strncmp(line, "stats", 5)) print_all(phone);
}

int main(int argc, char **argv)
{
    char address[128], other_address[128];
    const char *audio = word(argc, argv, "audio", "full"), *dial = word(argc, argv, "dial", NULL);
    const char *registrar = word(argc, argv, "registrar", NULL);
    int accounts = (int)number(argc, argv, "accounts", registrar ? 1 : 0), across = (int)number(argc, argv, "across", 50);
    pthread_t thread;
    voip_phone *other = NULL;

    raise_descriptors();
    make_tables();
    app.record = word(argc, argv, "record", NULL);
    app.refuse = (int)number(argc, argv, "refuse", 0);
    app.pair = (int)number(argc, argv, "pair", 0);
    app.audio = !strcmp(audio, "full") ? AUDIO_FULL : !strcmp(audio, "echo") ? AUDIO_ECHO : AUDIO_NONE;
    voip_phone *phone = start_phone(argc, argv, dial != NULL, address, sizeof address);
    if (app.audio == AUDIO_FULL && !dial) pthread_create(&thread, NULL, audio_thread, NULL);
    printf("ready %d %s\n", (int)getpid(), address);
    fflush(stdout);
    if (dial) {
        int64_t begin = now_ns(), cpu = cpu_ns(getpid());
        dial_all(phone, dial, (int)number(argc, argv, "churn", 1000), across);
        for (int i = 0; i < across; i++) sem_wait(&app.room);
        app.dial_s = (double)(now_ns() - begin) / 1e9;
        app.dial_cpu_s = (double)(cpu_ns(getpid()) - cpu) / 1e9;
    } else if (app.pair) {
        other = start_phone(argc, argv, 1, other_address, sizeof other_address);
        dial_all(other, address, app.pair, app.pair);
        while (app.up < 2 * app.pair && !app.failed) sleep_until(now_ns() + 1000000);
        printf("up %d\n", app.up);
        fflush(stdout);
    } else if (accounts) {
        add_accounts(phone, registrar, accounts, (int)number(argc, argv, "expires", 60));
        while (app.registered < accounts && !app.failed) sleep_until(now_ns() + 1000000);
        printf("registered %d\n", app.registered);
        fflush(stdout);
    }
    if (!dial) obey(phone);
    app.quit = 1;
    print_all(phone);
    voip_phone_stop(phone, 3000);
    if (other) voip_phone_free(other);
    voip_phone_free(phone);
    return 0;
}
