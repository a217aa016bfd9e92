/* 04_rtp: packets and RTCP of other implementations as they are described, captures stream by stream, the figures of the
 * RFCs, and the jitter traces through a PCM buffer. */
#include "capture.h"
#include "vectors.h"

static uint32_t hex_number(const json *object, const char *name)
{
    return (uint32_t)strtoul(text(object, name), NULL, 0);
}

/* What is parsed is built again to the bit (padding of zeros aside). */
static void rebuild(const voip_rtp_packet *packet)
{
    uint8_t again[70000];
    size_t written = 0;
    OK(voip_rtp_packet_write(packet, again, sizeof again, &written));
    CHECK(written == packet->raw_len);
    CHECK(same(again, written - packet->padding_len, packet->raw, packet->raw_len - packet->padding_len));
}

static size_t walk_elements(const voip_rtp_packet *packet)
{
    size_t cursor = 0, len = 0, n = 0;
    const uint8_t *data = NULL;
    uint8_t id = 0;
    while (voip_rtp_packet_next_element(packet, &cursor, &id, &data, &len) == VOIP_OK) {
        CHECK(data >= packet->extension && data + len <= packet->extension + packet->extension_len);
        if (++n > packet->extension_len) break;
    }
    CHECK(n <= packet->extension_len);
    return n;
}

static void rtp_as_described(const json *d, const voip_rtp_packet *p)
{
    const json *event = get(d, "as_telephone_event");
    voip_telephone_event key = VOIP_TELEPHONE_EVENT_INIT;
    CHECK(p->version == number(d, "version") && p->csrc_count == number(d, "cc"));
    CHECK((p->padding_len > 0) == (get(d, "padding")->kind == JSON_TRUE));
    CHECK((p->has_extension != 0) == (get(d, "extension")->kind == JSON_TRUE));
    CHECK((p->marker != 0) == (get(d, "marker")->kind == JSON_TRUE));
    CHECK(p->payload_type == number(d, "pt") && p->sequence == number(d, "seq"));
    CHECK(p->timestamp == number(d, "ts") && p->ssrc == hex_number(d, "ssrc"));
    CHECK(p->payload_len == number(d, "payload_len"));
    if (p->has_extension) {
        CHECK(p->extension_profile == hex_number(d, "ext_profile"));
        CHECK(p->extension_len == 4 * number(d, "ext_words"));
        walk_elements(p);
    }
    if (event->kind == JSON_OBJECT) {
        OK(voip_telephone_event_parse(p->payload, p->payload_len, &key));
        CHECK(key.event == number(event, "event") && key.volume == number(event, "volume"));
        CHECK(key.duration == number(event, "duration"));
        CHECK((key.end != 0) == (get(event, "end")->kind == JSON_TRUE));
    }
    rebuild(p);
}

static void rtp_case(const json *row, bytes file)
{
    const json *d = get(row, "described");
    voip_rtp_packet packet = VOIP_RTP_PACKET_INIT;
    voip_status status = voip_rtp_packet_parse(file.data, file.len, &packet);
    if (get(d, "valid")->kind != JSON_TRUE) {
        GIVES(VOIP_ERR_PARSE, status);
    } else if (status == VOIP_OK) {
        rtp_as_described(d, &packet);
    } else {
        /* The fuzzers' packets are described by their fixed header, also where they end inside an extension. */
        CHECK(is_text(row, "verdict", "no crash") && strstr(voip_last_error_message(), "byte") != NULL);
    }
}

static void reports_as_described(const json *d, const voip_rtcp_packet *p)
{
    const json *block;
    size_t index = 0;
    for (block = get(d, "reports")->first; block != NULL; block = block->next, index++) {
        voip_rtcp_report r;
        memset(&r, 0, sizeof r);
        OK(voip_rtcp_get_report(p, index, &r));
        CHECK(r.ssrc == hex_number(block, "ssrc") && r.fraction_lost == number(block, "fraction_lost"));
        CHECK(r.cumulative_lost == number(block, "cumulative_lost"));
        CHECK(r.highest_sequence == number(block, "ext_highest_seq") && r.jitter == number(block, "jitter"));
        CHECK(r.last_sr == number(block, "lsr") && r.delay_since_last_sr == number(block, "dlsr"));
    }
}

static void rtcp_walk(const voip_rtcp_packet *p)
{
    size_t i, n = 0;
    for (i = 0; i < 4096; i++) {
        voip_rtcp_report report;
        voip_rtcp_item item;
        uint32_t ssrc;
        int32_t kind;
        int any = voip_rtcp_get_report(p, i, &report) == VOIP_OK;
        any |= voip_rtcp_get_source(p, i, &ssrc) == VOIP_OK;
        any |= voip_rtcp_get_item(p, i, &item) == VOIP_OK;
        any |= voip_rtcp_get_xr_kind(p, i, &kind) == VOIP_OK;
        if (!any) break;
        n++;
    }
    CHECK(n <= p->raw_len);
}

