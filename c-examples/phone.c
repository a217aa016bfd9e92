/* A phone for the command line, and for tests: commands on standard input, one line of key=value words on standard
 * output for every event. README.md in this directory lists them all. One thread, one poll(). */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <voip.h>

#define RATE 8000

enum on_call { ON_CALL_RING, ON_CALL_ANSWER, ON_CALL_BUSY, ON_CALL_IGNORE };
enum audio { AUDIO_NONE, AUDIO_ECHO, AUDIO_TONE, AUDIO_PLAY };

/* One call that lives. It is the call's user data, so every event finds it at once. */
struct line {
    struct line *next;
    voip_call *call;
    int number;
    int outgoing; /* the handle came from dial: it is ours to release */
    int audio_on, recording;
    int state;
    unsigned long tone_frame;
    char remote[256];
};

static struct {
    voip_phone *phone;
    enum on_call on_call;
    enum audio audio;
    double hz;
    const char *file, *record, *capture;
    int once, stopping, stopped;
    int calls_made, pumping, timer;
    struct line *lines;
} app;

/* ---- words -------------------------------------------------------------------------------------------------- */

/* A value with blanks, quotes or nothing in it goes in quotes; a quote, a backslash and a control get a backslash. */
static void put_word(const char *key, const char *value)
{
    printf(" %s=", key);
    if (*value && !strpbrk(value, " \t\r\n\"\\")) { /* a URI with parameters holds '=' and needs no quotes */
        fputs(value, stdout);
        return;
    }
    putchar('"');
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\') putchar('\\');
        putchar((unsigned char)*c < ' ' ? ' ' : *c);
    }
    putchar('"');
}

static void say(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
}

static void end_line(void)
{
    putchar('\n');
    fflush(stdout);
}

static void say_error(const char *command, const char *message)
{
    say("error");
    put_word("command", command);
    put_word("message", message);
    end_line();
}

/* Says what a function of the library did not like. */
static int failed(const char *command, voip_status status)
{
    if (status == VOIP_OK) return 0;
    say("error");
    put_word("command", command);
    put_word("status", voip_status_name(status));
    put_word("message", voip_last_error_message());
    end_line();
    return 1;
}

static const char *state_name(int state)
{
    switch (state) {
    case VOIP_CALL_DIALING: return "dialing";
    case VOIP_CALL_RINGING: return "ringing";
    case VOIP_CALL_PROGRESS: return "progress";
    case VOIP_CALL_ANSWERED: return "answered";
    case VOIP_CALL_TERMINATING: return "terminating";
    default: return "ended";
    }
}

static const char *cause_name(int cause)
{
    static const char *const names[] = {"none", "hangup", "busy", "rejected", "cancelled", "no_answer", "unreachable",
        "no_codec", "auth", "no_ack", "media_timeout", "shutdown", "local_error", "protocol", "not_found"};
    return cause >= 0 && cause < (int)(sizeof names / sizeof *names) ? names[cause] : "unknown";
}

