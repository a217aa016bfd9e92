/* A UDP socket of one's own, for the examples that need no phone. Not a part of libvoip. */
#ifndef UDP_H
#define UDP_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* The address of a host and port, numbers or names; 0 after a complaint. */
static inline socklen_t find_address(const char *host, const char *port, int passive, struct sockaddr_storage *out)
{
    struct addrinfo hints, *found;
    socklen_t len;
    int problem;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = passive ? AI_PASSIVE : 0;
    problem = getaddrinfo(host, port, &hints, &found);
    if (problem) return fprintf(stderr, "%s port %s: %s\n", host, port, gai_strerror(problem)), 0;
    len = found->ai_addrlen;
    memcpy(out, found->ai_addr, len);
    freeaddrinfo(found);
    return len;
}

/* A socket on an address and port (0: any free one) that Ctrl-C wakes; says where it listens. -1 after a complaint. */
static inline int open_udp(const char *address, const char *port)
{
    struct sockaddr_storage local;
    struct sigaction action;
    sigset_t set;
    char host[64], service[16];
    socklen_t len = find_address(address, port, 1, &local);
    int fd = len ? socket(local.ss_family, SOCK_DGRAM, 0) : -1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, len)) return perror(address), -1;
    len = sizeof local;
    getsockname(fd, (struct sockaddr *)&local, &len);
    getnameinfo((struct sockaddr *)&local, len, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
    memset(&action, 0, sizeof action);
    action.sa_handler = interrupt;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* Delivered in wait_datagram only, so that none is missed. */
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    printf("listening on %s:%s\n", host, service);
    fflush(stdout);
    return fd;
}

/* Waits for a datagram; its length, or -1 after Ctrl-C. */
static inline ssize_t wait_datagram(int fd, void *buf, size_t len, struct sockaddr_storage *from, socklen_t *from_len)
{
    sigset_t none;
    sigemptyset(&none);
    while (!interrupted) {
        fd_set readable;
        ssize_t n;
        FD_ZERO(&readable);
        FD_SET(fd, &readable);
        if (pselect(fd + 1, &readable, NULL, NULL, NULL, &none) < 1) continue;
        *from_len = sizeof *from;
        /* An error is an ICMP message about something sent before: nothing to do with what comes next. */
        n = recvfrom(fd, buf, len, 0, (struct sockaddr *)from, from_len);
        if (n >= 0) return n;
    }
    return -1;
}

#endif