static void rtcp_case(const json *row, bytes file)
{
    const json *d = get(get(row, "described"), "packets")->first;
    size_t packets = 0, cursor = 0, seen = 0;
    voip_status strict = voip_rtcp_parse(file.data, file.len, 0, NULL);
    voip_status status = voip_rtcp_parse(file.data, file.len, 1, &packets);
    voip_rtcp_packet p = VOIP_RTCP_PACKET_INIT;
    if (status != VOIP_OK) {
        GIVES(VOIP_ERR_PARSE, status);
        CHECK(strict != VOIP_OK && !is_text(row, "verdict", "valid"));
        return;
    }
    CHECK(!is_text(row, "verdict", "invalid"));
    CHECK(packets == count(get(get(row, "described"), "packets")));
    for (; voip_rtcp_next(file.data, file.len, &cursor, &p) == VOIP_OK && d != NULL; d = d->next, seen++) {
        CHECK(p.packet_type == number(d, "pt") && p.raw_len == number(d, "len"));
        if (has(d, "ssrc")) CHECK(p.ssrc == hex_number(d, "ssrc"));
        if (has(d, "rtp_ts")) {
            uint64_t ntp = strtoull(text(d, "ntp"), NULL, 0);
            CHECK(p.rtp_timestamp == number(d, "rtp_ts") && p.packets == number(d, "packets") && p.octets == number(d, "octets"));
            CHECK(p.ntp_seconds == (uint32_t)(ntp >> 32) && p.ntp_fraction == (uint32_t)ntp);
        }
        reports_as_described(d, &p);
        rtcp_walk(&p);
    }
    CHECK(seen == packets);
}

static int packet(const char *folder, const json *row)
{
    bytes file = file_of(folder, row, 0);
    if (has(get(row, "described"), "packets")) rtcp_case(row, file);
    else rtp_case(row, file);
    return 1;
}

/* ---- captures ---- */

typedef struct {
    const json *stream;
    uint32_t ssrc;
    double packets, events;
} tally;

static void count_packet(const uint8_t *data, size_t len, void *user)
{
    tally *t = (tally *)user;
    voip_rtp_packet p = VOIP_RTP_PACKET_INIT;
    voip_telephone_event event = VOIP_TELEPHONE_EVENT_INIT;
    if (voip_packet_classify(data, len) != VOIP_PACKET_RTP || voip_rtp_packet_parse(data, len, &p) != VOIP_OK) return;
    if (p.ssrc != t->ssrc) return;
    t->packets++;
    rebuild(&p);
    if (p.payload_len == 4 && voip_telephone_event_parse(p.payload, p.payload_len, &event) == VOIP_OK && event.end) t->events++;
}

static void parse_all(const uint8_t *data, size_t len, void *user)
{
    voip_rtp_packet p = VOIP_RTP_PACKET_INIT;
    size_t *rtcp = (size_t *)user, cursor = 0;
    voip_rtcp_packet r = VOIP_RTCP_PACKET_INIT;
    if (voip_rtp_packet_parse(data, len, &p) == VOIP_OK) rebuild(&p), walk_elements(&p);
    if (voip_packet_classify(data, len) != VOIP_PACKET_RTCP || voip_rtcp_parse(data, len, 1, NULL) != VOIP_OK) return;
    (*rtcp)++;
    while (voip_rtcp_next(data, len, &cursor, &r) == VOIP_OK) rtcp_walk(&r);
}

static int capture(const char *folder, const json *row)
{
    bytes file = file_of(folder, row, 0);
    const json *stream, *other, *event;
    size_t rtcp = 0;
    each_udp_payload(file.data, file.len, parse_all, &rtcp);
    CHECK(rtcp >= number(get(row, "frames_by_protocol"), "rtcp"));
    for (stream = get(row, "streams_by_script")->first; stream != NULL; stream = stream->next) {
        tally t = {stream, hex_number(stream, "ssrc"), 0, 0};
        double packets = 0, ends = 0;
        /* The same source may stand in several rows: both ways, or from two ports. */
        for (other = get(row, "streams_by_script")->first; other != NULL; other = other->next) {
            if (strcmp(text(other, "ssrc"), text(stream, "ssrc")) != 0) continue;
            packets += number(other, "packets");
            for (event = get(other, "telephone_events")->first; event != NULL; event = event->next) {
                ends += number(event, "end_packets");
            }
        }
        each_udp_payload(file.data, file.len, count_packet, &t);
        CHECK(t.packets == packets);
        if (ends > 0) CHECK(t.events == ends);
    }
    return 1;
}

