/* The capture of a call: a pcapng file with its SIP, RTP and RTCP, read here block by block. */
#include "pair.h"
#include <unistd.h>

typedef struct seen {
    int blocks, packets, sent, comments, ends, bad;
    int invite, ok_invite, ack, bye, ok_bye, sdp;
    int rtp_sent, rtp_received, rtcp;
    int rtp_after_bye; /* nothing may be out of order */
    uint64_t last_ns, received, dropped;
    unsigned sip_port, other_sip_port;
} seen;

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}
static unsigned get16(const unsigned char *at) { return at[0] | (unsigned)at[1] << 8; }
static unsigned net16(const unsigned char *at) { return (unsigned)at[0] << 8 | at[1]; }
static uint64_t get64(const unsigned char *at) { return get32(at) | (uint64_t)get32(at + 4) << 32; }

static uint32_t add_up(uint32_t sum, const unsigned char *at, size_t len)
{
    size_t i;
    for (i = 0; i + 1 < len; i += 2) {
        sum += net16(at + i);
    }
    return len % 2 ? sum + ((uint32_t)at[len - 1] << 8) : sum;
}
static int is_right(uint32_t sum)
{
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum == 0xffff;
}

static int begins(const unsigned char *payload, size_t len, const char *text)
{
    return len >= strlen(text) && memcmp(payload, text, strlen(text)) == 0;
}
static int holds(const unsigned char *payload, size_t len, const char *text)
{
    size_t i, n = strlen(text);
    for (i = 0; i + n <= len; i++) {
        if (memcmp(payload + i, text, n) == 0) {
            return 1;
        }
    }
    return 0;
}

static void take_message(seen *s, const unsigned char *payload, size_t len)
{
    int of_invite = holds(payload, len, " INVITE\r\n"), of_bye = holds(payload, len, " BYE\r\n");
    s->sdp += holds(payload, len, "\r\nm=audio ");
    s->invite += begins(payload, len, "INVITE ");
    s->ack += begins(payload, len, "ACK ");
    s->bye += begins(payload, len, "BYE ");
    s->ok_invite += begins(payload, len, "SIP/2.0 200") && of_invite;
    s->ok_bye += begins(payload, len, "SIP/2.0 200") && of_bye;
}

/* An IPv4 packet with a UDP datagram in it. */
static void take_packet(seen *s, const unsigned char *ip, size_t len, int sent)
{
    size_t udp_len, payload_len;
    const unsigned char *payload = ip + 28;
    uint32_t pseudo;
    CHECK(len >= 28 && ip[0] == 0x45 && ip[9] == 17 && net16(ip + 2) == len);
    udp_len = net16(ip + 24);
    CHECK(udp_len + 20 == len);
    payload_len = udp_len - 8;
    pseudo = add_up(17 + (uint32_t)udp_len, ip + 12, 8);
    s->bad += !is_right(add_up(0, ip, 20)) || !is_right(add_up(pseudo, ip + 20, udp_len));
    s->bad += memcmp(ip + 12, "\177\0\0\1\177\0\0\1", 8) != 0;
    s->packets++;
    s->sent += sent;
    if (payload_len > 0 && payload[0] >= 'A' && payload[0] <= 'Z') {
        unsigned source = net16(ip + 20), target = net16(ip + 22);
        CHECK(source == (sent ? s->sip_port : s->other_sip_port));
        CHECK(target == (sent ? s->other_sip_port : s->sip_port));
        take_message(s, payload, payload_len);
        return;
    }
    if (payload_len >= 12 && (payload[0] & 0xc0) == 0x80) {
        int rtcp = payload[1] >= 150 && payload[1] <= 207;
        s->rtcp += rtcp;
        s->rtp_sent += !rtcp && sent;
        s->rtp_received += !rtcp && !sent;
        s->rtp_after_bye += s->ok_bye > 0;
        return;
    }
    s->bad++;
}

static void take_options(seen *s, const unsigned char *at, const unsigned char *end, int is_packet, int *sent)
{
    while (at + 4 <= end && get16(at) != 0) {
        unsigned code = get16(at), len = get16(at + 2);
        if (is_packet && code == 2) {
            *sent = get32(at + 4) == 2;
        } else if (code == 1) {
            s->comments++;
        } else if (!is_packet && code == 4) {
            s->received = get64(at + 4);
        } else if (!is_packet && code == 5) {
            s->dropped = get64(at + 4);
        }
        at += 4 + (len + 3) / 4 * 4;
    }
    CHECK(at + 4 == end);
}

