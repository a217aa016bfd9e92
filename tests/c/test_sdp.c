/* Session descriptions by themselves: parsed, walked, changed, negotiated. */
#include "check.h"

static const char OFFER[] =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 9 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=ptime:30\r\na=sendonly\r\n"
    "m=video 4002 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP6 2001:db8::1\r\n";

static voip_sdp *parse(const char *text)
{
    voip_sdp *sdp = NULL;
    MUST(voip_sdp_parse((const uint8_t *)text, strlen(text), &sdp));
    return sdp;
}

static voip_sdp_local local(const char *codecs)
{
    voip_sdp_local it = VOIP_SDP_LOCAL_INIT;
    it.address = "198.51.100.2";
    it.port = 6000;
    it.codecs = codecs;
    return it;
}

static void walked(voip_sdp *sdp)
{
    voip_sdp_media media = VOIP_SDP_MEDIA_INIT;
    voip_sdp_format format = VOIP_SDP_FORMAT_INIT;
    char text[64];
    size_t n = 0;

    OK(voip_sdp_count_media(sdp, &n));
    CHECK(n == 2);
    OK(voip_sdp_get_media(sdp, 0, &media));
    CHECK(media.port == 4000 && media.direction == VOIP_MEDIA_SENDONLY && media.protocol == VOIP_RTP_AVP);
    CHECK(strcmp(media.kind, "audio") == 0 && strcmp(media.address, "192.0.2.1") == 0 && media.format_count == 4);
    OK(voip_sdp_get_media(sdp, 1, &media));
    CHECK(media.protocol == VOIP_RTP_DTLS_SAVPF && strcmp(media.address, "2001:db8::1") == 0);
    GIVES(VOIP_ERR_RANGE, voip_sdp_get_media(sdp, 2, &media));
    media.size = 0;
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_get_media(sdp, 0, &media));
    OK(voip_sdp_get_format(sdp, 0, 0, &format));
    CHECK(format.payload_type == 9 && format.clock_rate == 8000 && format.audio_rate == 16000);
    OK(voip_sdp_get_format(sdp, 0, 3, &format));
    CHECK(strcmp(format.name, "telephone-event") == 0 && strcmp(format.fmtp, "0-15") == 0);
    GIVES(VOIP_ERR_RANGE, voip_sdp_get_format(sdp, 0, 4, &format));
    OK(voip_sdp_get_attribute(sdp, 0, "PTIME", 0, text, sizeof text, NULL));
    CHECK(strcmp(text, "30") == 0);
    OK(voip_sdp_get_attribute(sdp, 0, "sendonly", 0, text, sizeof text, &n));
    CHECK(text[0] == 0 && n == 1);
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_get_attribute(sdp, -1, "ptime", 0, text, sizeof text, NULL));
    GIVES(VOIP_ERR_RANGE, voip_sdp_get_attribute(sdp, -2, "ptime", 0, text, sizeof text, NULL));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_sdp_get_attribute(sdp, 0, "ptime", 0, text, 1, NULL));
}

static void summed_up(voip_sdp *sdp)
{
    char text[512], keyed[512];
    size_t n = 0;
    voip_sdp *other = parse("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                            "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n");
    OK(voip_sdp_get_summary(sdp, NULL, 0, &n));
    OK(voip_sdp_get_summary(sdp, text, sizeof text, NULL));
    CHECK(strlen(text) + 1 == n);
    CHECK(strstr(text, "audio 192.0.2.1:4000 RTP/AVP sendonly: 9 G722/8000, 8 PCMA/8000, 0 PCMU/8000, 96 telephone-event/8000; "
                       "ptime 30 ms\n") != NULL);
    CHECK(strstr(text, "\nvideo [2001:db8::1]:4002 UDP/TLS/RTP/SAVPF sendrecv: 97") != NULL);
    OK(voip_sdp_get_summary(other, keyed, sizeof keyed, NULL));
    CHECK(strstr(keyed, "1 key") != NULL && strstr(keyed, "c2VjcmV0") == NULL);
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_sdp_get_summary(sdp, text, n - 1, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_sdp_get_summary(NULL, text, sizeof text, NULL));
    OK(voip_sdp_free(other));
}

/* Opus has no type of its own: 111 is what most give it. */
static void offered_opus(void)
{
    voip_sdp *offer = NULL;
    voip_sdp_format format = VOIP_SDP_FORMAT_INIT;
    voip_sdp_local mine = local("opus,PCMU,telephone-event");
    OK(voip_sdp_offer(&mine, NULL, &offer));
    OK(voip_sdp_get_format(offer, 0, 0, &format));
    CHECK(format.payload_type == VOIP_PAYLOAD_OPUS && format.clock_rate == 48000 && format.channels == 2);
    OK(voip_sdp_get_format(offer, 0, 2, &format));
    CHECK(format.payload_type == VOIP_PAYLOAD_TELEPHONE_EVENT);
    OK(voip_sdp_free(offer));
}

static void negotiated(voip_sdp *offer)
{
    voip_sdp *answer = NULL, *again = NULL;
    voip_sdp_agreed agreed = VOIP_SDP_AGREED_INIT;
    voip_sdp_media media = VOIP_SDP_MEDIA_INIT;
    voip_sdp_local mine = local("PCMU,PCMA,telephone-event");

    OK(voip_sdp_negotiate(offer, &mine, &agreed, &answer));
    CHECK(agreed.payload_type == 8 && strcmp(agreed.name, "PCMA") == 0 && agreed.codec_count == 2);
    CHECK(agreed.telephone_event == 96 && agreed.remote_port == 4000 && agreed.remote_rtcp_port == 4001);
    CHECK(strcmp(agreed.remote_address, "192.0.2.1") == 0 && agreed.ptime_ms == 30);
    CHECK(agreed.direction == VOIP_MEDIA_RECVONLY);
    OK(voip_sdp_get_media(answer, 0, &media));
    CHECK(media.port == 6000 && media.direction == VOIP_MEDIA_RECVONLY);
    OK(voip_sdp_get_media(answer, 1, &media));
    CHECK(media.port == 0);
    OK(voip_sdp_free(answer));

    mine = local("opus/48000/2");
    GIVES(VOIP_ERR_NO_CODEC, voip_sdp_negotiate(offer, &mine, NULL, &answer));
    CHECK(answer == NULL);
    mine = local("speex");
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_negotiate(offer, &mine, NULL, &answer));
    mine.address = NULL;
    GIVES(VOIP_ERR_NULL, voip_sdp_negotiate(offer, &mine, NULL, &answer));

    /* Both sides here. */
    mine = local("G722,PCMU");
    OK(voip_sdp_offer(&mine, NULL, &again));
    mine = local("PCMU");
    mine.port = 7000;
    OK(voip_sdp_negotiate(again, &mine, NULL, &answer));
    mine = local("G722,PCMU");
    OK(voip_sdp_accept_answer(again, answer, &mine, &agreed));
    CHECK(agreed.payload_type == 0 && agreed.remote_port == 7000 && agreed.telephone_event == -1);
    GIVES(VOIP_ERR_PROTOCOL, voip_sdp_accept_answer(again, offer, &mine, &agreed));
    GIVES(VOIP_ERR_NULL, voip_sdp_accept_answer(again, answer, &mine, NULL));
    OK(voip_sdp_free(answer));
    OK(voip_sdp_free(again));
}

