/* The library itself: versions, features, names. */
#include "check.h"

int main(void)
{
    int known = 0;
    const char *feature;
    CHECK(strcmp(voip_version(), "0.1.0") == 0);
    CHECK(voip_version_number() == 1000);
    CHECK(voip_abi_version() == 0);
    CHECK(voip_has_feature("udp") == 1);
    CHECK(voip_has_feature("telepathy") == 0);
    CHECK(voip_has_feature(NULL) == 0);
    for (feature = voip_features(); *feature != 0; known++) {
        char name[32];
        size_t length = strcspn(feature, " ");
        CHECK(length < sizeof name);
        memcpy(name, feature, length);
        name[length] = 0;
        CHECK(voip_has_feature(name) == 1);
        feature += length + (feature[length] == ' ');
    }
    CHECK(known >= 4);

    CHECK(strcmp(voip_sip_status_phrase(486), "Busy Here") == 0);
    CHECK(VOIP_SIP_BUSY_HERE == 486 && VOIP_SIP_OK == 200);
    CHECK(strcmp(voip_sip_status_phrase(180), "Ringing") == 0);
    CHECK(strcmp(voip_sip_status_phrase(499), voip_sip_status_phrase(400)) == 0);
    CHECK(strcmp(voip_sip_status_phrase(-3), "Unknown") == 0);
    CHECK(strlen(voip_sip_status_description(404)) > 10);
    CHECK(strcmp(voip_call_state_name(VOIP_CALL_ANSWERED), "answered") == 0);
    CHECK(strcmp(voip_call_state_name(77), "unknown") == 0);
    CHECK(strcmp(voip_phone_status_name(VOIP_PHONE_RUNNING), "running") == 0);
    CHECK(strcmp(voip_account_status_name(VOIP_ACCOUNT_FAILED), "failed") == 0);
    CHECK(strcmp(voip_end_cause_name(VOIP_END_BUSY), "busy") == 0);
    CHECK(strcmp(voip_media_direction_name(VOIP_MEDIA_RECVONLY), "recvonly") == 0);
    return check_end();
}
