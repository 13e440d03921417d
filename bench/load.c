/* A client for measuring gateways: sends one request again and again, and checks every answer.
 *
 *     load -p PORT -f REQUEST_FILE -c CONNECTIONS -n REQUESTS [-e EVENTS [-u]] [-m] [-t US] [-s US] [-k PORT] [-o]
 *
 *     -e  the answers are streams of this many events; without it they are JSON
 *     -u  the streams end with usage, as the request asked for it
 *     -m  look at the marks of the events only (and the text of a JSON answer): for gateways that write anew
 *         what they pass on; otherwise every byte is compared
 *     -t  time from one request of a connection to its next
 *     -s  time over which the connections start
 *     -k  ask the provider on this port for each next event, when the last one is there
 *     -o  print a line "open" once every connection has got its first event
 *
 * Prints one JSON object: counts, and microseconds to the first byte and from provider to client per event. At the
 * first answer that is not whole and right it prints {"problem": ...} and fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

#define BUFFER 65536

enum state { IDLE, HEAD, LENGTH, CHUNK_SIZE, CHUNK, CHUNK_END, LAST };

struct conn {
    int fd, closing, opened;
    enum state state;
    uint64_t due, asked_at; /* `due` is when an idle connection asks again; 0 for never */
    size_t written, left, used, line_used;
    unsigned marks, done;
    char line[64]; /* a size line of a chunk */
    char buf[BUFFER]; /* the head, then the JSON answer, or what has come of an event */
};

struct samples { uint32_t *values; size_t used, size; };

static struct sockaddr_in provider;
static int steps = -1, port, marks_only, want_usage, tell_open, ep;
static long events = -1;
static unsigned connections = 1, total = 1, started, finished, opened, waiting;
static uint64_t gap_ns, spread_ns, print, body_bytes;
static char *request;
static size_t request_length;
static struct samples first, delays;

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("{\"problem\": \"");
    vprintf(format, args);
    printf(" after %u of %u answers\"}\n", finished, total);
    exit(1);
}

static void add_sample(struct samples *s, uint64_t ns) {
    if (s->used == s->size) s->values = realloc(s->values, (s->size = s->size * 2 + 4096) * sizeof *s->values);
    uint64_t us10 = ns / 100;
    s->values[s->used++] = us10 > UINT32_MAX ? UINT32_MAX : us10;
}

static void watch(struct conn *c, int op, int writing) {
    struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(ep, op, c->fd, &e)) fail("epoll_ctl: %s", strerror(errno));
}

static void dial(struct conn *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) fail("connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(c, EPOLL_CTL_ADD, 0);
    c->closing = 0;
}

static void push(struct conn *c, int was_blocked) {
    ssize_t n = send(c->fd, request + c->written, request_length - c->written, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) fail("send: %s", strerror(errno));
    if (n > 0) c->written += n;
    int blocked = c->written < request_length;
    if (blocked != was_blocked) watch(c, EPOLL_CTL_MOD, blocked);
}

static void ask(struct conn *c) {
    if (c->due) waiting--;
    c->due = 0;
    if (started == total) return;
    started++;
    if (c->fd < 0) dial(c);
    c->state = HEAD;
    c->written = c->used = c->line_used = c->marks = c->done = 0;
    c->asked_at = now_ns();
    push(c, 0);
}

static void wait_until(struct conn *c, uint64_t due) {
    if (!c->due) waiting++;
    c->due = due;
}

static void note_open(struct conn *c) {
    if (c->opened) return;
    c->opened = 1;
    if (++opened < connections || !tell_open) return;
    if (finished) fail("the first streams ended before the last began");
    puts("open");
    fflush(stdout);
}

/* The provider marks each event; a mark that is missing, doubled or out of order fails the run. */
static void take_mark(struct conn *c, const char *mark, uint64_t now) {
    unsigned number;
    unsigned long long sent_at;
    if (sscanf(mark, "%6u %19llu", &number, &sent_at) != 2) fail("an event without its mark");
    if (number != c->marks % 1000000) fail("event %u came in place of event %u", number, c->marks);
    if (++c->marks > (unsigned)events) fail("more events than were sent");
    if (c->marks == 1) { add_sample(&first, now - c->asked_at); note_open(c); }
    add_sample(&delays, now - sent_at);
    if (steps >= 0 && sendto(steps, "n", 1, 0, (struct sockaddr *)&provider, sizeof provider) < 0) fail("sendto: %s", strerror(errno));
}

static void take_exact_event(struct conn *c, size_t length, uint64_t now) {
    static const char before[] = FRAME "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" ";
    size_t start = sizeof before - 1, after = start + MARK_LEN;
    if (length != sizeof EVENT - 1 || memcmp(c->buf, before, start) || memcmp(c->buf + after, EVENT + after, length - after))
        fail("event %u is not what the provider sent", c->marks);
    take_mark(c, c->buf + start, now);
}