int main(void)
{
    voip_sdp *sdp = NULL, *again;
    voip_sdp_media media = VOIP_SDP_MEDIA_INIT;
    char text[1024], small[8];
    size_t n = 0;
    int32_t number = -1;

    SAYS(VOIP_ERR_PARSE, "byte", voip_sdp_parse((const uint8_t *)"m=audio x\r\n", 11, &sdp));
    CHECK(sdp == NULL);
    GIVES(VOIP_ERR_HANDLE, voip_sdp_count_media(NULL, &n));
    sdp = parse(OFFER);
    walked(sdp);
    summed_up(sdp);
    offered_opus();
    negotiated(sdp);

    OK(voip_sdp_add_attribute(sdp, -1, "tool", "test"));
    OK(voip_sdp_add_attribute(sdp, 0, "rtcp-mux", NULL));
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_add_attribute(sdp, 0, "x", "a\r\nm=audio"));
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_add_attribute(sdp, -1, "x", "a\nm=audio"));
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_add_attribute(sdp, -1, "x", "a\r"));
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_add_attribute(sdp, 0, "x\nm", NULL));
    OK(voip_sdp_remove_attribute(sdp, 0, "sendonly"));
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_remove_attribute(sdp, 0, "sendonly"));
    OK(voip_sdp_set_address(sdp, 0, "2001:db8::7", -1));
    OK(voip_sdp_set_address(sdp, 1, NULL, 0));
    GIVES(VOIP_ERR_ARGUMENT, voip_sdp_set_address(sdp, 1, "host", 0));
    GIVES(VOIP_ERR_RANGE, voip_sdp_set_address(sdp, 1, NULL, 65536));
    OK(voip_sdp_write(sdp, text, sizeof text, &n));
    CHECK(n == strlen(text) + 1 && strstr(text, "a=tool:test\r\n") && strstr(text, "a=rtcp-mux\r\n"));
    GIVES(VOIP_ERR_BUFFER_TOO_SMALL, voip_sdp_write(sdp, small, sizeof small, NULL));
    again = parse(text);
    OK(voip_sdp_get_media(again, 0, &media));
    CHECK(media.port == 4000 && strcmp(media.address, "2001:db8::7") == 0 && media.direction == VOIP_MEDIA_SENDRECV);
    OK(voip_sdp_get_media(again, 1, &media));
    CHECK(media.port == 0);
    OK(voip_sdp_free(again));
    OK(voip_sdp_free(sdp));
    GIVES(VOIP_ERR_HANDLE, voip_sdp_free(sdp));

    CHECK(strcmp(voip_rtp_protocol_name(VOIP_RTP_SAVP), "RTP/SAVP") == 0 && voip_rtp_protocol_name(99)[0] == 0);
    OK(voip_rtp_protocol_from_name("rtp/avpf", &number));
    CHECK(number == VOIP_RTP_AVPF);
    GIVES(VOIP_ERR_ARGUMENT, voip_rtp_protocol_from_name("RTP/XYZ", &number));
    OK(voip_media_direction_from_name("recvonly", &number));
    CHECK(number == VOIP_MEDIA_RECVONLY && strcmp(voip_media_direction_name(number), "recvonly") == 0);
    GIVES(VOIP_ERR_ARGUMENT, voip_media_direction_from_name("both", &number));
    return check_end();
}
