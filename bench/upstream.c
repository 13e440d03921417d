/* A cheap provider for measuring gateways: epoll, one send per event.
 *
 *     upstream PORT [STREAM_FILE]
 *
 * The model's name says what is answered, wherever in the request it stands:
 *     bench-json                    a JSON answer of about 1 KB
 *     bench-stream-COUNT-PACE_US    COUNT events of about 200 bytes, PACE_US apart, 0 for as fast as they go
 *     bench-file-COUNT-PACE_US      the same with the stream of STREAM_FILE: what stands between its two lines
 *                                   ": repeat" is the event, the rest goes before and after
 *     bench-step-COUNT              COUNT events, each sent when a datagram comes on the same port, one stream at
 *                                   a time: the client asks for the next event when it has the last
 * The head goes out together with the first event. A usage event ends a stream whose request asks for it, and
 * answers tell a fingerprint of the request's body, so that the client knows that it arrived whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "wire.h"

#define MAX_FD 65536
#define STREAM_HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
#define MAX_EVENT 4096

struct script { const char *head, *event, *tail; };

struct conn {
    int fd, timer, blocked;
    char *in;
    size_t used, size, scanned, need; /* `need` is the length of the whole request once its head is there */
    char *out; /* what the socket has not taken yet */
    size_t out_used, out_size;
    unsigned count, sent;
    int usage, from_file, streaming;
    uint64_t print;
};

static struct conn *owners[MAX_FD];
static struct script builtin = {"", EVENT, ""}, file;
static struct conn *stepped;
static int ep;

static void watch(int fd, int op, uint32_t events) {
    struct epoll_event e = {.events = events, .data.fd = fd};
    epoll_ctl(ep, op, fd, &e);
}

static void stop_timer(struct conn *c) {
    if (c->timer < 0) return;
    owners[c->timer] = NULL;
    close(c->timer);
    c->timer = -1;
}

