/* RTCP: a compound packet with everything, written, checked and walked. */
#include "check.h"

static uint8_t out[1024];
static size_t used;

static void written(void)
{
    voip_rtcp_packet sender = VOIP_RTCP_PACKET_INIT;
    voip_rtcp_report report;
    voip_rtcp_item items[2];
    voip_rtcp_dlrr dlrr = {5, 6, 7};
    voip_rtcp_metrics metrics;
    uint32_t sources[2] = {1, 2};
    size_t before;

    memset(&report, 0, sizeof report);
    memset(&metrics, 0, sizeof metrics);
    memset(items, 0, sizeof items);
    sender.ssrc = 0x11;
    sender.ntp_seconds = 100;
    sender.ntp_fraction = 0x80000000u;
    sender.rtp_timestamp = 160;
    sender.packets = 3;
    sender.octets = 480;
    report.ssrc = 0x22;
    report.fraction_lost = 25;
    report.cumulative_lost = -2;
    OK(voip_rtcp_write_sr(out, sizeof out, &used, &sender, &report, 1));
    CHECK(used == 52);
    report.fraction_lost = 256;
    GIVES(VOIP_ERR_RANGE, voip_rtcp_write_rr(out, sizeof out, &used, 1, &report, 1));
    report.fraction_lost = 1;
    OK(voip_rtcp_write_rr(out, sizeof out, &used, 0x33, &report, 1));
    GIVES(VOIP_ERR_NULL, voip_rtcp_write_rr(out, sizeof out, &used, 0x33, NULL, 1));
    items[0].kind = VOIP_RTCP_CNAME;
    items[0].text = "me@here";
    items[0].text_len = 7;
    items[1].kind = VOIP_RTCP_TOOL;
    items[1].text = "t";
    items[1].text_len = 1;
    OK(voip_rtcp_write_sdes(out, sizeof out, &used, 0x11, items, 2));
    items[1].kind = 0;
    before = used;
    GIVES(VOIP_ERR_RANGE, voip_rtcp_write_sdes(out, sizeof out, &used, 0x11, items, 2));
    CHECK(used == before);
    OK(voip_rtcp_write_app(out, sizeof out, &used, 3, 0x11, "ABCD", (const uint8_t *)"data", 4));
    GIVES(VOIP_ERR_ARGUMENT, voip_rtcp_write_app(out, sizeof out, &used, 3, 0x11, "ABC", NULL, 0));
    OK(voip_rtcp_write_feedback(out, sizeof out, &used, VOIP_RTCP_PSFB, 1, 0x11, 0x22, NULL, 0));
    GIVES(VOIP_ERR_RANGE, voip_rtcp_write_feedback(out, sizeof out, &used, VOIP_RTCP_SR, 1, 1, 1, NULL, 0));
    OK(voip_rtcp_write_reference_time(out, sizeof out, &used, 0x11, 9, 8));
    OK(voip_rtcp_write_dlrr(out, sizeof out, &used, 0x11, &dlrr, 1));
    metrics.ssrc = 0x22;
    metrics.mos_cq = 41;
    metrics.signal_level = -20;
    OK(voip_rtcp_write_metrics(out, sizeof out, &used, 0x11, &metrics));
    GIVES(VOIP_ERR_NULL, voip_rtcp_write_metrics(out, sizeof out, &used, 0x11, NULL));
    OK(voip_rtcp_write_bye(out, sizeof out, &used, sources, 2, "done"));
    before = used;
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_rtcp_write_bye(out, used + 4, &used, sources, 2, "done"));
    CHECK(used == before);
    GIVES(VOIP_ERR_NULL, voip_rtcp_write_bye(out, sizeof out, NULL, sources, 2, NULL));
}

static void reports(const voip_rtcp_packet *packet)
{
    voip_rtcp_report report;
    OK(voip_rtcp_get_report(packet, 0, &report));
    CHECK(report.ssrc == 0x22 && report.cumulative_lost == -2);
    GIVES(VOIP_ERR_RANGE, voip_rtcp_get_report(packet, 1, &report));
}

