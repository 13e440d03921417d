/* What the provider (upstream.c) and the client (load.c) agree on: the bytes of every answer.
 *
 * Each event carries a mark in its text: its number in the stream and the time it was sent, so that a lost,
 * doubled or late event shows through gateways that pass bytes on and through those that write anew.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BLANK_MARK "###### ###################"
#define MARK_LEN (sizeof BLANK_MARK - 1)
#define SEQUENCE_LEN 6

#define FRAME "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
#define EVENT FRAME "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" " BLANK_MARK "\"}," \
    "\"finish_reason\":null}]}\n\n"
#define FINISH FRAME "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE FRAME "\"model\":\"bench\",\"system_fingerprint\":\"fp_%016llx\",\"choices\":[],\"usage\":" \
    "{\"prompt_tokens\":11,\"completion_tokens\":%u,\"total_tokens\":%u}}\n\n"
#define DONE "data: [DONE]\n\n"

#define WORDS "all the words of an answer that is about as long as answers are; "
#define TEXT WORDS WORDS WORDS WORDS WORDS WORDS WORDS WORDS WORDS WORDS
#define REPLY "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench\"," \
    "\"system_fingerprint\":\"fp_%016llx\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" \
    TEXT "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11," \
    "\"completion_tokens\":180,\"total_tokens\":191,\"prompt_tokens_details\":{\"cached_tokens\":0}}}"

#define REPLY_MAX 2048
#define TAIL_MAX 2048

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* FNV over words instead of bytes: a request body of 5 MB is read at memory speed. */
static inline uint64_t fingerprint(const char *data, size_t length) {
    uint64_t sum = 14695981039346656037u ^ length;
    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        sum = (sum ^ word) * 1099511628211u;
    }
    for (; length; data++, length--) sum = (sum ^ (unsigned char)*data) * 1099511628211u;
    return sum;
}

static inline int write_reply(char *to, uint64_t print) {
    return snprintf(to, REPLY_MAX, REPLY, (unsigned long long)print);
}

/* The end of a stream: the finish reason, the usage where it was asked for, and DONE. */
static inline int write_tail(char *to, unsigned events, int usage, uint64_t print) {
    int length = snprintf(to, TAIL_MAX, "%s", FINISH);
    if (usage) length += snprintf(to + length, TAIL_MAX - length, USAGE, (unsigned long long)print, events, events + 11);
    return length + snprintf(to + length, TAIL_MAX - length, "%s", DONE);
}

#endif