/* ---- figures ---- */

static void static_types(const json *map)
{
    const json *entry;
    int32_t type;
    for (entry = map->first; entry != NULL; entry = entry->next) {
        voip_payload_entry e = VOIP_PAYLOAD_ENTRY_INIT;
        char written[64];
        OK(voip_payload_info((int32_t)strtol(entry->name, NULL, 10), &e));
        if (e.channels) sprintf(written, "%s/%u/%u", e.name, e.clock_rate, e.channels);
        else sprintf(written, "%s/%u", e.name, e.clock_rate);
        CHECK(strcmp(written, entry->text) == 0);
        if (strcmp(e.name, "G722") == 0) CHECK(e.audio_rate == 16000);
    }
    for (type = 96; type < 128; type++) {
        voip_payload_entry e = VOIP_PAYLOAD_ENTRY_INIT;
        GIVES(VOIP_ERR_DYNAMIC_PAYLOAD, voip_payload_info(type, &e));
    }
}

static int figure(const char *folder, const json *row)
{
    (void)folder;
    if (is_text(row, "id", "dynamic-pt-map")) return static_types(get(row, "static")), 1;
    if (is_text(row, "id", "rfc3550-rtt")) {
        voip_rtcp_report report;
        uint32_t arrival = (uint32_t)strtoul(text(row, "A_hex"), NULL, 16);
        int64_t us = 0;
        memset(&report, 0, sizeof report);
        report.last_sr = (uint32_t)strtoul(text(row, "LSR_hex"), NULL, 16);
        report.delay_since_last_sr = (uint32_t)strtoul(text(row, "DLSR_hex"), NULL, 16);
        OK(voip_rtcp_get_round_trip(&report, arrival >> 16, arrival << 16, &us));
        CHECK(us == (int64_t)(number(row, "expected_seconds") * 1e6));
        return 1;
    }
    /* When a report is due, and which bits of an NTP time go into LSR, is the session's business: tests/rtcp.rs. */
    return 0;
}

/* ---- jitter traces ---- */

/* What is put is got in order and to the byte, whatever the trace does; only holes and lateness are silence. */
static int trace(const char *folder, const json *row)
{
    enum { FRAMES = 160 };
    bytes file;
    const char *at;
    json *session;
    voip_pcm_buffer *buffer = NULL;
    int16_t frame[FRAMES];
    uint32_t put = 0, stamp = 0;
    size_t i, n, got_real = 0, taken = 0, all_taken = 0;
    int began = 0;
    if (!has(row, "events")) return 0;
    file = file_of(folder, row, 0);
    file.data[file.len] = 0;
    at = (const char *)file.data;
    session = json_value(&at);
    MUST(voip_pcm_buffer_new(VOIP_FORMAT_S16, 1, FRAMES * 100, &buffer));
    for (at = text(session, "events"); *at != 0; at++) {
        switch (*at) {
        case 'L': put++; continue;
        case 'J': put += 20; continue;
        case 'R': put = 0; OK(voip_pcm_buffer_reset(buffer)); began = 0; continue;
        case 'P': case 'D': case 'O':
            if (*at == 'P') stamp = put++;
            else stamp = put > 0 ? put - (*at == 'D' ? 1 : put > 3 ? 3 : put) : 0;
            for (i = 0; i < FRAMES; i++) frame[i] = (int16_t)(stamp + 1);
            OK(voip_pcm_buffer_write(buffer, stamp * FRAMES, frame, FRAMES, &taken));
            all_taken += taken;
            began = 1;
            continue;
        case 'G':
            stamp = 0;
            if (began) OK(voip_pcm_buffer_get_timestamp(buffer, &stamp));
            OK(voip_pcm_buffer_read(buffer, frame, FRAMES, &n));
            for (i = 0; i < FRAMES; i++) CHECK(frame[i] == 0 || frame[i] == (int16_t)(stamp / FRAMES + 1));
            CHECK(n == 0 || n == FRAMES);
            got_real += n;
            continue;
        }
    }
    CHECK(got_real > 0 && got_real <= all_taken);
    OK(voip_pcm_buffer_free(buffer));
    return 1;
}

int main(void)
{
    run_shared("04_rtp/packets", 109, packet);
    run_shared("04_rtp/pcap", 19, capture);
    run_shared("04_rtp/figures", 2, figure);
    run_shared("04_rtp/jitter_traces", 10, trace);
    return check_end();
}