static void extended(const voip_rtcp_packet *packet)
{
    voip_rtcp_dlrr dlrr;
    voip_rtcp_metrics metrics;
    uint32_t seconds = 0, fraction = 0;
    int32_t kind = 0;
    OK(voip_rtcp_get_xr_kind(packet, 0, &kind));
    switch (kind) {
    case 4:
        OK(voip_rtcp_get_reference_time(packet, 0, &seconds, &fraction));
        CHECK(seconds == 9 && fraction == 8);
        GIVES(VOIP_ERR_STATE, voip_rtcp_get_dlrr(packet, 0, 0, &dlrr));
        break;
    case 5:
        OK(voip_rtcp_get_dlrr(packet, 0, 0, &dlrr));
        CHECK(dlrr.ssrc == 5 && dlrr.last_rr == 6 && dlrr.delay == 7);
        GIVES(VOIP_ERR_RANGE, voip_rtcp_get_dlrr(packet, 0, 1, &dlrr));
        break;
    default:
        OK(voip_rtcp_get_metrics(packet, 0, &metrics));
        CHECK(metrics.mos_cq == 41 && metrics.signal_level == -20);
        GIVES(VOIP_ERR_RANGE, voip_rtcp_get_metrics(packet, 1, &metrics));
        break;
    }
}

int main(void)
{
    static const int32_t order[] = {VOIP_RTCP_SR, VOIP_RTCP_RR, VOIP_RTCP_SDES, VOIP_RTCP_APP, VOIP_RTCP_PSFB,
                                    VOIP_RTCP_XR, VOIP_RTCP_XR, VOIP_RTCP_XR, VOIP_RTCP_BYE};
    voip_rtcp_packet packet = VOIP_RTCP_PACKET_INIT;
    voip_rtcp_item item;
    size_t cursor = 0, count = 0, seen = 0;
    uint32_t source = 0;

    written();
    OK(voip_rtcp_parse(out, used, 0, &count));
    CHECK(count == sizeof order / sizeof order[0]);
    while (voip_rtcp_next(out, used, &cursor, &packet) == VOIP_OK) {
        CHECK(seen < count && packet.packet_type == order[seen]);
        seen++;
        switch (packet.packet_type) {
        case VOIP_RTCP_SR:
            CHECK(packet.ssrc == 0x11 && packet.ntp_fraction == 0x80000000u && packet.octets == 480);
            reports(&packet);
            GIVES(VOIP_ERR_STATE, voip_rtcp_get_item(&packet, 0, &item));
            break;
        case VOIP_RTCP_RR:
            CHECK(packet.ssrc == 0x33);
            reports(&packet);
            break;
        case VOIP_RTCP_SDES:
            OK(voip_rtcp_get_item(&packet, 1, &item));
            CHECK(item.ssrc == 0x11 && item.kind == VOIP_RTCP_TOOL && item.text_len == 1 && item.text[0] == 't');
            GIVES(VOIP_ERR_RANGE, voip_rtcp_get_item(&packet, 2, &item));
            break;
        case VOIP_RTCP_APP:
            CHECK(strcmp(packet.name, "ABCD") == 0 && packet.count == 3 && packet.data_len == 4);
            break;
        case VOIP_RTCP_PSFB:
            CHECK(packet.media_ssrc == 0x22 && packet.count == 1);
            break;
        case VOIP_RTCP_XR:
            extended(&packet);
            break;
        default:
            CHECK(packet.count == 2 && packet.data_len == 4 && memcmp(packet.data, "done", 4) == 0);
            OK(voip_rtcp_get_source(&packet, 1, &source));
            CHECK(source == 2);
            break;
        }
    }
    CHECK(seen == count);
    GIVES(VOIP_ERR_RANGE, voip_rtcp_next(out, used, &cursor, &packet));
    SAYS(VOIP_ERR_PARSE, "byte 0", voip_rtcp_parse(out + 84, used - 84, 0, NULL));
    OK(voip_rtcp_parse(out + 84, used - 84, 1, &count));
    CHECK(count == 7);
    GIVES(VOIP_ERR_PARSE, voip_rtcp_parse(out, used - 1, 0, NULL));
    GIVES(VOIP_ERR_PARSE, voip_rtcp_parse(out, 0, 0, NULL));
    GIVES(VOIP_ERR_NULL, voip_rtcp_next(out, used, NULL, &packet));
    packet.raw_len = 3;
    GIVES(VOIP_ERR_PARSE, voip_rtcp_get_source(&packet, 0, &source));
    return check_end();
}
