/* Page-mode messages between two phones. */
#include "pair.h"

static void on_message(voip_phone *phone, const voip_message_info *info, void *user)
{
    side *s = (side *)user;
    CHECK(phone == s->phone);
    CHECK(info->size == sizeof *info);
    CHECK(info->account == NULL);
    side_lock(s);
    s->messages++;
    snprintf(s->message_body, sizeof s->message_body, "%.*s", (int)info->body_len, (const char *)info->body);
    snprintf(s->message_type, sizeof s->message_type, "%s", info->content_type);
    snprintf(s->message_from, sizeof s->message_from, "%s", info->from_uri);
    snprintf(s->message_name, sizeof s->message_name, "%s", info->from_name);
    side_unlock(s);
}

static void on_result(voip_phone *phone, const voip_message_result_info *info, void *user)
{
    side *s = (side *)user;
    CHECK(phone == s->phone);
    side_lock(s);
    s->message_results++;
    s->last_message = info->message_id;
    s->last_code = info->sip_code;
    snprintf(s->last_reason, sizeof s->last_reason, "%s", info->reason);
    side_unlock(s);
}

static void listen_to(side *s, int reads)
{
    voip_callbacks table = side_table(1);
    table.on_message = reads ? on_message : NULL;
    table.on_message_result = on_result;
    OK(voip_phone_set_callbacks(s->phone, &table, s, NULL));
}

/* Sends and waits for what became of it. */
static int32_t send_and_wait(side *a, const char *target, const char *type, const char *text, size_t length)
{
    uint64_t id = 0;
    int before = a->message_results;
    OK(voip_phone_send_message(a->phone, NULL, target, type, text, length, &id));
    CHECK(id != 0);
    CHECK(side_wait(a, &a->message_results, before + 1));
    CHECK(a->last_message == id);
    return a->last_code;
}

int main(void)
{
    side a, b;
    uint64_t id = 7;
    char big[1400];
    memset(big, 'x', sizeof big);
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    listen_to(&a, 0);

    /* Nobody reads: refused. */
    CHECK(send_and_wait(&a, b.uri, NULL, "hello", 5) == 405);

    listen_to(&b, 1);
    CHECK(send_and_wait(&a, b.uri, NULL, "h\xc3\xa9llo", 6) == 200);
    CHECK(side_wait(&b, &b.messages, 1));
    CHECK(strcmp(b.message_body, "h\xc3\xa9llo") == 0);
    CHECK(strcmp(b.message_type, "text/plain;charset=UTF-8") == 0);
    CHECK(strstr(b.message_from, a.address) != NULL);
    CHECK(b.message_name[0] == 0);
    CHECK(send_and_wait(&a, b.uri, "application/json", "{}", 2) == 200);
    CHECK(side_wait(&b, &b.messages, 2));
    CHECK(strcmp(b.message_type, "application/json") == 0);
    CHECK(send_and_wait(&a, b.uri, "image/png", "x", 1) == 415);
    CHECK(send_and_wait(&a, b.uri, NULL, NULL, 0) == 200);
    CHECK(side_wait(&b, &b.messages, 3));
    /* Fits a datagram by itself, but not with its headers: goes over TCP. */
    CHECK(send_and_wait(&a, b.uri, NULL, big, 1300) == 200);
    CHECK(side_wait(&b, &b.messages, 4));

    SAYS(VOIP_ERR_RANGE, "1301", voip_phone_send_message(a.phone, NULL, b.uri, NULL, big, 1301, &id));
    CHECK(id == 0);
    SAYS(VOIP_ERR_ARGUMENT, "no type", voip_phone_send_message(a.phone, NULL, b.uri, "no type", "x", 1, NULL));
    GIVES(VOIP_ERR_ARGUMENT, voip_phone_send_message(a.phone, NULL, b.uri, "a/b\r\nX: y", "x", 1, NULL));
    GIVES(VOIP_ERR_ARGUMENT, voip_phone_send_message(a.phone, NULL, "bob", NULL, "x", 1, NULL));
    GIVES(VOIP_ERR_NULL, voip_phone_send_message(a.phone, NULL, NULL, NULL, "x", 1, NULL));
    GIVES(VOIP_ERR_NULL, voip_phone_send_message(a.phone, NULL, b.uri, NULL, NULL, 1, NULL));
    GIVES(VOIP_ERR_HANDLE, voip_phone_send_message(NULL, NULL, b.uri, NULL, "x", 1, NULL));
    GIVES(VOIP_ERR_HANDLE,
          voip_phone_send_message(a.phone, (voip_account *)(void *)a.phone, b.uri, NULL, "x", 1, NULL));
    CHECK(b.messages == 4);

    side_stop(&b);
    side_stop(&a);
    return check_end();
}
