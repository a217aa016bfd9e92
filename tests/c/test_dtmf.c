/* Keys: in the stream and by INFO, as a queue, collected with an end key, breaking in. */
#include "pair.h"

static void read_all(voip_call *call, const char *expected)
{
    char keys[64] = "";
    while (strlen(keys) < strlen(expected)) {
        char part[8];
        size_t count = 0;
        voip_status status = voip_call_read_dtmf(call, part, sizeof part, 10000, &count);
        CHECK(status == VOIP_OK && count == strlen(part));
        if (status != VOIP_OK || strlen(keys) + count >= sizeof keys) {
            break;
        }
        strcat(keys, part);
    }
    CHECK(strcmp(keys, expected) == 0);
}

int main(void)
{
    side a, b;
    voip_call *call;
    char keys[16], one[2], key = 'x';
    size_t count = 0;

    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);

    SAYS(VOIP_ERR_ARGUMENT, "\"x\"", voip_call_send_dtmf(call, "12x", 0, 0, VOIP_DTMF_RTP));
    SAYS(VOIP_ERR_ARGUMENT, "7", voip_call_send_dtmf(call, "1", 0, 0, 7));
    SAYS(VOIP_ERR_RANGE, "5 ms", voip_call_send_dtmf(call, "1", 5, 0, VOIP_DTMF_RTP));
    SAYS(VOIP_ERR_RANGE, "9999 ms", voip_call_send_dtmf(call, "1", 0, 9999, VOIP_DTMF_RTP));
    GIVES(VOIP_ERR_NULL, voip_call_send_dtmf(call, NULL, 0, 0, VOIP_DTMF_RTP));
    GIVES(VOIP_ERR_ARGUMENT, voip_call_send_dtmf(call, "", 0, 0, VOIP_DTMF_RTP));
    GIVES(VOIP_ERR_TIMEOUT, voip_call_read_dtmf(b.incoming, keys, sizeof keys, 0, &count));
    CHECK(count == 0 && keys[0] == 0);
    GIVES(VOIP_ERR_NULL, voip_call_read_dtmf(b.incoming, NULL, 4, 0, &count));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_call_read_dtmf(b.incoming, keys, 1, 0, &count));
    GIVES(VOIP_ERR_ARGUMENT, voip_call_read_dtmf(b.incoming, keys, 4, -4, &count));

    /* All sixteen keys in the stream. */
    OK(voip_call_send_dtmf(call, "0123456789*#ABCD", 60, 50, VOIP_DTMF_RTP));
    CHECK(side_wait(&a, &a.dtmf_sent, 1));
    read_all(b.incoming, "0123456789*#ABCD");
    CHECK(side_wait(&b, &b.begun_keys, 16));
    CHECK(strcmp(b.keys, "0123456789*#ABCD") == 0);
    CHECK(b.key_ms >= 40 && b.key_ms <= 100);

    /* One key into the smallest buffer, the rest stays. */
    OK(voip_call_send_dtmf(call, "195", 60, 50, VOIP_DTMF_RTP));
    OK(voip_call_read_dtmf(b.incoming, one, sizeof one, 10000, NULL));
    CHECK(strcmp(one, "1") == 0);
    read_all(b.incoming, "95");
    OK(voip_call_pending_dtmf(b.incoming, &count));
    CHECK(count == 0);
    GIVES(VOIP_ERR_NULL, voip_call_pending_dtmf(b.incoming, NULL));

    /* By INFO. */
    OK(voip_call_send_dtmf(call, "42", 0, 0, VOIP_DTMF_INFO));
    read_all(b.incoming, "42");

    /* Collected until the end key, which is told and not kept. */
    OK(voip_call_send_dtmf(call, "77#", 60, 50, VOIP_DTMF_RTP));
    OK(voip_call_play_tone(b.incoming, 440, 60000));
    OK(voip_call_gather(b.incoming, 8, "#*", 10000, 10000, 1, keys, sizeof keys, &count, &key));
    CHECK(strcmp(keys, "77") == 0 && count == 2 && key == '#');
    CHECK(side_wait(&b, &b.played, 1)); /* broken in */
    CHECK(b.play_completed == 0);
    /* Until there are enough. */
    OK(voip_call_send_dtmf(call, "123", 60, 50, VOIP_DTMF_RTP));
    OK(voip_call_gather(b.incoming, 2, NULL, 10000, 10000, 0, keys, sizeof keys, &count, &key));
    CHECK(strcmp(keys, "12") == 0 && key == 0);
    read_all(b.incoming, "3");
    GIVES(VOIP_ERR_TIMEOUT, voip_call_gather(b.incoming, 2, NULL, 0, 0, 0, keys, sizeof keys, &count, NULL));
    CHECK(keys[0] == 0);
    SAYS(VOIP_ERR_BUFFER_TOO_SMALL, "17", voip_call_gather(b.incoming, 16, NULL, 0, 0, 0, keys, sizeof keys, NULL, NULL));
    GIVES(VOIP_ERR_RANGE, voip_call_gather(b.incoming, 0, NULL, 0, 0, 0, keys, sizeof keys, NULL, NULL));
    GIVES(VOIP_ERR_ARGUMENT, voip_call_gather(b.incoming, 2, NULL, -3, 0, 0, keys, sizeof keys, NULL, NULL));

    OK(voip_call_send_dtmf(call, "9", 60, 50, VOIP_DTMF_RTP));
    CHECK(side_wait(&a, &a.dtmf_sent, 5));
    CHECK(side_wait(&b, &b.begun_keys, 26));
    OK(voip_call_clear_dtmf(b.incoming));

    /* A blocked read ends with the call. */
    OK(voip_call_hangup(call));
    while (voip_call_read_dtmf(b.incoming, keys, sizeof keys, -1, &count) == VOIP_OK) {
    }
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_read_dtmf(b.incoming, keys, sizeof keys, -1, &count));
    CHECK(side_wait(&a, &a.states[VOIP_CALL_ENDED], 1));
    CHECK(side_wait(&b, &b.states[VOIP_CALL_ENDED], 1));
    OK(voip_call_release(call));
    side_stop(&a);
    side_stop(&b);
    return check_end();
}
