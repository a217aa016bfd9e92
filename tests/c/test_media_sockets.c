/* Calls whose audio shares one socket: each hears its own peer, and nothing but the number of ports tells. */
#include "pair.h"

#define CALLS 8
#define FRAME 160

int main(void)
{
    side a, b;
    voip_call *out[CALLS], *in[CALLS];
    voip_config *config;
    voip_phone_stats stats = VOIP_PHONE_STATS_INIT;
    int16_t pcm[FRAME], heard[FRAME];
    size_t put, got;
    int i, n, call;

    config = side_config();
    OK(voip_config_set_media_sockets(config, 1));
    side_start(&a, config, 0);
    config = side_config();
    OK(voip_config_set_media_sockets(config, 1));
    side_start(&b, config, 1);
    b.on_call = 1;
    for (call = 0; call < CALLS; call++) {
        OK(voip_phone_dial(a.phone, b.uri, NULL, &out[call]));
        OK(voip_call_wait_state(out[call], VOIP_CALL_ANSWERED, 10000));
        CHECK(side_wait(&b, &b.incoming_calls, call + 1));
        side_lock(&b);
        in[call] = b.incoming;
        b.incoming = NULL;
        side_unlock(&b);
    }
    OK(voip_phone_get_stats(a.phone, &stats));
    CHECK(stats.calls == CALLS && stats.ports_in_use == 1);

    /* Each call says a number of its own, as a level that G.711 keeps apart. */
    for (n = 0; n < 40; n++) {
        for (call = 0; call < CALLS; call++) {
            for (i = 0; i < FRAME; i++) {
                pcm[i] = (int16_t)((call + 1) * 2000);
            }
            OK(voip_call_write_audio(out[call], pcm, FRAME, 1000, &put));
        }
    }
    /* A machine that is late hears gaps, and what is made up for them fades: only frames of one level tell a number. */
    for (call = 0; call < CALLS; call++) {
        int wrong = 0, right = 0;
        while (right < 5 && voip_call_read_audio(in[call], heard, FRAME, 10000, &got) == VOIP_OK) {
            int level = (heard[0] + 500) / 2000;
            if (got == FRAME && level > 0 && heard[0] == heard[FRAME / 2] && heard[0] == heard[FRAME - 1]) {
                right += level == call + 1;
                wrong += level != call + 1;
            }
        }
        CHECK(right == 5 && wrong == 0);
    }
    for (call = 0; call < CALLS; call++) {
        OK(voip_call_hangup(out[call]));
        OK(voip_call_wait_state(out[call], VOIP_CALL_ENDED, 10000));
        OK(voip_call_release(out[call]));
        OK(voip_call_release(in[call]));
    }
    OK(voip_phone_get_stats(a.phone, &stats));
    CHECK(stats.ports_in_use == 1 && stats.media_received > 40);
    side_stop(&a);
    side_stop(&b);
    return check_end();
}
