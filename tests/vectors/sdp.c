/* 03_sdp: the RFCs' descriptions, offers and answers, other projects' descriptions, fuzzers' bytes. */
#include <dirent.h>
#include "vectors.h"

static voip_sdp *parse(bytes file)
{
    voip_sdp *sdp = NULL;
    return voip_sdp_parse(file.data, file.len, &sdp) == VOIP_OK ? sdp : NULL;
}

static char *write(voip_sdp *sdp)
{
    size_t needed = 0;
    char *made;
    OK(voip_sdp_write(sdp, NULL, 0, &needed));
    made = (char *)need_memory(needed + 1);
    OK(voip_sdp_write(sdp, made, needed, NULL));
    return made;
}

/* Writing what was parsed gives the same meaning: parsed and written once more it is the same text. */
static void survives_writing(voip_sdp *sdp)
{
    char *once = write(sdp), *twice;
    voip_sdp *again = NULL;
    OK(voip_sdp_parse((const uint8_t *)once, strlen(once), &again));
    if (again == NULL) return;
    twice = write(again);
    CHECK(strcmp(once, twice) == 0);
    OK(voip_sdp_free(again));
}

static const char *const DIRECTIONS[] = {"sendrecv", "sendonly", "recvonly", "inactive"};

static void media_as_described(voip_sdp *sdp, size_t index, const json *d)
{
    voip_sdp_media media = VOIP_SDP_MEDIA_INIT;
    const json *map;
    char port[32];
    OK(voip_sdp_get_media(sdp, index, &media));
    CHECK(strcmp(media.kind, text(d, "media")) == 0 && strcmp(media.protocol_name, text(d, "proto")) == 0);
    if (media.port_count > 1) sprintf(port, "%d/%d", media.port, media.port_count);
    else sprintf(port, "%d", media.port);
    CHECK(strcmp(port, text(d, "port")) == 0 || strncmp(port, text(d, "port"), strlen(port)) == 0);
    CHECK(media.format_count == count(get(d, "formats")) && media.attribute_count == number(d, "attributes"));
    if (has(d, "direction")) CHECK(strcmp(DIRECTIONS[media.direction], text(d, "direction")) == 0);
    for (map = get(d, "rtpmap")->first; map != NULL; map = map->next) {
        voip_sdp_format format = VOIP_SDP_FORMAT_INIT;
        size_t i, found = 0;
        char line[128];
        for (i = 0; voip_sdp_get_format(sdp, index, i, &format) == VOIP_OK; i++) {
            if (format.payload_type != strtol(map->name, NULL, 10)) continue;
            sprintf(line, "%s/%u", format.name, format.clock_rate);
            found |= strncmp(line, map->text, strlen(line)) == 0;
        }
        /* A map may stand for a payload type that the m= line does not list. */
        for (i = 0; voip_sdp_get_attribute(sdp, (int32_t)index, "rtpmap", i, line, sizeof line, NULL) == VOIP_OK; i++) {
            found |= strncmp(line, map->name, strlen(map->name)) == 0;
        }
        CHECK(found);
    }
}

static void as_described(voip_sdp *sdp, const json *d)
{
    size_t media = 0, index = 0;
    const json *line;
    OK(voip_sdp_count_media(sdp, &media));
    CHECK(media == count(get(d, "media")));
    for (line = get(d, "media")->first; line != NULL && index < media; line = line->next) {
        media_as_described(sdp, index++, line);
    }
    survives_writing(sdp);
}

static int example(const char *folder, const json *row)
{
    voip_sdp *sdp = parse(file_of(folder, row, 0));
    CHECK(sdp != NULL);
    if (sdp == NULL) return 1;
    as_described(sdp, get(row, "sdp"));
    OK(voip_sdp_free(sdp));
    return 1;
}

/* Our codecs for the stream that the RFC's answer takes: its formats as a list of names. */
static int codecs_of(voip_sdp *answer, size_t index, char *out)
{
    voip_sdp_format format = VOIP_SDP_FORMAT_INIT;
    size_t i, speech = 0;
    *out = 0;
    for (i = 0; voip_sdp_get_format(answer, index, i, &format) == VOIP_OK; i++) {
        sprintf(out + strlen(out), "%s%s/%u", i ? "," : "", format.name, format.clock_rate);
        speech |= strcmp(format.name, "telephone-event") != 0 && strcmp(format.name, "CN") != 0;
    }
    return (int)speech;
}

static int answered(voip_sdp *answer, size_t *place, char *codecs)
{
    voip_sdp_media media = VOIP_SDP_MEDIA_INIT;
    for (*place = 0; voip_sdp_get_media(answer, *place, &media) == VOIP_OK; (*place)++) {
        if (strcmp(media.kind, "audio") == 0 && media.port != 0 && codecs_of(answer, *place, codecs)) return 1;
    }
    return 0;
}