static void take_loose_event(struct conn *c, uint64_t now) {
    static const char key[] = "\"content\":";
    if (!strncmp(c->buf, "data: [DONE]", 12)) c->done++;
    char *text = strstr(c->buf, key);
    if (!text) return;
    text += sizeof key - 1;
    text += strspn(text, " ");
    if (*text++ != '"') return; /* null, in a last event */
    text += strspn(text, " ");
    if (*text >= '0' && *text <= '9') take_mark(c, text, now);
}

/* Cuts the buffer at blank lines. What follows the last event of an exact stream is compared at the end. */
static void take_events(struct conn *c) {
    uint64_t now = now_ns();
    char *end;
    while ((marks_only || c->marks < events) && (end = memmem(c->buf, c->used, "\n\n", 2))) {
        size_t length = end + 2 - c->buf;
        *end = 0;
        if (marks_only) take_loose_event(c, now);
        else { *end = '\n'; take_exact_event(c, length, now); }
        memmove(c->buf, c->buf + length, c->used -= length);
    }
}

/* Takes as much as there is room for; returns how much that was. */
static size_t take_payload(struct conn *c, const char *data, size_t length) {
    size_t room = BUFFER - 1 - c->used, taken = length < room ? length : room;
    if (!room) fail("an answer or event is too long");
    memcpy(c->buf + c->used, data, taken);
    c->used += taken;
    body_bytes += taken;
    if (events >= 0) take_events(c);
    return taken;
}

static void check_end(struct conn *c) {
    char expected[TAIL_MAX > REPLY_MAX ? TAIL_MAX : REPLY_MAX];
    c->buf[c->used] = 0;
    if (events >= 0 && c->marks != events) fail("%u of %ld events", c->marks, events);
    if (marks_only) {
        if (events >= 0 && c->done != 1) fail("%u [DONE] in a stream", c->done);
        if (events < 0 && (!strstr(c->buf, TEXT) || !strstr(c->buf, "191"))) fail("the text or usage of an answer is lost");
        return;
    }
    size_t length = events >= 0 ? write_tail(expected, events, want_usage, print) : write_reply(expected, print);
    if (c->used != length || memcmp(c->buf, expected, length)) {
        fprintf(stderr, "expected:\n%s\ngot:\n%s\n", expected, c->buf);
        fail("an answer, or the end of a stream, is not what the provider sent");
    }
}

static void finish(struct conn *c) {
    check_end(c);
    if (events < 0) add_sample(&first, now_ns() - c->asked_at);
    finished++;
    c->state = IDLE;
    if (c->closing) { close(c->fd); c->fd = -1; }
    if (gap_ns) wait_until(c, c->asked_at + gap_ns);
    else ask(c);
}

static void take_head(struct conn *c) {
    c->buf[c->used] = 0;
    if (strncmp(c->buf, "HTTP/1.1 200", 12)) fail("%.40s", strtok(c->buf, "\r\n"));
    char *length = strcasestr(c->buf, "\r\ncontent-length:"), *coding = strcasestr(c->buf, "\r\ntransfer-encoding: chunked");
    c->closing = strcasestr(c->buf, "\r\nconnection: close") != NULL;
    if (!length == !coding) fail("an answer whose length is not known");
    c->state = coding ? CHUNK_SIZE : LENGTH;
    c->left = coding ? 0 : strtoul(length + 17, NULL, 10);
    c->used = 0;
}

/* Reads a line into c->line. Returns how many bytes it took; the line is complete when it ends in LF. */
static size_t take_line(struct conn *c, const char *data, size_t length) {
    const char *end = memchr(data, '\n', length);
    size_t taken = end ? (size_t)(end + 1 - data) : length;
    if (c->line_used + taken >= sizeof c->line) fail("a line of the framing is too long");
    memcpy(c->line + c->line_used, data, taken);
    c->line_used += taken;
    c->line[c->line_used] = 0;
    return taken;
}

static void end_line(struct conn *c) {
    int whole = c->line_used && c->line[c->line_used - 1] == '\n', empty = !strcmp(c->line, "\r\n");
    if (!whole) return;
    c->line_used = 0;
    if (c->state == CHUNK_SIZE) {
        char *after;
        c->left = strtoul(c->line, &after, 16);
        if (after == c->line || strcmp(after, "\r\n")) fail("a chunk without a size");
        c->state = c->left ? CHUNK : LAST;
    } else {
        if (!empty) fail("bytes between chunks");
        if (c->state == CHUNK_END) c->state = CHUNK_SIZE;
        else finish(c);
    }
}

