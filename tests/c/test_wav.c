/* WAV files by themselves: written, read, and what is none. */
#include "check.h"
#include <unistd.h>

int main(void)
{
    voip_wav *wav = NULL;
    voip_wav_info info = VOIP_WAV_INFO_INIT;
    int16_t samples[6] = {1, -2, 300, -400, 32767, -32768}, back[8];
    char path[128];
    size_t got = 9;
    FILE *file;

    snprintf(path, sizeof path, "test_wav_%ld.wav", (long)getpid());
    GIVES(VOIP_ERR_RANGE, voip_wav_create(path, 0, 1, &wav));
    GIVES(VOIP_ERR_RANGE, voip_wav_create(path, 8000, 9, &wav));
    GIVES(VOIP_ERR_SYSTEM, voip_wav_create("/nowhere/at/all.wav", 8000, 1, &wav));
    GIVES(VOIP_ERR_SYSTEM, voip_wav_open("/nowhere/at/all.wav", &wav));
    GIVES(VOIP_ERR_NULL, voip_wav_open(NULL, &wav));
    CHECK(wav == NULL);

    MUST(voip_wav_create(path, 16000, 2, &wav));
    OK(voip_wav_write(wav, samples, 3));
    GIVES(VOIP_ERR_NULL, voip_wav_write(wav, NULL, 3));
    GIVES(VOIP_ERR_STATE, voip_wav_read(wav, back, 1, &got));
    GIVES(VOIP_ERR_STATE, voip_wav_seek(wav, 0));
    OK(voip_wav_get_info(wav, &info));
    CHECK(info.frames == 3 && info.bits == 16);
    OK(voip_wav_close(wav));
    GIVES(VOIP_ERR_HANDLE, voip_wav_close(wav));
    GIVES(VOIP_ERR_HANDLE, voip_wav_write(wav, samples, 1));

    MUST(voip_wav_open(path, &wav));
    OK(voip_wav_get_info(wav, &info));
    CHECK(info.rate == 16000 && info.channels == 2 && info.frames == 3 && info.encoding == VOIP_WAV_PCM);
    OK(voip_wav_read(wav, back, 2, &got));
    CHECK(got == 2 && memcmp(back, samples, 8) == 0);
    OK(voip_wav_read(wav, back, 4, &got));
    CHECK(got == 1 && back[1] == -32768);
    OK(voip_wav_read(wav, back, 4, &got));
    CHECK(got == 0);
    OK(voip_wav_seek(wav, 1));
    OK(voip_wav_read(wav, back, 1, &got));
    CHECK(got == 1 && back[0] == 300);
    GIVES(VOIP_ERR_STATE, voip_wav_write(wav, samples, 1));
    OK(voip_wav_close(wav));

    file = fopen(path, "wb");
    CHECK(file != NULL && fputs("no sound at all", file) >= 0 && fclose(file) == 0);
    SAYS(VOIP_ERR_CODEC, "byte 0", voip_wav_open(path, &wav));
    CHECK(remove(path) == 0);
    GIVES(VOIP_ERR_HANDLE, voip_wav_close(NULL));
    return check_end();
}
