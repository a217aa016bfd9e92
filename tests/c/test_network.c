/* Which address others are told: a registrar made of one socket says from where it sees the phone. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "pair.h"

typedef struct registrar {
    int fd;
    int port;
    struct sockaddr_in from;
    char method[32];
    char via[256]; /* of the last request: a slow machine lets it come again */
    char contact[256];
    char body[2048];
} registrar;

static void registrar_open(registrar *r)
{
    struct sockaddr_in at;
    struct timeval patience = {PAIR_SECONDS, 0};
    socklen_t len = sizeof at;
    memset(&at, 0, sizeof at);
    memset(r, 0, sizeof *r);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    r->fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(r->fd >= 0 && bind(r->fd, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(getsockname(r->fd, (struct sockaddr *)&at, &len) == 0);
    CHECK(setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    r->port = ntohs(at.sin_port);
}

/* Takes the next request of that method; answers REGISTER with 200 as if it came from `seen`. */
static void registrar_take(registrar *r, const char *method, const char *seen)
{
    for (;;) {
        uint8_t bytes[4096];
        socklen_t len = sizeof r->from;
        voip_sip_message *request = NULL, *response = NULL;
        char via[256] = "";
        size_t size = 0;
        ssize_t n = recvfrom(r->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&r->from, &len);
        CHECK(n > 0);
        if (n <= 0) {
            return;
        }
        MUST(voip_sip_message_parse(bytes, (size_t)n, &request));
        OK(voip_sip_message_get_method(request, r->method, sizeof r->method, NULL));
        OK(voip_sip_message_get_header(request, "Via", 0, via, sizeof via, NULL));
        if (strcmp(r->method, method) != 0 || strcmp(via, r->via) == 0) {
            OK(voip_sip_message_free(request));
            continue;
        }
        memcpy(r->via, via, sizeof via);
        OK(voip_sip_message_get_header(request, "Contact", 0, r->contact, sizeof r->contact, NULL));
        memset(r->body, 0, sizeof r->body);
        OK(voip_sip_message_get_body(request, (uint8_t *)r->body, sizeof r->body - 1, &size));
        if (seen != NULL) {
            char contact[300];
            snprintf(contact, sizeof contact, "%.250s;expires=300", r->contact);
            MUST(voip_sip_message_new_response(request, 200, NULL, seen, &response));
            OK(voip_sip_message_set_header(response, "Contact", contact));
            OK(voip_sip_message_write(response, bytes, sizeof bytes, &size));
            CHECK(sendto(r->fd, bytes, size, 0, (struct sockaddr *)&r->from, len) == (ssize_t)size);
            OK(voip_sip_message_free(response));
        }
        OK(voip_sip_message_free(request));
        return;
    }
}

static voip_config *settings(const registrar *r, const char *inside)
{
    voip_config *config = side_config();
    OK(voip_config_set_server(config, "127.0.0.1", r->port));
    OK(voip_config_set_credentials(config, "alice", NULL, "x"));
    OK(voip_config_set_public_address(config, "203.0.113.7"));
    OK(voip_config_set_local_networks(config, inside));
    return config;
}

static void networks_are_checked(void)
{
    voip_config *config = NULL;
    char many[64 * 12 + 32] = "";
    int i;
    MUST(voip_config_new(&config));
    OK(voip_config_set_local_networks(config, "10.0.0.0/8, 192.168.1.4,fd00::/8,[::1]/128,0.0.0.0/0"));
    OK(voip_config_set_local_networks(config, NULL));
    SAYS(VOIP_ERR_ARGUMENT, "10.0.0.0/33", voip_config_set_local_networks(config, "10.0.0.0/33"));
    SAYS(VOIP_ERR_ARGUMENT, "office", voip_config_set_local_networks(config, "office"));
    GIVES(VOIP_ERR_ARGUMENT, voip_config_set_local_networks(config, "fd00::/129"));
    GIVES(VOIP_ERR_ARGUMENT, voip_config_set_local_networks(config, "10.0.0.0/"));
    for (i = 0; i < 65; i++) {
        strcat(many, "10.0.0.0/8,");
    }
    GIVES(VOIP_ERR_LIMIT, voip_config_set_local_networks(config, many));
    GIVES(VOIP_ERR_HANDLE, voip_config_set_local_networks(NULL, "10.0.0.0/8"));
    GIVES(VOIP_ERR_HANDLE, voip_phone_set_public_address(NULL, NULL));
    OK(voip_config_free(config));
}

int main(void)
{
    registrar r;
    side s;
    char target[64], seen[64];
    voip_call *call = NULL;

    networks_are_checked();
    registrar_open(&r);
    snprintf(target, sizeof target, "sip:bob@127.0.0.1:%d", r.port);

    /* The registrar is outside: it is told the public address, in Contact and in SDP. */
    side_start(&s, settings(&r, "10.0.0.0/8"), 0);
    registrar_take(&r, "REGISTER", "203.0.113.9:6000");
    CHECK(strstr(r.contact, "@203.0.113.7:") != NULL);
    /* It sees the phone at another address, and says so. */
    CHECK(side_wait(&s, &s.addresses, 1));
    side_lock(&s);
    CHECK(strcmp(s.address_seen, "203.0.113.9:6000") == 0);
    CHECK(strcmp(s.address_before, s.address) == 0);
    side_unlock(&s);
    SAYS(VOIP_ERR_ARGUMENT, "home", voip_phone_set_public_address(s.phone, "home"));
    OK(voip_phone_set_public_address(s.phone, "203.0.113.9"));
    registrar_take(&r, "REGISTER", "203.0.113.9:6000");
    CHECK(strstr(r.contact, "@203.0.113.9:") != NULL);
    MUST(voip_phone_dial(s.phone, target, NULL, &call));
    registrar_take(&r, "INVITE", NULL);
    CHECK(strstr(r.contact, "@203.0.113.9:") != NULL);
    CHECK(strstr(r.body, "c=IN IP4 203.0.113.9\r\n") != NULL);
    OK(voip_call_release(call));
    /* The same again is no news; the next other one is. */
    OK(voip_phone_set_public_address(s.phone, NULL));
    registrar_take(&r, "REGISTER", "203.0.113.10:6001");
    CHECK(strstr(r.contact, "@127.0.0.1:") != NULL);
    CHECK(side_wait(&s, &s.addresses, 2));
    side_lock(&s);
    CHECK(strcmp(s.address_seen, "203.0.113.10:6001") == 0);
    CHECK(strcmp(s.address_before, "203.0.113.9:6000") == 0);
    side_unlock(&s);
    OK(voip_phone_stop(s.phone, 0));
    side_stop(&s);

    /* The registrar is inside: it is told our own, and sees it. */
    registrar_take(&r, "REGISTER", NULL);
    side_start(&s, settings(&r, "10.0.0.0/8,127.0.0.0/8"), 0);
    snprintf(seen, sizeof seen, "%s", s.address);
    registrar_take(&r, "REGISTER", seen);
    CHECK(strstr(r.contact, "@127.0.0.1:") != NULL);
    CHECK(side_wait(&s, &s.account_status[VOIP_ACCOUNT_REGISTERED], 1));
    MUST(voip_phone_dial(s.phone, target, NULL, &call));
    registrar_take(&r, "INVITE", NULL);
    CHECK(strstr(r.body, "c=IN IP4 127.0.0.1\r\n") != NULL);
    OK(voip_call_release(call));
    side_lock(&s);
    CHECK(s.addresses == 0);
    side_unlock(&s);
    OK(voip_phone_stop(s.phone, 0));
    side_stop(&s);
    close(r.fd);
    return check_end();
}