static void take_block(seen *s, const unsigned char *block, uint32_t total)
{
    const unsigned char *end = block + total - 4;
    int sent = -1;
    s->blocks++;
    switch (get32(block)) {
    case 0x0a0d0d0a:
        CHECK(s->blocks == 1 && get32(block + 8) == 0x1a2b3c4d);
        break;
    case 1:
        CHECK(s->blocks == 2 && get16(block + 8) == 101);
        break;
    case 6: {
        uint64_t ns = (uint64_t)get32(block + 12) << 32 | get32(block + 16);
        uint32_t len = get32(block + 20);
        CHECK(len == get32(block + 24) && get32(block + 8) == 0);
        CHECK(ns >= s->last_ns);
        s->last_ns = ns;
        take_options(s, block + 28 + (len + 3) / 4 * 4, end, 1, &sent);
        CHECK(sent == 0 || sent == 1);
        take_packet(s, block + 28, len, sent);
        break;
    }
    case 5:
        take_options(s, block + 20, end, 0, &sent);
        s->ends++;
        break;
    default:
        CHECK(0);
    }
}

static seen read_capture(const char *path, const char *own, const char *other)
{
    static unsigned char file[4 << 20];
    seen s;
    size_t size, at = 0;
    FILE *in = fopen(path, "rb");
    memset(&s, 0, sizeof s);
    s.sip_port = (unsigned)atoi(strrchr(own, ':') + 1);
    s.other_sip_port = (unsigned)atoi(strrchr(other, ':') + 1);
    CHECK(in != NULL);
    size = in == NULL ? 0 : fread(file, 1, sizeof file, in);
    CHECK(size > 0 && size < sizeof file);
    while (at + 12 <= size) {
        uint32_t total = get32(file + at + 4);
        CHECK(total % 4 == 0 && total >= 12 && at + total <= size);
        if (total < 12 || at + total > size) {
            break;
        }
        CHECK(get32(file + at + total - 4) == total);
        take_block(&s, file + at, total);
        at += total;
    }
    CHECK(at == size);
    fclose(in);
    CHECK(s.bad == 0 && s.rtp_after_bye == 0 && s.dropped == 0 && s.ends == 1);
    CHECK(s.received == (uint64_t)s.packets);
    return s;
}

static void talk(side *a, side *b, voip_call *call)
{
    int before_a = a->play_completed, before_b = b->play_completed;
    OK(voip_call_play_tone(b->incoming, 500, 400));
    OK(voip_call_play_tone(call, 700, 400));
    CHECK(side_wait(b, &b->play_completed, before_b + 1));
    CHECK(side_wait(a, &a->play_completed, before_a + 1));
}

/* A call from `from` to `to` that rings there, with its capture on the caller's side. */
static voip_call *dial_captured(side *from, side *to, const char *path)
{
    voip_call *call = NULL;
    to->on_call = 0;
    MUST(voip_phone_dial(from->phone, to->uri, NULL, &call));
    OK(voip_call_capture_start(call, path, NULL));
    CHECK(side_wait(to, &to->incoming_calls, 1));
    OK(voip_call_ring(to->incoming));
    CHECK(side_wait(from, &from->states[VOIP_CALL_RINGING], 1));
    return call;
}

