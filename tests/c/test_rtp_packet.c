/* RTP packets, the payload table, telephone-event, and what a datagram is. */
#include "check.h"

static void round_trip(const uint8_t *data, size_t len)
{
    voip_rtp_packet packet = VOIP_RTP_PACKET_INIT;
    uint8_t again[512];
    size_t written = 0;
    OK(voip_rtp_packet_parse(data, len, &packet));
    CHECK(packet.raw == data && packet.raw_len == len);
    OK(voip_rtp_packet_write(&packet, again, sizeof again, &written));
    CHECK(written == len && memcmp(data, again, len) == 0);
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_rtp_packet_write(&packet, again, len - 1, &written));
    CHECK(written == len);
}

static void packets(void)
{
    /* Two CSRCs, a one-byte extension, marker, odd padding. */
    static const uint8_t all[] = {0xb2, 0x88, 0xff, 0xfe, 0, 0, 0, 9, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6,
                                  0xbe, 0xde, 0, 2,    0x10, 0xaa, 0x21, 7, 8, 0, 0, 0, 'p', 'c', 'm', 9, 9, 3};
    static const uint8_t plain[] = {0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'x'};
    voip_rtp_packet p = VOIP_RTP_PACKET_INIT;
    const uint8_t *data = NULL;
    size_t cursor = 0, len = 0;
    uint8_t id = 0, broken[sizeof all];
    char line[256];

    round_trip(all, sizeof all);
    round_trip(plain, sizeof plain);
    OK(voip_rtp_packet_parse(all, sizeof all, &p));
    CHECK(p.version == 2 && p.marker && p.payload_type == 8 && p.sequence == 0xfffe && p.timestamp == 9);
    CHECK(p.ssrc == 0x01020304 && p.csrc_count == 2 && p.csrc[1] == 6 && p.padding_len == 3);
    CHECK(p.extension_profile == 0xbede && p.extension_len == 8 && p.payload_len == 3 && p.payload[0] == 'p');
    OK(voip_rtp_packet_next_element(&p, &cursor, &id, &data, &len));
    CHECK(id == 1 && len == 1 && data[0] == 0xaa);
    OK(voip_rtp_packet_next_element(&p, &cursor, &id, &data, &len));
    CHECK(id == 2 && len == 2 && data[1] == 8);
    GIVES(VOIP_ERR_RANGE, voip_rtp_packet_next_element(&p, &cursor, &id, &data, &len));
    OK(voip_rtp_packet_get_summary(&p, line, sizeof line, NULL));
    CHECK(strstr(line, "pt=8") && strstr(line, "seq=65534"));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_rtp_packet_get_summary(&p, line, 3, NULL));

    memcpy(broken, all, sizeof all);
    broken[sizeof broken - 1] = 0;
    SAYS(VOIP_ERR_PARSE, "padding", voip_rtp_packet_parse(broken, sizeof broken, &p));
    broken[0] = 0x40;
    GIVES(VOIP_ERR_PARSE, voip_rtp_packet_parse(broken, sizeof broken, &p));
    for (len = 0; len < 32; len++) {
        GIVES(VOIP_ERR_PARSE, voip_rtp_packet_parse(all, len, &p));
    }
    GIVES(VOIP_ERR_NULL, voip_rtp_packet_parse(NULL, 12, &p));
    GIVES(VOIP_ERR_NULL, voip_rtp_packet_parse(plain, sizeof plain, NULL));
}

static void built(void)
{
    voip_rtp_packet p = VOIP_RTP_PACKET_INIT, q = VOIP_RTP_PACKET_INIT;
    uint8_t extension[16], out[64];
    size_t used = 0, written = 0;

    OK(voip_rtp_extension_add(0xbede, 4, (const uint8_t *)"abc", 3, extension, sizeof extension, &used));
    CHECK(used == 4);
    OK(voip_rtp_extension_add(0xbede, 5, (const uint8_t *)"d", 1, extension, sizeof extension, &used));
    GIVES(VOIP_ERR_RANGE, voip_rtp_extension_add(0xbede, 15, (const uint8_t *)"d", 1, extension, sizeof extension, &used));
    CHECK(used == 6);
    p.payload_type = 127;
    p.sequence = 65535;
    p.timestamp = 0xffffffffu;
    p.has_extension = 1;
    p.extension_profile = 0xbede;
    p.extension = extension;
    p.extension_len = 8;
    p.payload = (const uint8_t *)"hi";
    p.payload_len = 2;
    p.padding_len = 2;
    OK(voip_rtp_packet_write(&p, out, sizeof out, &written));
    OK(voip_rtp_packet_parse(out, written, &q));
    CHECK(q.sequence == 65535 && q.timestamp == 0xffffffffu && q.payload_len == 2 && q.padding_len == 2);
    p.extension_len = 6;
    GIVES(VOIP_ERR_RANGE, voip_rtp_packet_write(&p, out, sizeof out, &written));
    p.extension_len = 8;
    p.payload_type = 128;
    GIVES(VOIP_ERR_RANGE, voip_rtp_packet_write(&p, out, sizeof out, &written));
    p.payload_type = 0;
    p.csrc_count = 16;
    GIVES(VOIP_ERR_RANGE, voip_rtp_packet_write(&p, out, sizeof out, &written));
    p.csrc_count = 0;
    p.padding_len = 256;
    GIVES(VOIP_ERR_RANGE, voip_rtp_packet_write(&p, out, sizeof out, &written));
    p.size = 3;
    GIVES(VOIP_ERR_ARGUMENT, voip_rtp_packet_write(&p, out, sizeof out, &written));
}

