/* Statuses and the sentence of the last failure, which each thread has for itself. */
#include <pthread.h>
#include "check.h"

static void *other_thread(void *unused)
{
    (void)unused;
    CHECK(voip_last_error_message()[0] == 0);
    GIVES(VOIP_ERR_HANDLE, voip_config_set_ptime(NULL, 20));
    SAYS(VOIP_ERR_HANDLE, "config handle is NULL", voip_config_free(NULL));
    return NULL;
}

int main(void)
{
    static const int32_t numbers[] = { 0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12, -20, -21, -22, -23,
        -24, -40, -41, -42, -43, -44, -45, -60, -61, -62, -63, -64, -80, -99 };
    voip_config *config = NULL;
    char before[256];
    pthread_t thread;
    size_t i, k;

    for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        CHECK(strncmp(voip_status_name(numbers[i]), "VOIP_", 5) == 0);
        CHECK(strcmp(voip_status_name(numbers[i]), "VOIP_ERR_UNKNOWN") != 0);
        CHECK(strlen(voip_status_text(numbers[i])) > 3);
        for (k = 0; k < i; k++) {
            CHECK(strcmp(voip_status_name(numbers[i]), voip_status_name(numbers[k])) != 0);
        }
    }
    CHECK(VOIP_ERR_PANIC == -99 && VOIP_ERR_PARSE == -80 && VOIP_ERR_NO_CODEC == -60 && VOIP_ERR_AUTH == -40);
    CHECK(strcmp(voip_status_name(-1000), "VOIP_ERR_UNKNOWN") == 0);

    CHECK(voip_last_error_message()[0] == 0);
    SAYS(VOIP_ERR_NULL, "out", voip_config_new(NULL));
    MUST(voip_config_new(&config));
    /* A success leaves the sentence. */
    CHECK(strstr(voip_last_error_message(), "out") != NULL);
    SAYS(VOIP_ERR_RANGE, "70000", voip_config_set_bind(config, NULL, 70000));
    snprintf(before, sizeof before, "%s", voip_last_error_message());
    CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK(strcmp(before, voip_last_error_message()) == 0);
    CHECK(voip_last_error_errno() == 0);
    OK(voip_config_free(config));
    return check_end();
}
