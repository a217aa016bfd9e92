/* Accounts against a small registrar in this program: granted, refused, silent; and what the settings refuse. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include "pair.h"

typedef struct registrar {
    int socket;
    int port;
    int code;             /* what REGISTER gets */
    int registers, takes_back;
    pthread_t thread;
} registrar;

/* Copies one header line of a request. */
static void copy_header(const char *request, const char *name, char *reply, size_t room)
{
    char start[32];
    const char *line, *end;
    size_t length = strlen(reply);
    snprintf(start, sizeof start, "\r\n%s:", name);
    line = strstr(request, start);
    end = line ? strstr(line + 2, "\r\n") : NULL;
    if (end != NULL && length + (size_t)(end - line) + 1 < room) {
        memcpy(reply + length, line + 2, (size_t)(end - line));
        reply[length + (size_t)(end - line)] = 0;
    }
}

static void *serve(void *argument)
{
    registrar *r = (registrar *)argument;
    char request[4096], reply[4096];
    struct sockaddr_in from;
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(r->socket, request, sizeof request - 1, 0, (struct sockaddr *)&from, &size);
        if (got <= 0 || memcmp(request, "STOP", 4) == 0) {
            return NULL;
        }
        request[got] = 0;
        if (strncmp(request, "REGISTER ", 9) != 0) {
            continue;
        }
        if (strstr(request, "expires=0") != NULL || strstr(request, "Expires: 0\r\n") != NULL) {
            __atomic_add_fetch(&r->takes_back, 1, __ATOMIC_SEQ_CST);
        }
        __atomic_add_fetch(&r->registers, 1, __ATOMIC_SEQ_CST);
        snprintf(reply, sizeof reply, "SIP/2.0 %d %s\r\n", r->code, voip_sip_status_phrase(r->code));
        copy_header(request, "Via", reply, sizeof reply);
        copy_header(request, "From", reply, sizeof reply);
        copy_header(request, "To", reply, sizeof reply);
        if (strlen(reply) > 2) {
            reply[strlen(reply) - 2] = 0;
            strcat(reply, ";tag=registrar\r\n");
        }
        copy_header(request, "Call-ID", reply, sizeof reply);
        copy_header(request, "CSeq", reply, sizeof reply);
        if (r->code == 200 && strstr(request, "expires=0") == NULL && strstr(request, "Expires: 0\r\n") == NULL) {
            copy_header(request, "Contact", reply, sizeof reply);
            strcat(reply, "Expires: 120\r\n");
        }
        strcat(reply, "Content-Length: 0\r\n\r\n");
        sendto(r->socket, reply, strlen(reply), 0, (struct sockaddr *)&from, size);
    }
}

static void registrar_start(registrar *r, int code)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    memset(r, 0, sizeof *r);
    memset(&at, 0, sizeof at);
    r->code = code;
    r->socket = socket(AF_INET, SOCK_DGRAM, 0);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(r->socket, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(getsockname(r->socket, (struct sockaddr *)&at, &size) == 0);
    r->port = ntohs(at.sin_port);
    CHECK(pthread_create(&r->thread, NULL, serve, r) == 0);
}

static void registrar_stop(registrar *r)
{
    struct sockaddr_in at;
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)r->port);
    CHECK(sendto(r->socket, "STOP", 5, 0, (struct sockaddr *)&at, sizeof at) == 5);
    pthread_join(r->thread, NULL);
    close(r->socket);
}

static void granted(void)
{
    registrar r;
    side s;
    voip_config *config = side_config();
    voip_account *account = NULL, *again = NULL;
    voip_account_status status = VOIP_ACCOUNT_FAILED;
    voip_phone *phone = NULL;
    char uri[64];
    uint32_t seconds = 0;
    int32_t code = 0;
    void *user = NULL;
    registrar_start(&r, 200);
    OK(voip_config_set_server(config, "127.0.0.1", r.port));
    OK(voip_config_set_credentials(config, "alice", NULL, "secret-password"));
    side_start(&s, config, 0);
    MUST(voip_phone_wait_registered(s.phone, PAIR_SECONDS * 1000));
    OK(voip_phone_get_default_account(s.phone, &account));
    OK(voip_phone_get_default_account(s.phone, &again));
    CHECK(account == again);
    OK(voip_account_wait_registered(account, 0));
    OK(voip_account_get_status(account, &status));
    CHECK(status == VOIP_ACCOUNT_REGISTERED);
    OK(voip_account_get_expiry(account, &seconds));
    CHECK(seconds > 60 && seconds <= 300);
    OK(voip_account_get_last_sip_code(account, &code));
    CHECK(code == 200);
    OK(voip_account_get_uri(account, uri, sizeof uri, NULL));
    CHECK(strstr(uri, "alice@127.0.0.1") != NULL);
    OK(voip_account_get_phone(account, &phone));
    CHECK(phone == s.phone);
    OK(voip_account_set_user_data(account, &r));
    OK(voip_account_get_user_data(account, &user));
    CHECK(user == &r);
    GIVES(VOIP_ERR_ARGUMENT, voip_account_wait_registered(account, -2));
    GIVES(VOIP_ERR_NULL, voip_account_get_status(account, NULL));
    CHECK(side_wait(&s, &s.account_status[VOIP_ACCOUNT_REGISTERED], 1));

    OK(voip_account_unregister(account));
    CHECK(side_wait(&s, &s.account_status[VOIP_ACCOUNT_INACTIVE], 1));
    CHECK(r.takes_back == 1);
    OK(voip_account_register(account));
    OK(voip_account_wait_registered(account, PAIR_SECONDS * 1000));
    OK(voip_phone_stop(s.phone, 2000));
    OK(voip_phone_wait_stopped(s.phone, PAIR_SECONDS * 1000));
    CHECK(r.takes_back == 2);
    side_stop(&s);
    SAYS(VOIP_ERR_HANDLE, "stale", voip_account_get_status(account, &status));
    registrar_stop(&r);
}

