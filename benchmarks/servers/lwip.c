/* lwIP, as Debian's liblwip-dev builds it, as a server on a TAP: see README.md.
 *
 * lwip_server TAP ADDRESS/PREFIX prints "ready" and serves until it is killed.
 *
 * One thread and no tcpip_thread: frames go from read to ethernet_input, the raw API
 * calls us back, answers go out by write within that. The library has no locks to take
 * as long as tcpip_init was not called.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"

enum { ECHO = 7, DISCARD = 9, SOURCE = 19, PATTERN = 1 << 16, FRAME = 2048, BATCH = 64 };

static int tap;
static uint8_t pattern[PATTERN];

/* what a connection is in the middle of: bytes discarded, or given of the pattern */
struct state {
    uint16_t port;
    uint64_t bytes;
};

static err_t transmit(struct netif *netif, struct pbuf *p)
{
    char frame[FRAME];
    (void)netif;
    /* the package keeps sent pbufs in one piece, but does not promise it for all */
    const void *data = p->next ? frame : p->payload;
    if (p->next)
        pbuf_copy_partial(p, frame, sizeof frame, 0);
    return write(tap, data, p->tot_len) < 0 ? ERR_IF : ERR_OK;
}

static err_t initialize(struct netif *netif)
{
    static const uint8_t mac[] = {2, 0, 0, 0, 0, 0x77};
    netif->name[0] = 't', netif->name[1] = 'p';
    netif->mtu = 1500;
    netif->hwaddr_len = sizeof mac;
    memcpy(netif->hwaddr, mac, sizeof mac);
    netif->output = etharp_output;
    netif->linkoutput = transmit;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET
                   | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void udp_echo(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                     const ip_addr_t *address, u16_t port)
{
    (void)arg;
    udp_sendto(pcb, p, address, port);
    pbuf_free(p);
}

static void forget(void *arg, err_t error)
{
    (void)error;
    free(arg); /* the pcb is gone already */
}

static void fill(struct tcp_pcb *pcb, struct state *state)
{
    while (tcp_sndbuf(pcb)) {
        size_t at = state->bytes % PATTERN, room = tcp_sndbuf(pcb);
        if (room > PATTERN - at)
            room = PATTERN - at;
        if (tcp_write(pcb, pattern + at, room, 0) != ERR_OK)
            break;
        state->bytes += room;
    }
    tcp_output(pcb);
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t length)
{
    (void)length;
    fill(pcb, arg);
    return ERR_OK;
}

static err_t finish(struct tcp_pcb *pcb, struct state *state)
{
    if (state->port == DISCARD) {
        uint8_t count[8];
        for (int i = 0; i < 8; i++)
            count[i] = state->bytes >> (56 - 8 * i);
        tcp_write(pcb, count, sizeof count, TCP_WRITE_FLAG_COPY);
    }
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_arg(pcb, NULL);
    free(state);
    if (tcp_close(pcb) == ERR_OK)
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct state *state = arg;
    (void)error;
    if (!p)
        return finish(pcb, state);
    if (state->port == DISCARD)
        state->bytes += p->tot_len;
    else if (state->port == ECHO)
        for (struct pbuf *q = p; q; q = q->next)
            tcp_write(pcb, q->payload, q->len, TCP_WRITE_FLAG_COPY);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    if (state->port == ECHO)
        tcp_output(pcb);
    return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct state *state = calloc(1, sizeof *state);
    if (error != ERR_OK || !state)
        return ERR_MEM;
    state->port = (uintptr_t)arg;
    tcp_arg(pcb, state);
    tcp_err(pcb, forget);
    tcp_recv(pcb, received);
    tcp_nagle_disable(pcb);
    if (state->port == SOURCE) {
        tcp_sent(pcb, sent);
        fill(pcb, state);
    }
    return ERR_OK;
}

static void serve(uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new();
    if (!pcb || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK)
        exit(3);
    pcb = tcp_listen_with_backlog(pcb, 255);
    tcp_arg(pcb, (void *)(uintptr_t)port);
    tcp_accept(pcb, accepted);
}

static void take_frames(struct netif *netif)
{
    for (int i = 0; i < BATCH; i++) {
        char frame[FRAME];
        ssize_t size = read(tap, frame, sizeof frame);
        if (size < 0) {
            if (errno == EAGAIN)
                return;
            exit(0); /* the TAP went away */
        }
        struct pbuf *p = pbuf_alloc(PBUF_RAW, size, PBUF_RAM);
        if (!p)
            continue;
        pbuf_take(p, frame, size);
        if (netif->input(p, netif) != ERR_OK)
            pbuf_free(p);
    }
}

static void open_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0) {
        perror(name);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct netif netif;
    ip4_addr_t address, mask, none = {0};
    char *slash = argc == 3 ? strchr(argv[2], '/') : NULL;
    if (!slash) {
        fprintf(stderr, "usage: lwip_server TAP ADDRESS/PREFIX\n");
        return 2;
    }
    *slash = 0;
    address.addr = inet_addr(argv[2]);
    mask.addr = htonl(~0u << (32 - atoi(slash + 1)));
    for (int i = 0; i < PATTERN; i++)
        pattern[i] = i ^ (i >> 8) * 31;
    open_tap(argv[1]);
    lwip_init();
    netif_add(&netif, &address, &mask, &none, NULL, initialize, ethernet_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    serve(ECHO), serve(DISCARD), serve(SOURCE);
    struct udp_pcb *udp = udp_new();
    udp_bind(udp, IP_ADDR_ANY, ECHO);
    udp_recv(udp, udp_echo, NULL);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct pollfd wait = {.fd = tap, .events = POLLIN};
        u32_t sleep = sys_timeouts_sleeptime();
        poll(&wait, 1, sleep == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? -1 : (int)sleep);
        take_frames(&netif);
        sys_check_timeouts();
    }
}