/* Elements of RFC 8285 in both forms: written, carried by a packet, and read back. */
static void elements(void)
{
    static const uint8_t long_data[255] = {9};
    const uint32_t profiles[] = {0xbede, 0x1000, 0x1005};
    size_t form;
    for (form = 0; form < sizeof profiles / sizeof *profiles; form++) {
        const int one = profiles[form] == 0xbede;
        const uint8_t last_id = one ? 14 : 255;
        const size_t longest = one ? 16 : 255, shortest = one ? 1 : 0;
        voip_rtp_packet p = VOIP_RTP_PACKET_INIT, q = VOIP_RTP_PACKET_INIT;
        uint8_t body[288], out[320], id = 0;
        const uint8_t *data = NULL;
        size_t used = 0, len = 0, cursor = 0, written = 0;
        memset(body, 0xee, sizeof body);
        OK(voip_rtp_extension_add(profiles[form], 1, (const uint8_t *)"abc", 3, body, sizeof body, &used));
        CHECK(used == (one ? 4u : 5u));
        OK(voip_rtp_extension_add(profiles[form], last_id, long_data, longest, body, sizeof body, &used));
        OK(voip_rtp_extension_add(profiles[form], 2, long_data, shortest, body, sizeof body, &used));
        /* What does not fit changes nothing. */
        cursor = used;
        GIVES(VOIP_ERR_RANGE, voip_rtp_extension_add(profiles[form], 0, long_data, 1, body, sizeof body, &used));
        GIVES(VOIP_ERR_RANGE, voip_rtp_extension_add(profiles[form], 3, long_data, longest, body, used + 4, &used));
        if (one) {
            GIVES(VOIP_ERR_RANGE, voip_rtp_extension_add(profiles[form], 15, long_data, 1, body, sizeof body, &used));
            GIVES(VOIP_ERR_RANGE, voip_rtp_extension_add(profiles[form], 3, long_data, 17, body, sizeof body, &used));
            GIVES(VOIP_ERR_RANGE, voip_rtp_extension_add(profiles[form], 3, long_data, 0, body, sizeof body, &used));
        }
        CHECK(used == cursor);
        p.has_extension = 1;
        p.extension_profile = (uint16_t)profiles[form];
        p.extension = body;
        p.extension_len = (used + 3) / 4 * 4;
        p.payload = (const uint8_t *)"x";
        p.payload_len = 1;
        OK(voip_rtp_packet_write(&p, out, sizeof out, &written));
        OK(voip_rtp_packet_parse(out, written, &q));
        CHECK(q.extension_profile == profiles[form] && q.payload_len == 1 && q.payload[0] == 'x');
        cursor = 0;
        OK(voip_rtp_packet_next_element(&q, &cursor, &id, &data, &len));
        CHECK(id == 1 && len == 3 && memcmp(data, "abc", 3) == 0);
        OK(voip_rtp_packet_next_element(&q, &cursor, &id, &data, &len));
        CHECK(id == last_id && len == longest && memcmp(data, long_data, longest) == 0);
        OK(voip_rtp_packet_next_element(&q, &cursor, &id, &data, &len));
        CHECK(id == 2 && len == shortest);
        GIVES(VOIP_ERR_RANGE, voip_rtp_packet_next_element(&q, &cursor, &id, &data, &len));
    }
    {
        uint8_t body[8];
        size_t used = 0;
        GIVES(VOIP_ERR_RANGE, voip_rtp_extension_add(0x1234, 1, long_data, 1, body, sizeof body, &used));
        GIVES(VOIP_ERR_NULL, voip_rtp_extension_add(0xbede, 1, long_data, 1, NULL, 8, &used));
        GIVES(VOIP_ERR_NULL, voip_rtp_extension_add(0xbede, 1, NULL, 1, body, sizeof body, &used));
        GIVES(VOIP_ERR_NULL, voip_rtp_extension_add(0xbede, 1, long_data, 1, body, sizeof body, NULL));
        CHECK(used == 0);
    }
}

