/* The packets of a call: seen, changed and dropped by a filter, and made by the program itself. */
#include "pair.h"

typedef struct filtered {
    side *s;
    voip_call *call;
    int came, went, wrong, own, destroyed, after, blocked;
    int change_to; /* payload type of what goes; -1: leave it */
    int drop;      /* 1: what goes; 2: what comes */
} filtered;

static int32_t on_rtp(voip_call *call, int32_t sent, uint8_t *packet, size_t *len, size_t capacity, void *user)
{
    filtered *f = (filtered *)user;
    voip_rtp_packet view = VOIP_RTP_PACKET_INIT;
    int32_t verdict;
    side_lock(f->s);
    f->after += f->destroyed;
    f->wrong += call != f->call || capacity < 1500 || *len > capacity;
    f->wrong += voip_rtp_packet_parse(packet, *len, &view) != VOIP_OK;
    f->blocked += voip_call_drain_audio(call, 1000) == VOIP_ERR_IN_CALLBACK;
    f->came += !sent;
    f->went += sent != 0;
    f->own += !sent && view.payload_type == 99;
    if (sent && f->change_to >= 0) {
        packet[1] = (uint8_t)((packet[1] & 0x80) | f->change_to);
    }
    verdict = f->drop == (sent ? 1 : 2);
    side_unlock(f->s);
    return verdict;
}

static void on_filter_gone(void *user)
{
    filtered *f = (filtered *)user;
    side_lock(f->s);
    f->destroyed++;
    side_unlock(f->s);
}

static size_t own_packet(uint8_t *out, size_t size, uint16_t sequence)
{
    static const uint8_t payload[20] = {1, 2, 3};
    voip_rtp_packet packet = VOIP_RTP_PACKET_INIT;
    size_t len = 0;
    packet.version = 2;
    packet.payload_type = 99;
    packet.sequence = sequence;
    packet.ssrc = 0x01020304;
    packet.payload = payload;
    packet.payload_len = sizeof payload;
    MUST(voip_rtp_packet_write(&packet, out, size, &len));
    return len;
}

int main(void)
{
    static filtered first, second, third;
    uint8_t packet[64];
    size_t len, i;
    side a, b, c;
    voip_call *call, *early = NULL;
    voip_call_stats stats = VOIP_CALL_STATS_INIT;

    len = own_packet(packet, sizeof packet, 1);
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    side_start(&c, side_config(), 1);
    MUST(voip_phone_dial(a.phone, c.uri, NULL, &early));
    CHECK(side_wait(&c, &c.incoming_calls, 1));
    GIVES(VOIP_ERR_STATE, voip_call_send_rtp(early, packet, len));
    OK(voip_call_hangup(early));
    OK(voip_call_release(early));
    side_stop(&c);
    call = pair_connect(&a, &b);
    first.s = second.s = third.s = &b;
    first.call = second.call = third.call = b.incoming;
    first.change_to = second.change_to = third.change_to = -1;

    /* A filter that only looks. */
    OK(voip_call_set_rtp_filter(b.incoming, on_rtp, &first, on_filter_gone));
    CHECK(side_wait(&b, &first.came, 10));
    CHECK(side_wait(&b, &first.went, 10));

    /* Packets of the program's own come out beside the stream. */
    for (i = 0; i < 5; i++) {
        len = own_packet(packet, sizeof packet, (uint16_t)i);
        OK(voip_call_send_rtp(call, packet, len));
    }
    CHECK(side_wait(&b, &first.own, 5));
    GIVES(VOIP_ERR_PARSE, voip_call_send_rtp(call, packet, 11));
    GIVES(VOIP_ERR_NULL, voip_call_send_rtp(call, NULL, 20));
    GIVES(VOIP_ERR_HANDLE, voip_call_send_rtp(NULL, packet, len));
    GIVES(VOIP_ERR_HANDLE, voip_call_set_rtp_filter(NULL, on_rtp, &first, on_filter_gone));

    /* What goes gets a payload type that the other side does not know. */
    second.change_to = 55;
    OK(voip_call_set_rtp_filter(b.incoming, on_rtp, &second, on_filter_gone));
    CHECK(side_wait(&b, &first.destroyed, 1));
    CHECK(side_wait(&b, &second.went, 30));
    OK(voip_call_get_stats(call, &stats));
    CHECK(stats.rx_discarded >= 5);

    /* Nothing comes through. */
    third.drop = 2;
    OK(voip_call_set_rtp_filter(b.incoming, on_rtp, &third, on_filter_gone));
    CHECK(side_wait(&b, &second.destroyed, 1));
    CHECK(side_wait(&b, &third.came, 5));
    OK(voip_call_hangup(call));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    CHECK(side_wait(&b, &third.destroyed, 1));
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_set_rtp_filter(b.incoming, on_rtp, &third, on_filter_gone));
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_send_rtp(b.incoming, packet, len));
    OK(voip_call_release(call));
    side_stop(&a);
    side_lock(&b);
    CHECK(first.destroyed == 1 && second.destroyed == 1 && third.destroyed == 1);
    CHECK(first.after + second.after + third.after == 0);
    CHECK(first.wrong + second.wrong + third.wrong == 0);
    CHECK(first.blocked > 0);
    side_unlock(&b);
    side_stop(&b);
    return check_end();
}
