/* Asks a STUN server for this side's public address: stun_client SERVER[:PORT] [udp|tcp [USER PASSWORD]]
 * SERVER is a name or an address; IPv6 with a port is [2001:db8::1]:3478. */
#include <string.h>
#include "example.h"

int main(int argc, char **argv)
{
    voip_stun_options options = VOIP_STUN_OPTIONS_INIT;
    voip_stun_answer answer = VOIP_STUN_ANSWER_INIT;
    if (argc < 2 || argc == 4) return fprintf(stderr, "usage: stun_client SERVER[:PORT] [udp|tcp [USER PASSWORD]]\n"), 2;
    options.tcp = argc > 2 && strcmp(argv[2], "tcp") == 0;
    if (argc > 4) {
        options.user = argv[3];
        options.password = argv[4];
    }
    /* Over UDP the request is repeated as RFC 8489 says: seven times within 39.5 s. Ten are enough for a person. */
    if (voip_stun_query(argv[1], &options, 10000, &answer)) return complain("no answer");
    printf("mapped %s %d, asked from %s %d", answer.address, answer.port, answer.local_address, answer.local_port);
    if (answer.round_trip_us >= 0) printf(", %.1f ms", answer.round_trip_us / 1000.0);
    printf("\n");
    /* The same address and port on both sides: no NAT between. */
    if (strcmp(answer.address, answer.local_address) == 0 && answer.port == answer.local_port) printf("no NAT\n");
    return 0;
}