static void compare(voip_sdp *offer, voip_sdp *ours, voip_sdp *theirs, size_t place)
{
    voip_sdp_media o = VOIP_SDP_MEDIA_INIT, a = VOIP_SDP_MEDIA_INIT, b = VOIP_SDP_MEDIA_INIT;
    size_t media = 0, other = 0, i;
    OK(voip_sdp_count_media(ours, &media));
    OK(voip_sdp_count_media(theirs, &other));
    CHECK(media == other);
    for (i = 0; i < media; i++) {
        OK(voip_sdp_get_media(offer, i, &o));
        OK(voip_sdp_get_media(ours, i, &a));
        OK(voip_sdp_get_media(theirs, i, &b));
        CHECK(strcmp(a.kind, o.kind) == 0 && strcmp(a.protocol_name, o.protocol_name) == 0);
        if (i != place) {
            CHECK(a.port == 0 && a.format_count == o.format_count);
            continue;
        }
        CHECK(a.port == 40000 && a.format_count == b.format_count && a.direction == b.direction);
    }
}

static int offer_answer(const char *folder, const json *row)
{
    voip_sdp *offer = parse(file_of(folder, row, 0)), *theirs = parse(file_of(folder, row, 1)), *ours = NULL;
    voip_sdp_local local = VOIP_SDP_LOCAL_INIT;
    voip_sdp_agreed agreed = VOIP_SDP_AGREED_INIT;
    char codecs[1024];
    size_t place = 0;
    CHECK(offer != NULL && theirs != NULL);
    if (offer == NULL || theirs == NULL) return 1;
    as_described(offer, get(row, "offer"));
    as_described(theirs, get(row, "answer"));
    local.address = "192.0.2.7";
    local.port = 40000;
    local.codecs = codecs;
    /* RFC 4317 section 3.2 answers sendonly without a direction, and with a format that was not offered; 5.1's first
     * offer has no media at all. */
    if (answered(theirs, &place, codecs) && !is_text(row, "id", "rfc4317_s3.2_2")) {
        OK(voip_sdp_negotiate(offer, &local, &agreed, &ours));
        if (ours != NULL) {
            CHECK(agreed.media_index == place);
            compare(offer, ours, theirs, place);
            survives_writing(ours);
            OK(voip_sdp_free(ours));
        }
    }
    OK(voip_sdp_free(offer));
    OK(voip_sdp_free(theirs));
    return 1;
}

static int repository(const char *folder, const json *row)
{
    bytes file = file_of(folder, row, 0);
    voip_sdp *sdp = parse(file);
    /* One of those is several descriptions in a file; the fragments do not begin with v=0. */
    int whole = file.len > 3 && memcmp(file.data, "v=0", 3) == 0 && !is_text(row, "id", "sdp-transform-invalid.sdp");
    if (sdp == NULL) {
        CHECK(!whole || !is_text(row, "verdict_of_origin", "parsed"));
        return 1;
    }
    survives_writing(sdp);
    OK(voip_sdp_free(sdp));
    return 1;
}

static int fuzz(const char *folder, const json *row)
{
    voip_sdp *sdp = NULL, *ours = NULL, *offer = NULL;
    voip_sdp_local local = VOIP_SDP_LOCAL_INIT;
    voip_sdp_agreed agreed = VOIP_SDP_AGREED_INIT;
    bytes file = file_of(folder, row, 0);
    size_t theirs = 0, count_of_ours = 0;
    voip_status status = voip_sdp_parse(file.data, file.len, &sdp);
    if (status != VOIP_OK) {
        GIVES(VOIP_ERR_PARSE, status);
        CHECK(strstr(voip_last_error_message(), "byte") != NULL);
        return 1;
    }
    survives_writing(sdp);
    local.address = "192.0.2.7";
    local.port = 40000;
    local.codecs = "PCMU,PCMA,telephone-event";
    if (voip_sdp_negotiate(sdp, &local, &agreed, &ours) == VOIP_OK) {
        OK(voip_sdp_count_media(sdp, &theirs));
        OK(voip_sdp_count_media(ours, &count_of_ours));
        CHECK(theirs == count_of_ours);
        survives_writing(ours);
        OK(voip_sdp_free(ours));
    }
    MUST(voip_sdp_offer(&local, NULL, &offer));
    status = voip_sdp_accept_answer(offer, sdp, &local, &agreed);
    CHECK(status == VOIP_OK || status == VOIP_ERR_NO_CODEC || status == VOIP_ERR_PROTOCOL);
    OK(voip_sdp_free(offer));
    MUST(voip_sdp_offer(&local, sdp, &offer));
    survives_writing(offer);
    OK(voip_sdp_free(offer));
    OK(voip_sdp_free(sdp));
    return 1;
}

/* The repository's own copies of the RFCs' texts. */
static void own(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int ran = 0;
    CHECK(dir != NULL);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        voip_sdp *sdp;
        if (strstr(entry->d_name, ".sdp") == NULL) continue;
        sdp = parse(read_path(join(folder, entry->d_name)));
        CHECK(sdp != NULL);
        if (sdp != NULL) {
            survives_writing(sdp);
            OK(voip_sdp_free(sdp));
        }
        ran++;
    }
    if (dir != NULL) closedir(dir);
    printf("%s: %d cases\n", folder, ran);
    CHECK(ran >= 19);
}

int main(void)
{
    own("tests/data/sdp/rfc_examples");
    own("tests/data/sdp/offer_answer");
    run_shared("03_sdp/rfc_examples", 19, example);
    run_shared("03_sdp/offer_answer", 20, offer_answer);
    run_shared("03_sdp/repo_sdp", 99, repository);
    run_shared("03_sdp/fuzz", 290, fuzz);
    return check_end();
}