/* From the first word to the last: nothing is put together but maybe the INVITE. */
static void from_the_dialling(const char *path)
{
    side a, b;
    seen s;
    voip_call *call;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = dial_captured(&a, &b, path);
    OK(voip_call_answer(b.incoming));
    MUST(voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    OK(voip_call_wait_state(b.incoming, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    talk(&a, &b, call);
    OK(voip_call_hangup(call));
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    /* Told before the end of the call was. */
    CHECK(a.captured == 1 && a.captured_lost == 0);
    s = read_capture(path, a.address, b.address);
    CHECK(a.captured_packets == (uint64_t)s.packets);
    /* A slow machine says some things twice. */
    CHECK(s.invite >= 1 && s.ok_invite >= 1 && s.ack >= 1 && s.bye >= 1 && s.ok_bye >= 1);
    CHECK(s.sdp == s.invite + s.ok_invite);
    /* The INVITE goes before the capture begins, or after: it is there once. */
    CHECK(s.comments <= 1);
    CHECK(s.rtp_sent >= 15 && s.rtp_received >= 15);
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
}

/* From the middle: the descriptions are there all the same. The callee captures, and stops before the end. */
static void from_the_middle(const char *path)
{
    side a, b;
    seen s;
    voip_call *call;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    GIVES(VOIP_ERR_NULL, voip_call_capture_start(b.incoming, NULL, NULL));
    GIVES(VOIP_ERR_ARGUMENT, voip_call_capture_start(b.incoming, "", NULL));
    SAYS(VOIP_ERR_SYSTEM, "no-such-folder", voip_call_capture_start(b.incoming, "/no-such-folder/x.pcapng", NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_capture_start(NULL, path, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_capture_stop(NULL));
    OK(voip_call_capture_stop(b.incoming)); /* nothing runs: nothing to do */
    OK(voip_call_capture_start(b.incoming, path, NULL));
    talk(&a, &b, call);
    OK(voip_call_capture_stop(b.incoming));
    CHECK(side_wait(&b, &b.captured, 1));
    s = read_capture(path, b.address, a.address);
    CHECK(b.captured_packets == (uint64_t)s.packets);
    CHECK(s.invite >= 1 && s.ok_invite >= 1 && s.sdp == s.invite + s.ok_invite && s.comments == 2);
    CHECK(s.bye == 0);
    CHECK(s.rtp_sent >= 15 && s.rtp_received >= 15);
    pair_hangup(&a, &b, call);
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_capture_start(b.incoming, path, NULL));
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_capture_stop(b.incoming));
    side_stop(&a);
    side_stop(&b);
}

/* A second capture takes the place of the first; this one is of signalling alone. */
static void signalling_alone(const char *path, const char *other)
{
    side a, b;
    seen s;
    voip_call *call;
    voip_capture_options options = VOIP_CAPTURE_OPTIONS_INIT;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    options.signalling_only = 2;
    SAYS(VOIP_ERR_RANGE, "2", voip_call_capture_start(call, path, &options));
    options.signalling_only = 1;
    options.size = 1;
    GIVES(VOIP_ERR_ARGUMENT, voip_call_capture_start(call, path, &options));
    options.size = sizeof options;
    OK(voip_call_capture_start(call, other, NULL));
    talk(&a, &b, call);
    OK(voip_call_capture_start(call, path, &options));
    CHECK(side_wait(&a, &a.captured, 1));
    talk(&a, &b, call);
    pair_hangup(&a, &b, call);
    CHECK(a.captured == 2);
    s = read_capture(other, a.address, b.address);
    CHECK(s.rtp_sent >= 15 && s.bye == 0);
    s = read_capture(path, a.address, b.address);
    CHECK(s.rtp_sent == 0 && s.rtp_received == 0 && s.rtcp == 0);
    CHECK(s.invite >= 1 && s.ok_invite >= 1 && s.bye >= 1 && s.ok_bye >= 1);
    side_stop(&a);
    side_stop(&b);
}

/* A call that nobody answers has a file, too; so has one whose phone is stopped. */
static void ends_of_other_kinds(const char *path)
{
    side a, b;
    seen s;
    voip_call *call;
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = dial_captured(&a, &b, path);
    OK(voip_call_deny(b.incoming));
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    CHECK(a.captured == 1);
    s = read_capture(path, a.address, b.address);
    CHECK(s.invite >= 1 && s.sdp == s.invite && s.ack >= 1 && s.rtp_received == 0);
    OK(voip_call_release(call));
    b.on_call = 1;
    call = pair_connect(&a, &b);
    OK(voip_call_capture_start(call, path, NULL));
    talk(&a, &b, call);
    OK(voip_phone_stop(a.phone, 2000));
    OK(voip_phone_wait_stopped(a.phone, PAIR_SECONDS * 1000));
    CHECK(side_wait(&a, &a.captured, 2));
    s = read_capture(path, a.address, b.address);
    CHECK(s.bye >= 1 && s.rtp_sent >= 15);
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
}

/* Calls that share sockets are told apart, and their packets go by other hands. */
static void on_shared_sockets(const char *path)
{
    side a, b;
    seen s;
    voip_call *call;
    voip_config *config = side_config();
    MUST(voip_config_set_media_sockets(config, 1));
    side_start(&a, config, 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    OK(voip_call_capture_start(call, path, NULL));
    talk(&a, &b, call);
    pair_hangup(&a, &b, call);
    CHECK(a.captured == 1);
    s = read_capture(path, a.address, b.address);
    CHECK(s.rtp_sent >= 15 && s.rtp_received >= 15);
    side_stop(&a);
    side_stop(&b);
}

/* In memory if there is such a place: a busy disk is no part of this test. */
static void make_file(char *path, size_t len)
{
    int fd;
    snprintf(path, len, "/dev/shm/voip-capture-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0) {
        snprintf(path, len, "/tmp/voip-capture-XXXXXX");
        fd = mkstemp(path);
    }
    CHECK(fd >= 0 && close(fd) == 0);
}

int main(void)
{
    char path[64], other[64];
    make_file(path, sizeof path);
    make_file(other, sizeof other);
    from_the_dialling(path);
    from_the_middle(path);
    signalling_alone(path, other);
    ends_of_other_kinds(path);
    on_shared_sockets(path);
    remove(path);
    remove(other);
    return check_end();
}
