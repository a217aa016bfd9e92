/* Checks for the C tests: a failure says where and what, and the program goes on to the next one. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "voip.h"

static int check_count, check_failures;

#define CHECK(condition)                                                                            \
    do {                                                                                            \
        check_count++;                                                                              \
        if (!(condition)) {                                                                         \
            check_failures++;                                                                       \
            fprintf(stderr, "%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition,        \
                    voip_last_error_message());                                                     \
        }                                                                                           \
    } while (0)

/* The call must give this status. */
#define GIVES(expected, expression)                                                                 \
    do {                                                                                            \
        int32_t gives_status = (int32_t)(expression);                                               \
        check_count++;                                                                              \
        if (gives_status != (int32_t)(expected)) {                                                  \
            check_failures++;                                                                       \
            fprintf(stderr, "%s:%d: %s\n  gives %s, not %s; last error: %s\n", __FILE__, __LINE__,  \
                    #expression, voip_status_name(gives_status), voip_status_name(expected),        \
                    voip_last_error_message());                                                     \
        }                                                                                           \
    } while (0)

#define OK(expression) GIVES(VOIP_OK, expression)

/* The call must give this status, and the sentence must have this in it. */
#define SAYS(expected, text, expression)                                                            \
    do {                                                                                            \
        GIVES(expected, expression);                                                                \
        CHECK(strstr(voip_last_error_message(), text) != NULL);                                     \
    } while (0)

/* Nothing makes sense after this failed. */
#define MUST(expression)                                                                            \
    do {                                                                                            \
        int32_t must_status = (int32_t)(expression);                                                \
        check_count++;                                                                              \
        if (must_status != VOIP_OK) {                                                               \
            fprintf(stderr, "%s:%d: %s\n  gives %s: %s\n", __FILE__, __LINE__, #expression,         \
                    voip_status_name(must_status), voip_last_error_message());                      \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

static int check_end(void)
{
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures == 0 ? 0 : 1;
}

#endif