/* The constants are those of the table, and two of the dynamic types. */
static void constants(void)
{
    const struct { int32_t type; const char *name; } known[] = {
        {VOIP_PAYLOAD_PCMU, "PCMU"}, {VOIP_PAYLOAD_GSM, "GSM"}, {VOIP_PAYLOAD_G723, "G723"}, {VOIP_PAYLOAD_DVI4_8000, "DVI4"},
        {VOIP_PAYLOAD_DVI4_16000, "DVI4"}, {VOIP_PAYLOAD_LPC, "LPC"}, {VOIP_PAYLOAD_PCMA, "PCMA"}, {VOIP_PAYLOAD_G722, "G722"},
        {VOIP_PAYLOAD_L16_STEREO, "L16"}, {VOIP_PAYLOAD_L16, "L16"}, {VOIP_PAYLOAD_QCELP, "QCELP"}, {VOIP_PAYLOAD_CN, "CN"},
        {VOIP_PAYLOAD_MPA, "MPA"}, {VOIP_PAYLOAD_G728, "G728"}, {VOIP_PAYLOAD_DVI4_11025, "DVI4"},
        {VOIP_PAYLOAD_DVI4_22050, "DVI4"}, {VOIP_PAYLOAD_G729, "G729"}, {VOIP_PAYLOAD_CELB, "CelB"}, {VOIP_PAYLOAD_JPEG, "JPEG"},
        {VOIP_PAYLOAD_NV, "nv"}, {VOIP_PAYLOAD_H261, "H261"}, {VOIP_PAYLOAD_MPV, "MPV"}, {VOIP_PAYLOAD_MP2T, "MP2T"},
        {VOIP_PAYLOAD_H263, "H263"}};
    voip_payload_entry e = VOIP_PAYLOAD_ENTRY_INIT;
    size_t i;
    CHECK(sizeof known / sizeof *known == voip_payload_count());
    for (i = 0; i < sizeof known / sizeof *known; i++) {
        OK(voip_payload_at(i, &e));
        CHECK(e.payload_type == known[i].type && strcmp(e.name, known[i].name) == 0);
    }
    CHECK(VOIP_PAYLOAD_OPUS == 111 && VOIP_PAYLOAD_TELEPHONE_EVENT == 101);
}

static void payloads(void)
{
    voip_payload_entry e = VOIP_PAYLOAD_ENTRY_INIT;
    size_t i;
    OK(voip_payload_info(9, &e));
    CHECK(e.clock_rate == 8000 && e.audio_rate == 16000 && strcmp(e.name, "G722") == 0);
    OK(voip_payload_info(34, &e));
    CHECK(e.clock_rate == 90000 && e.kind == VOIP_KIND_VIDEO);
    for (i = 96; i < 128; i++) {
        GIVES(VOIP_ERR_DYNAMIC_PAYLOAD, voip_payload_info((int32_t)i, &e));
    }
    GIVES(VOIP_ERR_RANGE, voip_payload_info(72, &e));
    GIVES(VOIP_ERR_RANGE, voip_payload_info(300, &e));
    GIVES(VOIP_ERR_RANGE, voip_payload_info(-1, &e));
    CHECK(voip_payload_count() == 24);
    OK(voip_payload_at(23, &e));
    CHECK(e.payload_type == 34);
    GIVES(VOIP_ERR_RANGE, voip_payload_at(24, &e));
    OK(voip_payload_from_name("l16", 0, 2, &e));
    CHECK(e.payload_type == 10 && e.clock_rate == 44100);
    GIVES(VOIP_ERR_DYNAMIC_PAYLOAD, voip_payload_from_name("telephone-event", 8000, 0, &e));
    GIVES(VOIP_ERR_ARGUMENT, voip_payload_from_name("nothing", 8000, 1, &e));
    GIVES(VOIP_ERR_NULL, voip_payload_info(0, NULL));
}

static void events(void)
{
    static const uint8_t five[] = {5, 0x8a, 0x03, 0x20};
    voip_telephone_event event = VOIP_TELEPHONE_EVENT_INIT;
    uint8_t out[4], number = 0;
    size_t written = 0;
    OK(voip_telephone_event_parse(five, sizeof five, &event));
    CHECK(event.event == 5 && event.key == '5' && event.end && event.volume == 10 && event.duration == 800);
    OK(voip_telephone_event_write(&event, out, sizeof out, &written));
    CHECK(written == 4 && memcmp(out, five, 4) == 0);
    GIVES(VOIP_ERR_PARSE, voip_telephone_event_parse(five, 3, &event));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_telephone_event_write(&event, out, 3, NULL));
    event.volume = 64;
    GIVES(VOIP_ERR_RANGE, voip_telephone_event_write(&event, out, sizeof out, NULL));
    OK(voip_telephone_event_from_key('#', &number));
    CHECK(number == 11);
    GIVES(VOIP_ERR_ARGUMENT, voip_telephone_event_from_key('x', &number));
}

int main(void)
{
    static const uint8_t firsts[][2] = {{0, 1}, {16, 0}, {22, 0}, {64, 0}, {128, 0}, {128, 200}, {255, 0}};
    static const int32_t kinds[] = {VOIP_PACKET_STUN, VOIP_PACKET_ZRTP, VOIP_PACKET_DTLS, VOIP_PACKET_TURN_CHANNEL,
                                    VOIP_PACKET_RTP, VOIP_PACKET_RTCP, VOIP_PACKET_UNKNOWN};
    size_t i;
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        CHECK(voip_packet_classify(firsts[i], 2) == kinds[i]);
    }
    CHECK(voip_packet_classify(NULL, 7) == VOIP_PACKET_UNKNOWN);
    packets();
    built();
    elements();
    payloads();
    constants();
    events();
    return check_end();
}