/* Refused credentials are final: one REGISTER, no storm. */
static void refused(void)
{
    registrar r;
    side s;
    voip_config *config = side_config();
    voip_account *account = NULL;
    voip_account_status status = VOIP_ACCOUNT_INACTIVE;
    registrar_start(&r, 403);
    OK(voip_config_set_server(config, "127.0.0.1", r.port));
    OK(voip_config_set_credentials(config, "mallory", NULL, "guess"));
    OK(voip_config_set_retry(config, 100, 100));
    side_start(&s, config, 0);
    GIVES(VOIP_ERR_AUTH, voip_phone_wait_registered(s.phone, PAIR_SECONDS * 1000));
    OK(voip_phone_get_default_account(s.phone, &account));
    GIVES(VOIP_ERR_AUTH, voip_account_wait_registered(account, PAIR_SECONDS * 1000));
    OK(voip_account_get_status(account, &status));
    CHECK(status == VOIP_ACCOUNT_FAILED);
    CHECK(side_wait(&s, &s.account_status[VOIP_ACCOUNT_FAILED], 1));
    CHECK(s.account_code == 403 && r.registers == 1);
    side_stop(&s);
    registrar_stop(&r);
}

static void added_and_removed(void)
{
    registrar r;
    side s;
    voip_account_config *config = NULL;
    voip_account *account = NULL;
    voip_account_status status;
    registrar_start(&r, 200);
    side_start(&s, side_config(), 0);
    MUST(voip_account_config_new(&config));
    SAYS(VOIP_ERR_ARGUMENT, "no server", voip_account_add(s.phone, config, &account));
    SAYS(VOIP_ERR_RANGE, "70000", voip_account_config_set_server(config, "127.0.0.1", 70000));
    OK(voip_account_config_set_server(config, "127.0.0.1", r.port));
    SAYS(VOIP_ERR_ARGUMENT, "no user", voip_account_add(s.phone, config, &account));
    OK(voip_account_config_set_credentials(config, "bob", NULL, "x"));
    OK(voip_account_config_add_credentials(config, "realm", "bob", "x"));
    OK(voip_account_config_set_auth_algorithms(config, "SHA-512-256"));
    SAYS(VOIP_ERR_ARGUMENT, "x", voip_account_config_set_auth_algorithms(config, "x"));
    OK(voip_account_config_set_auth_algorithms(config, NULL));
    OK(voip_account_config_add_ha1(config, "realm", "bob", VOIP_DIGEST_MD5, "00000000000000000000000000000000"));
    OK(voip_account_config_set_display_name(config, "Bob"));
    OK(voip_account_config_set_expires(config, 120));
    OK(voip_account_config_set_register(config, 1));
    OK(voip_account_config_set_outbound_proxy(config, NULL));
    OK(voip_account_config_set_retry(config, 1000, 2000));
    OK(voip_account_config_set_transport(config, VOIP_TRANSPORT_UDP));
    GIVES(VOIP_ERR_NULL, voip_account_add(s.phone, config, NULL));
    MUST(voip_account_add(s.phone, config, &account));
    OK(voip_account_config_free(config));
    SAYS(VOIP_ERR_HANDLE, "stale", voip_account_config_free(config));
    OK(voip_account_wait_registered(account, PAIR_SECONDS * 1000));
    OK(voip_account_remove(account));
    /* Its events come to an end, then the handle is stale. */
    OK(voip_phone_stop(s.phone, 2000));
    OK(voip_phone_wait_stopped(s.phone, PAIR_SECONDS * 1000));
    side_stop(&s);
    GIVES(VOIP_ERR_HANDLE, voip_account_get_status(account, &status));
    CHECK(r.takes_back >= 1);
    registrar_stop(&r);
}

/* Calls through an account that does not register. */
static void dialled_through(void)
{
    side a, b;
    voip_account_config *config = NULL;
    voip_account *account = NULL, *of_call = NULL;
    voip_call *call = NULL;
    char text[128];
    side_start(&a, side_config(), 0);
    side_start(&b, side_config(), 1);
    b.on_call = 1;
    MUST(voip_account_config_new(&config));
    OK(voip_account_config_set_server(config, "127.0.0.1", atoi(strchr(b.address, ':') + 1)));
    OK(voip_account_config_set_credentials(config, "carol", NULL, NULL));
    OK(voip_account_config_set_register(config, 0));
    OK(voip_account_config_set_display_name(config, "Carol"));
    MUST(voip_account_add(a.phone, config, &account));
    OK(voip_account_config_free(config));
    MUST(voip_account_dial(account, "4711", NULL, &call));
    OK(voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    OK(voip_call_get_account(call, &of_call));
    CHECK(of_call == account);
    CHECK(side_wait(&b, &b.incoming_calls, 1));
    OK(voip_call_get_remote_uri(b.incoming, text, sizeof text, NULL));
    CHECK(strstr(text, "carol@") != NULL);
    OK(voip_call_get_remote_name(b.incoming, text, sizeof text, NULL));
    CHECK(strcmp(text, "Carol") == 0);
    OK(voip_call_get_local_uri(b.incoming, text, sizeof text, NULL));
    CHECK(strstr(text, "4711") != NULL);
    pair_hangup(&a, &b, call);
    side_stop(&a);
    side_stop(&b);
}

int main(void)
{
    granted();
    refused();
    added_and_removed();
    dialled_through();
    return check_end();
}