static void drop(struct conn *c) {
    stop_timer(c);
    if (c == stepped) stepped = NULL;
    owners[c->fd] = NULL;
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void queue(struct conn *c, const char *data, size_t length) {
    if (c->out_used + length > c->out_size) {
        c->out_size = (c->out_used + length) * 2;
        c->out = realloc(c->out, c->out_size);
    }
    memcpy(c->out + c->out_used, data, length);
    c->out_used += length;
}

/* One send of all that is queued. Returns 0 when the socket took it, 1 when it is full, -1 when it is gone. */
static int flush(struct conn *c) {
    ssize_t n = send(c->fd, c->out, c->out_used, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return -1;
    if (n > 0) {
        memmove(c->out, c->out + n, c->out_used - n);
        c->out_used -= n;
    }
    int blocked = c->out_used > 0;
    if (blocked != c->blocked) watch(c->fd, EPOLL_CTL_MOD, EPOLLIN | (blocked ? EPOLLOUT : 0));
    return c->blocked = blocked;
}

static void queue_chunk(struct conn *c, const char *data, size_t length) {
    char size[32];
    if (!length) return;
    queue(c, size, snprintf(size, sizeof size, "%zx\r\n", length));
    queue(c, data, length);
    queue(c, "\r\n", 2);
}

static void queue_event(struct conn *c) {
    const struct script *s = c->from_file ? &file : &builtin;
    char event[MAX_EVENT], mark[MARK_LEN + 1];
    size_t length = strlen(s->event);
    memcpy(event, s->event, length);
    char *place = memmem(event, length, BLANK_MARK, MARK_LEN);
    if (place) {
        snprintf(mark, sizeof mark, "%0*u %019llu", SEQUENCE_LEN, c->sent % 1000000, (unsigned long long)now_ns());
        memcpy(place, mark, MARK_LEN);
    }
    queue_chunk(c, event, length);
    c->sent++;
}

static void queue_end(struct conn *c) {
    char tail[TAIL_MAX];
    if (c->from_file) queue_chunk(c, file.tail, strlen(file.tail));
    else queue_chunk(c, tail, write_tail(tail, c->count, c->usage, c->print));
    queue(c, "0\r\n\r\n", 5);
    c->streaming = 0;
    if (c == stepped) stepped = NULL;
    stop_timer(c);
}

/* Sends the next event or the end. Returns as flush does. */
static int step(struct conn *c) {
    if (c->sent < c->count) queue_event(c);
    else queue_end(c);
    return flush(c);
}

/* Sends as much of a stream without a pace as the socket takes. */
static int run(struct conn *c) {
    int full = 0;
    while (!full && c->streaming && c->timer < 0) full = step(c);
    return full;
}

static int start_timer(struct conn *c, unsigned pace_us) {
    struct timespec t = {pace_us / 1000000, pace_us % 1000000 * 1000L};
    struct itimerspec every = {t, t};
    c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (c->timer < 0 || c->timer >= MAX_FD) return -1;
    timerfd_settime(c->timer, 0, &every, NULL);
    owners[c->timer] = c;
    watch(c->timer, EPOLL_CTL_ADD, EPOLLIN);
    return 0;
}

static int answer_json(struct conn *c) {
    char body[REPLY_MAX], head[128];
    int length = write_reply(body, c->print);
    queue(c, head, snprintf(head, sizeof head,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n", length));
    queue(c, body, length);
    return flush(c);
}

static int answer(struct conn *c, size_t head_length) {
    char *name = memmem(c->in, c->used, "bench-", 6), kind[16] = "";
    unsigned pace_us = 0;
    c->print = fingerprint(c->in + head_length, c->used - head_length);
    c->used = c->scanned = c->need = 0;
    if (!name || sscanf(name, "bench-%15[a-z]-%u-%u", kind, &c->count, &pace_us) < 1) return -1;
    if (!strcmp(kind, "json")) return answer_json(c);
    c->from_file = !strcmp(kind, "file");
    c->sent = 0;
    c->streaming = 1;
    queue(c, STREAM_HEAD, sizeof STREAM_HEAD - 1);
    if (c->from_file) queue_chunk(c, file.head, strlen(file.head));
    if (!strcmp(kind, "step")) stepped = c;
    int state = step(c);
    if (stepped == c) return state;
    if (state >= 0 && pace_us && c->streaming) return start_timer(c, pace_us);
    return state < 0 ? state : run(c);
}

static int wants_usage(const char *data, size_t length) {
    return memmem(data, length, "\"include_usage\":true", 20) || memmem(data, length, "\"include_usage\": true", 21);
}

/* Looks whether a request is complete and answers it. Returns -1 where the connection must go. */
static int take(struct conn *c) {
    if (!c->need) {
        char *end = memmem(c->in, c->used, "\r\n\r\n", 4);
        if (!end) return 0;
        *end = 0;
        char *field = strcasestr(c->in, "\r\ncontent-length:");
        *end = '\r';
        c->scanned = end + 4 - c->in;
        if (!field || field > end) return -1; /* every request here has a body of known length */
        c->need = c->scanned + strtoul(field + 17, NULL, 10);
    }
    if (c->used < c->need) return 0;
    if (c->used > c->need || c->streaming) return -1;
    c->usage = wants_usage(c->in + c->scanned, c->used - c->scanned);
    return answer(c, c->scanned);
}

static int receive(struct conn *c) {
    size_t wanted = c->need > c->used ? c->need - c->used : 65536;
    if (c->used + wanted + 1 > c->size) {
        c->size = c->used + wanted + 1;
        c->in = realloc(c->in, c->size);
    }
    ssize_t n = recv(c->fd, c->in + c->used, c->size - c->used - 1, 0);
    if (n == 0) return -1;
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    c->used += n;
    c->in[c->used] = 0;
    return take(c);
}

static void greet(int listener) {
    for (int fd, on = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (fd >= MAX_FD) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        owners[fd] = calloc(1, sizeof(struct conn));
        owners[fd]->fd = fd;
        owners[fd]->timer = -1;
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void serve(int fd, uint32_t events) {
    struct conn *c = owners[fd];
    int state = 0;
    if (!c) return;
    if (fd == c->timer) {
        uint64_t ticks;
        if (read(fd, &ticks, sizeof ticks) > 0 && !c->blocked) state = step(c); /* a missed tick is not made up */
    } else {
        if (events & EPOLLOUT && (state = flush(c)) == 0) state = run(c);
        if (state >= 0 && events & ~EPOLLOUT) state = receive(c);
    }
    if (state < 0) drop(c);
}

static void serve_step(int fd) {
    char datagram[16];
    if (recv(fd, datagram, sizeof datagram, 0) > 0 && stepped && step(stepped) < 0) drop(stepped);
}

static void read_script(const char *path) {
    static char text[32768];
    const char separator[] = ": repeat\n\n";
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    char *event = strstr(text, separator), *tail = event ? strstr(event + 1, separator) : NULL;
    if (!tail) { fprintf(stderr, "%s: expected two lines \": repeat\"\n", path); exit(2); }
    *event = *tail = 0;
    file = (struct script){text, event + strlen(separator), tail + strlen(separator)};
    if (strlen(file.event) >= MAX_EVENT) { fprintf(stderr, "%s: the event is too long\n", path); exit(2); }
}

static int open_socket(int kind, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, kind | SOCK_NONBLOCK, 0), on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&to, sizeof to) ? -1 : fd;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (argc > 2) read_script(argv[2]);
    int listener = open_socket(SOCK_STREAM, atoi(argv[1])), steps = open_socket(SOCK_DGRAM, atoi(argv[1]));
    if (listener < 0 || steps < 0 || listen(listener, 4096)) { perror("upstream"); return 1; }
    ep = epoll_create1(0);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(steps, EPOLL_CTL_ADD, EPOLLIN);
    for (struct epoll_event ready[256];;) {
        int n = epoll_wait(ep, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) greet(listener);
            else if (fd == steps) serve_step(steps);
            else serve(fd, ready[i].events);
        }
    }
}
