/* 02_digest: the RFCs' rows from this repository, all of them from the shared vectors. */
#include "vectors.h"

/* `realm` as a quoted string. */
static void quote(char *out, const char *value)
{
    *out++ = '"';
    for (; *value != 0; value++) {
        if (*value == '"' || *value == '\\') *out++ = '\\';
        *out++ = *value;
    }
    strcpy(out, "\"");
}

static int digest(const char *folder, const json *row)
{
    char challenge[2048], realm[512], answer[4096], expected[256];
    const char *nc = text(row, "nc"), *body = text(row, "body"), *cnonce = text(row, "cnonce");
    uint32_t times = nc[0] ? (uint32_t)strtoul(nc, NULL, 16) : 1;
    size_t needed = 0;
    (void)folder;
    quote(realm, text(row, "realm"));
    sprintf(challenge, "Digest realm=%s, nonce=\"%s\", algorithm=%s%s%s%s%s%s%s%s", realm, text(row, "nonce"),
        text(row, "algorithm"), has(row, "qop") ? ", qop=\"" : "", text(row, "qop"), has(row, "qop") ? "\"" : "",
        has(row, "opaque") ? ", opaque=\"" : "", text(row, "opaque"), has(row, "opaque") ? "\"" : "",
        is_text(row, "charset", "UTF-8") ? ", charset=UTF-8" : "");
    MUST(voip_sip_digest_response(challenge, text(row, "method"), text(row, "uri"), text(row, "username"),
        text(row, "password"), (const uint8_t *)body, strlen(body), times, cnonce[0] ? cnonce : NULL, answer, sizeof answer,
        &needed));
    CHECK(needed == strlen(answer) + 1);
    sprintf(expected, "response=\"%s\"", text(row, "expected_response"));
    CHECK(strstr(answer, expected) != NULL);
    if (strstr(answer, expected) == NULL) fprintf(stderr, "  %s\n  %s\n  %s\n", challenge, answer, expected);
    sprintf(expected, "nc=%s", nc);
    CHECK(nc[0] == 0 || strstr(answer, expected) != NULL);
    if (has(row, "opaque")) CHECK(strstr(answer, text(row, "opaque")) != NULL);
    return 1;
}

int main(void)
{
    CHECK(run_cases("tests/data/digest", "tests/data/digest", digest) == 14);
    run_shared("02_digest", 58, digest);
    return check_end();
}