static const char *by_name(int by)
{
    return by == VOIP_BY_LOCAL ? "local" : by == VOIP_BY_REMOTE ? "remote" : "engine";
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

static struct line *new_line(const char *remote, int outgoing)
{
    struct line *line = calloc(1, sizeof *line);
    if (!line) abort();
    line->number = ++app.calls_made;
    line->outgoing = outgoing;
    snprintf(line->remote, sizeof line->remote, "%s", remote);
    line->next = app.lines;
    app.lines = line;
    return line;
}

static void drop_line(struct line *line)
{
    for (struct line **at = &app.lines; *at; at = &(*at)->next) {
        if (*at == line) {
            *at = line->next;
            break;
        }
    }
    if (line->outgoing && line->call) voip_call_release(line->call);
    free(line);
}

static struct line *line_of(voip_call *call)
{
    void *line = NULL;
    voip_call_get_user_data(call, &line);
    return line;
}

static struct line *line_numbered(int number)
{
    struct line *line = app.lines;
    while (line && line->number != number) line = line->next;
    return line;
}

/* ---- audio -------------------------------------------------------------------------------------------------- */

/* Every 10 ms while an echo or a tone is on. */
static void set_pump(int on)
{
    struct itimerspec every = {{0, on ? 10000000 : 0}, {0, on ? 10000000 : 0}};
    if (app.pumping != on) timerfd_settime(app.timer, 0, &every, NULL);
    app.pumping = on;
}

static void pump_echo(struct line *line)
{
    int16_t pcm[RATE / 50];
    size_t got = 0, put = 0;
    while (voip_call_read_audio(line->call, pcm, sizeof pcm / sizeof *pcm, 0, &got) == VOIP_OK && got > 0)
        voip_call_write_audio(line->call, pcm, got, 0, &put);
}

/* Fills the room that the call has for audio, in whole periods of 20 ms. */
static void pump_tone(struct line *line)
{
    int16_t pcm[RATE / 50];
    size_t frames = sizeof pcm / sizeof *pcm, put = frames;
    unsigned long until = line->tone_frame + 10 * frames;
    while (put == frames && line->tone_frame < until) {
        for (size_t i = 0; i < frames; i++)
            pcm[i] = (int16_t)(10000 * sin(2 * M_PI * app.hz * (double)(line->tone_frame + i) / RATE));
        put = 0;
        if (voip_call_write_audio(line->call, pcm, frames, 0, &put) != VOIP_OK) break;
        line->tone_frame += put;
    }
}

static void pump(void)
{
    int busy = 0;
    for (struct line *line = app.lines; line; line = line->next) {
        if (!line->audio_on) continue;
        busy = 1;
        if (app.audio == AUDIO_ECHO) pump_echo(line);
        else pump_tone(line);
    }
    set_pump(busy);
}

/* `%d` or `{n}` in the pattern becomes the number of the call. */
static void recording_name(char *out, size_t len, const char *pattern, int number)
{
    const char *hole = strstr(pattern, "%d"), *end = hole ? hole + 2 : NULL;
    if (!hole && (hole = strstr(pattern, "{n}"))) end = hole + 3;
    if (hole) snprintf(out, len, "%.*s%d%s", (int)(hole - pattern), pattern, number, end);
    else snprintf(out, len, "%s", pattern);
}

static void start_recording(struct line *line)
{
    char path[1024];
    if (!app.record || line->recording) return;
    recording_name(path, sizeof path, app.record, line->number);
    line->recording = !failed("record", voip_call_record_start(line->call, path, NULL));
}

static void start_capture(struct line *line)
{
    char path[1024];
    if (!app.capture || !line->call) return;
    recording_name(path, sizeof path, app.capture, line->number);
    failed("capture", voip_call_capture_start(line->call, path, NULL));
}

static void start_audio(struct line *line)
{
    if (app.audio == AUDIO_PLAY) failed("play", voip_call_play_file(line->call, app.file));
    if (app.audio != AUDIO_ECHO && app.audio != AUDIO_TONE) return;
    line->audio_on = 1;
    set_pump(1);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static void on_phone_status(voip_phone *phone, const voip_phone_status_info *info, void *user)
{
    static const char *const names[] = {"inactive", "starting", "running", "stopping", "stopped", "failed"};
    (void)phone, (void)user;
    say("event=phone status=%s", names[info->status]);
    end_line();
    if (info->status == VOIP_PHONE_STOPPED || info->status == VOIP_PHONE_FAILED) app.stopped = 1;
}

static void on_account_status(voip_account *account, const voip_account_status_info *info, void *user)
{
    static const char *const names[] = {
        "unregistered", "registering", "registered", "deregistering", "registration_failed"};
    (void)account, (void)user;
    say("event=%s account=1 code=%d", names[info->status], info->sip_code);
    put_word("reason", info->reason);
    say(" expires=%u", info->expires_s);
    if (info->retry_in_ms >= 0) say(" retry_in_ms=%lld", (long long)info->retry_in_ms);
    end_line();
}

static void on_incoming_call(voip_phone *phone, voip_call *call, const voip_incoming_call_info *info, void *user)
{
    struct line *line = new_line(info->remote_uri, 0);
    (void)phone, (void)user;
    line->call = call;
    line->state = VOIP_CALL_RINGING;
    voip_call_set_user_data(call, line);
    say("event=incoming call=%d", line->number);
    put_word("from", info->remote_uri);
    put_word("name", info->remote_name);
    put_word("to", info->local_uri);
    put_word("call_id", info->call_id);
    end_line();
    start_capture(line);
    if (app.on_call == ON_CALL_RING) failed("ring", voip_call_ring(call));
    if (app.on_call == ON_CALL_ANSWER) failed("answer", voip_call_answer(call));
    if (app.on_call == ON_CALL_BUSY) failed("deny", voip_call_deny(call));
}

static void call_ended(struct line *line, const voip_call_state_info *info)
{
    say("event=ended call=%d state=ended cause=%s by=%s code=%d", line->number, cause_name(info->cause),
        by_name(info->by), info->sip_code);
    put_word("reason", info->reason);
    if (info->reason_header) put_word("reason_header", info->reason_header);
    end_line();
    drop_line(line);
    if (app.once && !app.stopping) {
        app.stopping = 1;
        voip_phone_stop(app.phone, 3000);
    }
}

static void on_call_state(voip_call *call, const voip_call_state_info *info, void *user)
{
    struct line *line = line_of(call);
    (void)user;
    if (!line) return;
    if (info->state == VOIP_CALL_ENDED) {
        call_ended(line, info);
        return;
    }
    line->state = info->state;
    say("event=state call=%d state=%s code=%d", line->number, state_name(info->state), info->sip_code);
    put_word("reason", info->reason);
    end_line();
    if (info->state == VOIP_CALL_ANSWERED) {
        start_recording(line);
        start_audio(line);
    }
}

static void on_call_media(voip_call *call, const voip_call_media_info *info, void *user)
{
    static const char *const events[] = {"negotiated", "started", "source_changed", "timeout", "resumed"};
    static const char *const ways[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
    struct line *line = line_of(call);
    voip_call_srtp_info srtp = VOIP_CALL_SRTP_INFO_INIT;
    (void)user;
    if (!line || failed("media", voip_call_get_srtp_info(call, &srtp))) return;
    say("event=media call=%d media=%s direction=%s held_by_us=%d held_by_peer=%d", line->number, events[info->event],
        ways[info->direction], info->held_by_us, info->held_by_peer);
    put_word("codec", info->codec);
    put_word("srtp", srtp.sending && srtp.receiving ? srtp.suite : "off");
    put_word("remote", info->remote);
    end_line();
    /* Early media are worth hearing too. */
    if (info->event == VOIP_MEDIA_NEGOTIATED) start_recording(line);
}

static void on_dtmf(voip_call *call, const voip_dtmf_info *info, void *user)
{
    struct line *line = line_of(call);
    (void)user;
    if (!line) return;
    say("event=dtmf call=%d digit=%c duration=%u method=%s", line->number, info->digit, info->duration_ms,
        info->method == VOIP_DTMF_INFO ? "info" : "rtp");
    end_line();
}

static void on_dtmf_sent(voip_call *call, const voip_play_info *info, void *user)
{
    struct line *line = line_of(call);
    (void)user;
    if (!line) return;
    say("event=dtmf_sent call=%d completed=%d", line->number, info->completed);
    end_line();
}

static void on_play_finished(voip_call *call, const voip_play_info *info, void *user)
{
    struct line *line = line_of(call);
    (void)user;
    if (!line) return;
    say("event=play_finished call=%d completed=%d", line->number, info->completed);
    end_line();
}

static void on_record_finished(voip_call *call, const voip_record_info *info, void *user)
{
    struct line *line = line_of(call);
    (void)user;
    if (!line) return;
    line->recording = 0;
    say("event=record_finished call=%d frames=%llu ok=%d", line->number, (unsigned long long)info->frames, info->ok);
    end_line();
}

static void on_capture_finished(voip_call *call, const voip_capture_info *info, void *user)
{
    struct line *line = line_of(call);
    (void)user;
    if (!line) return;
    say("event=capture_finished call=%d packets=%llu lost=%llu ok=%d", line->number, (unsigned long long)info->packets,
        (unsigned long long)info->lost, info->ok);
    end_line();
}

static void on_transfer(voip_call *call, const voip_transfer_info *info, void *user)
{
    struct line *line = line_of(call);
    (void)user;
    if (!line) return;
    say("event=transfer call=%d code=%d finished=%d", line->number, info->sip_code, info->finished);
    put_word("reason", info->reason);
    end_line();
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

static void dial(const char *target)
{
    voip_call_options options = VOIP_CALL_OPTIONS_INIT;
    struct line *line = new_line(target, 1);
    options.user_data = line;
    line->state = VOIP_CALL_DIALING;
    if (failed("dial", voip_phone_dial(app.phone, target, &options, &line->call))) {
        app.calls_made--; /* nothing happened: the number is free again */
        drop_line(line);
        return;
    }
    say("event=outgoing call=%d", line->number);
    put_word("to", target);
    end_line();
    start_capture(line);
}

static void show_stats(struct line *line)
{
    voip_call_stats s = VOIP_CALL_STATS_INIT;
    if (failed("stats", voip_call_get_stats(line->call, &s))) return;
    say("event=stats call=%d rx_packets=%llu rx_bytes=%llu rx_lost=%llu rx_late=%llu rx_duplicate=%llu"
        " rx_reordered=%llu rx_discarded=%llu rx_concealed_frames=%llu rx_jitter_us=%u tx_packets=%llu tx_bytes=%llu"
        " tx_underrun_frames=%llu tx_late_max_us=%u rx_srtp_auth=%llu rx_srtp_replay=%llu"
        " rtcp_sent=%llu rtcp_received=%llu rtt_us=%u remote_lost=%llu remote_loss_permille=%u remote_jitter_us=%u",
        line->number, (unsigned long long)s.rx_packets, (unsigned long long)s.rx_bytes, (unsigned long long)s.rx_lost,
        (unsigned long long)s.rx_late, (unsigned long long)s.rx_duplicate, (unsigned long long)s.rx_reordered,
        (unsigned long long)s.rx_discarded, (unsigned long long)s.rx_concealed_frames, (unsigned)s.rx_jitter_us,
        (unsigned long long)s.tx_packets, (unsigned long long)s.tx_bytes, (unsigned long long)s.tx_underrun_frames,
        (unsigned)s.tx_late_max_us, (unsigned long long)s.rx_srtp_auth, (unsigned long long)s.rx_srtp_replay,
        (unsigned long long)s.rtcp_sent, (unsigned long long)s.rtcp_received, (unsigned)s.rtt_us,
        (unsigned long long)s.remote_lost, (unsigned)s.remote_loss_permille, (unsigned)s.remote_jitter_us);
    end_line();
}

static void show_calls(void)
{
    int count = 0;
    for (struct line *line = app.lines; line; line = line->next, count++) {
        say("event=call call=%d state=%s direction=%s", line->number, state_name(line->state),
            line->outgoing ? "outgoing" : "incoming");
        put_word("remote", line->remote);
        end_line();
    }
    say("event=calls count=%d", count);
    end_line();
}

static void quit(void)
{
    if (app.stopping) return;
    app.stopping = 1;
    if (failed("quit", voip_phone_stop(app.phone, 3000))) app.stopped = 1;
}

/* Commands about one call: the rest of the line is `argument`. 0: no such command. */
static int call_command(const char *command, struct line *line, char *argument)
{
    voip_call *call = line->call;
    if (!strcmp(command, "answer")) failed(command, voip_call_answer(call));
    else if (!strcmp(command, "reject")) failed(command, voip_call_reject(call, *argument ? atoi(argument) : 603, NULL));
    else if (!strcmp(command, "hangup")) failed(command, voip_call_hangup(call));
    else if (!strcmp(command, "keys")) failed(command, voip_call_send_dtmf(call, argument, 100, 60, VOIP_DTMF_RTP));
    else if (!strcmp(command, "play")) failed(command, voip_call_play_file(call, argument));
    else if (!strcmp(command, "record")) {
        if (!failed(command, voip_call_record_start(call, argument, NULL))) line->recording = 1;
    } else if (!strcmp(command, "capture")) failed(command, voip_call_capture_start(call, argument, NULL));
    else if (!strcmp(command, "hold")) failed(command, voip_call_hold(call));
    else if (!strcmp(command, "resume")) failed(command, voip_call_resume(call));
    else if (!strcmp(command, "transfer")) failed(command, voip_call_transfer(call, argument));
    else if (!strcmp(command, "progress")) failed(command, voip_call_progress(call));
    else if (!strcmp(command, "redirect")) failed(command, voip_call_redirect(call, argument));
    else if (!strcmp(command, "stats")) show_stats(line);
    else return 0;
    return 1;
}

static int known_call_command(const char *command)
{
    static const char *const names[] = {"answer", "reject", "hangup", "keys", "play", "record", "capture", "hold", "resume",
        "transfer", "progress", "redirect", "stats"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(command, names[i])) return 1;
    return 0;
}

static void obey(char *text)
{
    char *rest = NULL, *end = NULL;
    const char *command = strtok_r(text, " \t\r", &rest);
    if (!command || *command == '#') return;
    rest += strspn(rest, " \t\r");
    for (size_t len = strlen(rest); len > 0 && strchr(" \t\r", rest[len - 1]); len--) rest[len - 1] = '\0';
    if (!strcmp(command, "quit") || !strcmp(command, "exit")) quit();
    else if (!strcmp(command, "calls")) show_calls();
    else if (!strcmp(command, "dial")) {
        if (*rest) dial(rest);
        else say_error(command, "dial whom? say: dial URI");
    } else if (!known_call_command(command)) say_error(command, "unknown command");
    else {
        long number = strtol(rest, &end, 10);
        struct line *line = end == rest ? NULL : line_numbered((int)number);
        end += strspn(end, " \t");
        if (end == rest) say_error(command, "which call? give its number");
        else if (!line) say_error(command, "there is no such call");
        else call_command(command, line, end);
    }
}

/* Takes whole lines from standard input. 0 at its end. */
static int read_commands(void)
{
    static char buffer[4096];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, buffer + used, sizeof buffer - 1 - used);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    used += (size_t)got;
    buffer[used] = '\0';
    char *start = buffer;
    for (char *newline; (newline = strchr(start, '\n')); start = newline + 1) {
        *newline = '\0';
        obey(start);
    }
    used -= (size_t)(start - buffer);
    memmove(buffer, start, used + 1);
    if (got == 0 && used) obey(buffer);
    if (used == sizeof buffer - 1) {
        say_error("input", "the line is too long");
        used = 0;
    }
    return got != 0;
}

/* ---- options ------------------------------------------------------------------------------------------------ */

static const char usage[] =
    "usage: phone [--bind IP:PORT] [--server sip:HOST:PORT --user U --password P]\n"
    "             [--transport udp|tcp|tls] [--tls-ca FILE] [--tls-cert FILE] [--codecs LIST]\n"
    "             [--max-calls N] [--on-call ring|answer|busy|ignore] [--audio none|echo|tone:HZ|play:FILE]\n"
    "             [--record PATTERN] [--capture PATTERN] [--media-threads N]\n"
    "             [--srtp off|optional|mandatory] [--srtp-suites LIST] [--once] [--trace]\n"
    "commands: dial URI, answer N, reject N CODE, hangup N, keys N DIGITS, play N FILE, record N FILE,\n"
    "          capture N FILE, stats N, hold N, resume N, transfer N URI, progress N, redirect N URI, calls, quit\n";

static int bad_option(const char *option, const char *why)
{
    fprintf(stderr, "phone: %s: %s\n%s", option, why, usage);
    return 2;
}

/* `host:port`, `[v6]:port`, `host`, with or without `sip:` before. */
static int split_host(const char *text, char *host, size_t len, int *port)
{
    if (!strncmp(text, "sip:", 4)) text += 4;
    const char *end = *text == '[' ? strchr(text, ']') : NULL;
    if (*text == '[' && !end) return 0;
    const char *colon = strchr(end ? end : text, ':');
    const char *from = end ? text + 1 : text, *to = end ? end : colon ? colon : text + strlen(text);
    if (to == from || (size_t)(to - from) >= len) return 0;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    if (!colon) return 1;
    char *rest;
    long number = strtol(colon + 1, &rest, 10);
    if (rest == colon + 1 || (*rest && *rest != ';') || number < 0 || number > 65535) return 0;
    *port = (int)number;
    return 1;
}

static int choose(const char *value, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(value, names[i])) return i;
    return -1;
}

static int set_audio(const char *value)
{
    if (!strcmp(value, "none")) app.audio = AUDIO_NONE;
    else if (!strcmp(value, "echo")) app.audio = AUDIO_ECHO;
    else if (!strncmp(value, "tone:", 5) && (app.hz = atof(value + 5)) > 0) app.audio = AUDIO_TONE;
    else if (!strncmp(value, "play:", 5) && value[5]) app.audio = AUDIO_PLAY, app.file = value + 5;
    else return 0;
    return 1;
}

struct account {
    const char *user, *password;
    char host[256];
    int port;
};

/* One option with its value. NULL: well; else what is wrong with it. */
static const char *take_option(voip_config *config, struct account *account, const char *option, const char *value)
{
    static const char *const transports[] = {"udp", "tcp", "tls", NULL};
    static const char *const on_call[] = {"ring", "answer", "busy", "ignore", NULL};
    static const char *const srtp[] = {"default", "off", "optional", "mandatory", NULL};
    char host[256];
    int port = 5060, choice;
    voip_status status = VOIP_OK;
    if (!strcmp(option, "--bind")) {
        if (!split_host(value, host, sizeof host, &port)) return "not IP:PORT";
        status = voip_config_set_bind(config, host, port);
    } else if (!strcmp(option, "--server")) {
        account->port = 0; /* the default of the transport */
        if (!split_host(value, account->host, sizeof account->host, &account->port)) return "not sip:HOST:PORT";
    } else if (!strcmp(option, "--transport")) {
        if ((choice = choose(value, transports)) < 0) return "not udp, tcp or tls";
        status = voip_config_set_transport(config, choice);
    } else if (!strcmp(option, "--tls-ca")) {
        status = voip_config_set_tls_ca_file(config, value);
    } else if (!strcmp(option, "--tls-cert")) { /* with its key in the same file */
        status = voip_config_set_tls_certificate(config, value, value, NULL);
    } else if (!strcmp(option, "--user")) account->user = value;
    else if (!strcmp(option, "--password")) account->password = value;
    else if (!strcmp(option, "--codecs")) status = voip_config_set_codecs(config, value);
    else if (!strcmp(option, "--max-calls")) status = voip_config_set_max_calls(config, (uint32_t)atoi(value));
    else if (!strcmp(option, "--media-threads")) status = voip_config_set_media_threads(config, (uint32_t)atoi(value));
    else if (!strcmp(option, "--record")) app.record = value;
    else if (!strcmp(option, "--capture")) app.capture = value;
    else if (!strcmp(option, "--audio")) return set_audio(value) ? NULL : "not none, echo, tone:HZ or play:FILE";
    else if (!strcmp(option, "--on-call")) {
        if ((choice = choose(value, on_call)) < 0) return "not ring, answer, busy or ignore";
        app.on_call = (enum on_call)choice;
    } else if (!strcmp(option, "--srtp")) {
        if ((choice = choose(value, srtp)) < 0) return "not off, optional or mandatory";
        status = voip_config_set_srtp(config, choice);
    } else if (!strcmp(option, "--srtp-suites")) status = voip_config_set_srtp_suites(config, value);
    else return "unknown option";
    return status == VOIP_OK ? NULL : voip_last_error_message();
}

static void trace(voip_log_level level, const char *target, const char *text, void *user)
{
    (void)level, (void)target, (void)user;
    fprintf(stderr, "%s\n", text);
}

static int read_options(voip_config *config, int argc, char **argv)
{
    struct account account = {0};
    for (int i = 1; i < argc; i++) {
        const char *why;
        if (!strcmp(argv[i], "--once")) app.once = 1;
        else if (!strcmp(argv[i], "--trace")) {
            voip_log_set_callback(trace, NULL, NULL);
            voip_log_set_sip_trace(1);
        } else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(usage, stdout);
            exit(0);
        } else if (i + 1 == argc) return bad_option(argv[i], "needs a value, or is not known");
        else if ((why = take_option(config, &account, argv[i], argv[i + 1]))) return bad_option(argv[i], why);
        else i++;
    }
    if (!*account.host) return account.user ? bad_option("--user", "needs --server") : 0;
    if (!account.user) return bad_option("--server", "needs --user");
    if (voip_config_set_server(config, account.host, account.port) != VOIP_OK)
        return bad_option("--server", account.host);
    if (voip_config_set_credentials(config, account.user, NULL, account.password ? account.password : "") != VOIP_OK)
        return bad_option("--user", account.user);
    return 0;
}

/* ---- the loop ----------------------------------------------------------------------------------------------- */

/* SIGINT and SIGTERM become readable; the library's threads block all signals. */
static int signal_descriptor(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Without any commands to come (a service that got /dev/null) the phone runs until it is told to end. */
static int stdin_is_null(void)
{
    struct stat in, null;
    return fstat(STDIN_FILENO, &in) != 0 ||
           (stat("/dev/null", &null) == 0 && S_ISCHR(in.st_mode) && in.st_rdev == null.st_rdev);
}

static void run(int signals, int events)
{
    struct pollfd ready[4] = {{stdin_is_null() ? -1 : STDIN_FILENO, POLLIN, 0}, {events, POLLIN, 0},
        {signals, POLLIN, 0}, {app.timer, POLLIN, 0}};
    struct signalfd_siginfo which;
    uint64_t ticks;
    uint32_t done;
    int input_over = 0;
    while (!app.stopped) {
        /* No more commands: calls that run go on to their end. */
        if (input_over && !app.lines && !app.once) quit();
        if (poll(ready, 4, -1) < 0 && errno != EINTR) break;
        if (ready[2].revents && read(signals, &which, sizeof which) > 0) {
            if (app.stopping) break; /* the second Ctrl-C */
            quit();
        }
        if (ready[3].revents && read(app.timer, &ticks, sizeof ticks) > 0) pump();
        if (ready[1].revents) voip_phone_process_events(app.phone, 64, 0, &done);
        if (ready[0].revents && !read_commands()) {
            input_over = 1;
            ready[0].fd = -1;
        }
    }
}

static const voip_callbacks *callbacks(void)
{
    static voip_callbacks table = VOIP_CALLBACKS_INIT;
    table.on_phone_status = on_phone_status;
    table.on_account_status = on_account_status;
    table.on_incoming_call = on_incoming_call;
    table.on_call_state = on_call_state;
    table.on_call_media = on_call_media;
    table.on_dtmf = on_dtmf;
    table.on_dtmf_sent = on_dtmf_sent;
    table.on_play_finished = on_play_finished;
    table.on_record_finished = on_record_finished;
    table.on_capture_finished = on_capture_finished;
    table.on_transfer = on_transfer;
    return &table;
}

int main(int argc, char **argv)
{
    voip_config *config = NULL;
    char local[128] = "";
    int events = -1, code, signals = signal_descriptor();
    setvbuf(stdout, NULL, _IOLBF, 0);
    app.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (failed("config", voip_config_new(&config))) return 1;
    if ((code = read_options(config, argc, argv))) return code;
    voip_config_set_event_mode(config, VOIP_EVENTS_HOST);
    if (failed("start", voip_phone_new(config, &app.phone)) ||
        failed("start", voip_phone_set_callbacks(app.phone, callbacks(), NULL, NULL)) ||
        failed("start", voip_phone_get_event_fd(app.phone, &events)) || failed("start", voip_phone_start(app.phone)))
        return 1;
    voip_phone_get_local_address(app.phone, local, sizeof local, NULL);
    say("event=started");
    put_word("local", local);
    end_line();
    run(signals, events);
    voip_phone_free(app.phone);
    voip_config_free(config);
    while (app.lines) { /* only after a second Ctrl-C: their handles went with the phone */
        app.lines->outgoing = 0;
        drop_line(app.lines);
    }
    return 0;
}
