/* What is on its way to the other side: marks in it, how far it is, and that clearing it is heard at once. */
#include "pair.h"

enum { RATE = 8000, FRAME = 160 };

/* Reads frames until so many in a row were silent; how many loud ones came before. */
static int loud_until_silence(voip_call *call, int silent_frames)
{
    int loud = 0, silent = 0, reads = 0;
    while (silent < silent_frames && reads++ < 1000) {
        int16_t part[FRAME];
        size_t got = 0, i;
        int is_loud = 0;
        OK(voip_call_read_audio(call, part, FRAME, 5000, &got));
        for (i = 0; i < got; i++) {
            is_loud |= part[i] > 2000 || part[i] < -2000;
        }
        loud += is_loud;
        silent = is_loud ? 0 : silent + 1;
    }
    return loud;
}

int main(void)
{
    static int16_t pcm[RATE];
    int16_t part[FRAME];
    side a, b;
    voip_call *call;
    voip_config *config = side_config();
    voip_playback_info info = VOIP_PLAYBACK_INFO_INIT;
    size_t i, put = 0, got = 0;
    uint64_t before;
    int heard;

    for (i = 0; i < RATE; i++) {
        pcm[i] = (int16_t)(i % 20 < 10 ? 8000 : -8000);
    }
    side_start(&a, config, 0);
    side_start(&b, side_config(), 1);
    call = pair_connect(&a, &b);

    /* Marks come in order, when what was before them went out. */
    OK(voip_call_play_mark(call, 100));
    CHECK(side_wait(&a, &a.marks, 1));
    OK(voip_call_write_audio(call, pcm, RATE / 5, -1, &put));
    OK(voip_call_play_mark(call, 101));
    OK(voip_call_play_pcm(call, pcm, RATE / 5));
    OK(voip_call_play_mark(call, 102));
    CHECK(side_wait(&a, &a.marks, 3));
    side_lock(&a);
    CHECK(a.mark[0] == 100 && a.mark[1] == 101 && a.mark[2] == 102 && a.marks_lost == 0);
    CHECK(a.played == 1 && a.play_completed == 1);
    side_unlock(&a);
    OK(voip_call_get_playback(call, &info));
    CHECK(info.play_id == 0 && info.waiting == 0);
    CHECK(info.written_frames == RATE / 5 && info.sent_frames == RATE / 5);
    loud_until_silence(b.incoming, 15);

    /* Seconds are queued; after clear the other side hears one frame more than what is on its way. */
    OK(voip_call_play_pcm(call, pcm, RATE));
    OK(voip_call_play_tone(call, 440, 0));
    OK(voip_call_write_audio(call, pcm, RATE / 2, -1, &put));
    OK(voip_call_play_mark(call, 103));
    for (i = 0, heard = 0; i < 500 && heard < 5; i++) {
        OK(voip_call_read_audio(b.incoming, part, FRAME, 5000, &got));
        heard += got > 0 && (part[got - 1] > 2000 || part[got - 1] < -2000);
    }
    CHECK(heard == 5);
    OK(voip_call_get_playback(call, &info));
    CHECK(info.play_id != 0 && info.waiting == 1 && info.position_ms >= 20 && info.position_ms < 1000);
    CHECK(info.sent_frames < info.written_frames);
    OK(voip_call_clear_playback(call));
    CHECK(side_wait(&a, &a.marks_lost, 1));
    CHECK(side_wait(&a, &a.played, 3));
    heard = loud_until_silence(b.incoming, 25);
    /* Of 250 and an endless tone, those on their way: a slow reader has up to two seconds of them before it. */
    CHECK(heard <= 120);
    OK(voip_call_drain_audio(call, 5000));
    OK(voip_call_get_playback(call, &info));
    CHECK(info.play_id == 0 && info.sent_frames < info.written_frames);

    /* What comes afterwards is sent. */
    OK(voip_call_write_audio(call, pcm, RATE / 5, -1, &put));
    OK(voip_call_play_mark(call, 104));
    CHECK(side_wait(&a, &a.marks, 4));
    before = info.sent_frames;
    OK(voip_call_get_playback(call, &info));
    CHECK(info.sent_frames == before + RATE / 5);

    /* What is not reached is told by the end. */
    OK(voip_call_play_tone(call, 440, 0));
    OK(voip_call_play_mark(call, 105));
    pair_hangup(&a, &b, call);
    side_lock(&a);
    CHECK(a.marks == 4 && a.marks_lost == 2);
    CHECK(a.mark[3] == 103 && a.mark[4] == 104 && a.mark[5] == 105);
    side_unlock(&a);
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_clear_playback(b.incoming));
    GIVES(VOIP_ERR_CALL_ENDED, voip_call_play_mark(b.incoming, 1));
    GIVES(VOIP_ERR_HANDLE, voip_call_clear_playback(NULL));
    GIVES(VOIP_ERR_HANDLE, voip_call_play_mark(NULL, 1));
    GIVES(VOIP_ERR_HANDLE, voip_call_get_playback(NULL, &info));
    GIVES(VOIP_ERR_NULL, voip_call_get_playback(b.incoming, NULL));
    side_stop(&a);
    side_stop(&b);
    return check_end();
}
