/* Counters of calls and phones, asked for and told. */
#include "pair.h"

int main(void)
{
    side a, b;
    voip_call *call;
    int told;
    voip_call_stats stats = VOIP_CALL_STATS_INIT;
    voip_phone_stats phone = VOIP_PHONE_STATS_INIT;
    struct { voip_phone_stats known; uint64_t newer[2]; } wide;

    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);
    SAYS(VOIP_ERR_RANGE, "5 ms", voip_call_set_stats_interval(call, 5));
    OK(voip_call_set_stats_interval(call, 100));
    /* A machine that is late sends and hears less than five packets in each interval. */
    for (told = 3; told < 100 && (stats.tx_packets <= 5 || stats.rx_packets <= 5); told++) {
        CHECK(side_wait(&a, &a.stats, told));
        OK(voip_call_get_stats(call, &stats));
    }
    OK(voip_call_set_stats_interval(call, 0));
    CHECK(stats.size == sizeof stats);
    CHECK(stats.tx_packets > 5 && stats.rx_packets > 5 && stats.tx_bytes >= stats.tx_packets * 100);
    CHECK(stats.local_ssrc != 0 && stats.remote_ssrc != 0 && stats.local_ssrc != stats.remote_ssrc);
    CHECK(stats.rx_lost == 0 && stats.send_errors == 0);
    GIVES(VOIP_ERR_NULL, voip_call_get_stats(call, NULL));
    stats.size = 3;
    SAYS(VOIP_ERR_ARGUMENT, "voip_call_stats has size 3", voip_call_get_stats(call, &stats));
    /* An older host: only the first counter is known to it. */
    stats.size = sizeof(size_t) + sizeof(uint64_t);
    stats.rx_packets = 0;
    stats.rx_bytes = 77;
    OK(voip_call_get_stats(call, &stats));
    CHECK(stats.rx_packets > 5 && stats.rx_bytes == 77);

    OK(voip_phone_get_stats(a.phone, &phone));
    CHECK(phone.calls == 1 && phone.sip_received > 0 && phone.sip_sent > 0 && phone.media_sent > 5 && phone.panics == 0);
    CHECK(phone.ports_in_use == 1 && phone.events_dropped == 0);
    CHECK(phone.media_batches > 0 && phone.media_batch_max > 0 && phone.control_batch_max > 0);
    CHECK(phone.media_unrouted == 0 && phone.media_reports_dropped == 0 && phone.commands_refused == 0);
    CHECK(phone.media_late_p50_us <= phone.media_late_p99_us && phone.media_late_p99_us <= phone.media_late_max_us);
    /* A newer host: what the library does not know is zero. */
    memset(&wide, 0x55, sizeof wide);
    wide.known.size = sizeof wide;
    OK(voip_phone_get_stats(a.phone, &wide.known));
    CHECK(wide.newer[0] == 0 && wide.newer[1] == 0 && wide.known.calls == 1);
    pair_hangup(&a, &b, call);
    OK(voip_phone_get_stats(b.phone, &phone));
    side_stop(&a);
    side_stop(&b);
    return check_end();
}