static void feed(struct conn *c, const char *data, size_t length) {
    while (length) {
        size_t taken;
        if (c->state == IDLE) fail("bytes after the end of an answer");
        if (c->state == HEAD) {
            if (c->used + 1 >= BUFFER) fail("the head is too long");
            c->buf[c->used++] = *data;
            taken = 1;
            if (c->used >= 4 && !memcmp(c->buf + c->used - 4, "\r\n\r\n", 4)) take_head(c);
        } else if (c->state == LENGTH || c->state == CHUNK) {
            taken = take_payload(c, data, length < c->left ? length : c->left);
            if (!(c->left -= taken)) {
                if (c->state == CHUNK) c->state = CHUNK_END;
                else finish(c);
            }
        } else {
            taken = take_line(c, data, length);
            end_line(c);
        }
        data += taken;
        length -= taken;
    }
}

static void pull(struct conn *c) {
    static char data[BUFFER];
    ssize_t n = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) { feed(c, data, n); return; }
    if (c->state != IDLE) fail("the connection broke off in answer %u", finished + 1);
    close(c->fd); /* an idle connection may be closed; the next request gets a new one */
    c->fd = -1;
}

/* Starts what is due; returns milliseconds until there is more to do. */
static int start_due(struct conn *all) {
    uint64_t now = now_ns(), next = UINT64_MAX;
    for (unsigned i = 0; waiting && i < connections; i++) {
        if (all[i].due && all[i].due <= now) ask(&all[i]);
        if (all[i].due && all[i].due < next) next = all[i].due;
    }
    if (next == UINT64_MAX) return 30000;
    return next <= now ? 0 : (int)((next - now) / 1000000 + 1);
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void show(const char *name, struct samples *s) {
    if (!s->used) return;
    qsort(s->values, s->used, sizeof *s->values, ascending);
    printf(", \"%s\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f}", name, s->values[s->used / 2] / 10.0,
        s->values[s->used * 9 / 10] / 10.0, s->values[s->used * 99 / 100] / 10.0);
}

static void read_request(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) fail("%s: %s", path, strerror(errno));
    fseek(f, 0, SEEK_END);
    request_length = ftell(f);
    rewind(f);
    request = malloc(request_length + 1);
    if (fread(request, 1, request_length, f) != request_length) fail("%s: cannot be read", path);
    request[request_length] = 0;
    fclose(f);
    char *body = strstr(request, "\r\n\r\n") + 4;
    print = fingerprint(body, request + request_length - body);
}

static void step_by(int at) {
    provider = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(at)};
    provider.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    steps = socket(AF_INET, SOCK_DGRAM, 0);
}

static void options(int argc, char **argv) {
    for (int o; (o = getopt(argc, argv, "p:f:c:n:e:umt:s:k:o")) != -1;) {
        if (o == 'p') port = atoi(optarg);
        else if (o == 'f') read_request(optarg);
        else if (o == 'c') connections = atoi(optarg);
        else if (o == 'n') total = atoi(optarg);
        else if (o == 'e') events = atol(optarg);
        else if (o == 'u') want_usage = 1;
        else if (o == 'm') marks_only = 1;
        else if (o == 't') gap_ns = atol(optarg) * 1000;
        else if (o == 's') spread_ns = atol(optarg) * 1000;
        else if (o == 'k') step_by(atoi(optarg));
        else if (o == 'o') tell_open = 1;
        else exit(2);
    }
    if (!request || !port) exit(2);
    if (connections > total) connections = total;
}

int main(int argc, char **argv) {
    options(argc, argv);
    ep = epoll_create1(0);
    struct conn *all = calloc(connections, sizeof *all);
    uint64_t began = now_ns();
    for (unsigned i = 0; i < connections; i++) {
        all[i].fd = -1;
        wait_until(&all[i], began + spread_ns * i / connections + 1);
    }
    while (finished < total) {
        struct epoll_event ready[256];
        int timeout = start_due(all);
        int n = epoll_wait(ep, ready, 256, timeout);
        if (!n && timeout == 30000) fail("nothing came for 30 s");
        for (int i = 0; i < n; i++) {
            struct conn *c = ready[i].data.ptr;
            if (ready[i].events & EPOLLOUT) push(c, 1);
            if (c->fd >= 0 && ready[i].events & ~EPOLLOUT) pull(c);
        }
    }
    printf("{\"requests\": %u, \"events\": %zu, \"bytes\": %llu, \"seconds\": %.4f", finished, delays.used,
        (unsigned long long)body_bytes, (now_ns() - began) / 1e9);
    show("first_us", &first);
    show("delay_us", &delays);
    puts("}");
}
