/* LZ4 blocks, as their specification says: a token, literals, how far back the same bytes stand, for how long; and again.
 *
 * Law: what is read may be anybody's. No byte outside of the two given ranges is read or written, whatever the block says.
 */
#include "packed.h"

#define LEAST_MATCH 4
#define LAST_LITERALS 5 /* no match ends behind them, nor begins within the last twelve bytes */
#define NO_MATCH_WITHIN 12
#define FARTHEST 65535
#define LONG 15 /* of four bits in a token: more follows */

#define SHORT_LITERALS 16 /* so many bytes are copied where fewer than LONG are meant */
#define SHORT_MATCH 18

/* Where nothing matches, the search makes ever larger steps: 1/64 larger with each byte that was looked at. */
#define PATIENCE 6

static inline uint32_t
read_32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint64_t
read_64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* Of five bytes: places where only four are the same are often not found, which is faster, and hardly longer. */
static inline size_t
slot_of(const uint8_t *at)
{
    return (size_t)((read_64(at) << 24) * 0xC2B2AE3D27D4EB4FULL >> (64 - LZ4_TABLE_BITS));
}

static inline void
copy_16(uint8_t *to, const uint8_t *from) /* of a fixed length: a few instructions */
{
    memcpy(to, from, 16);
}

/* How many bytes are the same, from two places up to `end`, of which `at` is before. */
static inline size_t
same_bytes(const uint8_t *at, const uint8_t *before, const uint8_t *end)
{
    const uint8_t *from = at;
    while (end - at >= 8) {
        uint64_t differs = read_64(at) ^ read_64(before);
        if (differs != 0) {
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            return (size_t)(at - from) + (size_t)(__builtin_ctzll(differs) >> 3);
#else
            break;
#endif
        }
        at += 8;
        before += 8;
    }
    while (at < end && *at == *before) {
        at++;
        before++;
    }
    return (size_t)(at - from);
}

static inline uint8_t *
put_more(uint8_t *out, size_t length)
{
    for (; length >= 255; length -= 255) {
        *out++ = 255;
    }
    *out++ = (uint8_t)length;
    return out;
}

static inline uint8_t *
put_literals(uint8_t *out, const uint8_t *from, size_t count, int match)
{
    *out++ = (uint8_t)((count < LONG ? count : LONG) << 4 | (size_t)match);
    if (count >= LONG) {
        out = put_more(out, count - LONG);
    }
    memcpy(out, from, count);
    return out + count;
}

size_t
lz4_pack(const uint8_t *base, size_t start, size_t length, uint8_t *target, size_t room, uint32_t *table, size_t first_step)
{
    const uint8_t *const first = base + start, *const end = first + length;
    const uint8_t *at = first, *anchor = first;
    uint8_t *out = target, *const stop = target + room;
    if (length > NO_MATCH_WITHIN) {
        const uint8_t *const last_start = end - NO_MATCH_WITHIN, *const match_end = end - LAST_LITERALS;
        for (;;) {
            const uint8_t *before;
            for (size_t step = first_step << PATIENCE, ahead = 1;; ahead = step++ >> PATIENCE) {
                uint32_t *slot = &table[slot_of(at)];
                size_t back = (size_t)(at - base) - *slot; /* huge, where what stands there is behind */
                *slot = (uint32_t)(at - base);
                if (back - 1 < (size_t)(at - first) && back <= FARTHEST && read_32(at - back) == read_32(at)) {
                    before = at - back;
                    break;
                }
                if ((size_t)(last_start - at) < ahead) {
                    goto rest;
                }
                at += ahead;
            }
            while (at > anchor && before > first && at[-1] == before[-1]) {
                at--;
                before--;
            }
            size_t literals = (size_t)(at - anchor);
            size_t more = same_bytes(at + LEAST_MATCH, before + LEAST_MATCH, match_end);
            if ((size_t)(stop - out) < literals + literals / 255 + more / 255 + 5) {
                return 0;
            }
            out = put_literals(out, anchor, literals, more < LONG ? (int)more : LONG);
            size_t back = (size_t)(at - before);
            *out++ = (uint8_t)back;
            *out++ = (uint8_t)(back >> 8);
            if (more >= LONG) {
                out = put_more(out, more - LONG);
            }
            at += LEAST_MATCH + more;
            anchor = at;
            if (at > last_start) {
                break;
            }
            table[slot_of(at - 2)] = (uint32_t)(at - 2 - base);
        }
    }
rest:;
    size_t literals = (size_t)(end - anchor);
    if ((size_t)(stop - out) < literals + literals / 255 + 2) {
        return 0;
    }
    return (size_t)(put_literals(out, anchor, literals, 0) - target);
}

/* A length of which a token has the beginning; SIZE_MAX where it does not end. */
static inline size_t
read_length(size_t length, const uint8_t **at, const uint8_t *end)
{
    if (length == LONG) {
        uint8_t more;
        do {
            if (*at == end) {
                return SIZE_MAX;
            }
            more = *(*at)++;
            length += more;
        } while (more == 255);
    }
    return length;
}

int
lz4_unpack(const uint8_t *at, size_t length, uint8_t *target, size_t size)
{
    const uint8_t *const end = at + length;
    uint8_t *out = target, *const stop = target + size;
    while (at < end) {
        unsigned token = *at++;
        size_t count = token >> 4;
        if (count != LONG && end - at >= SHORT_LITERALS + 2 && stop - out >= SHORT_LITERALS + SHORT_MATCH) {
            copy_16(out, at); /* most are short: nothing is asked about their length */
            at += count;
            out += count;
        }
        else {
            count = read_length(count, &at, end);
            if (count > (size_t)(end - at) || count > (size_t)(stop - out)) {
                return -1;
            }
            memcpy(out, at, count);
            at += count;
            out += count;
            if (at == end) {
                return out == stop ? 0 : -1;
            }
            if (end - at < 2) {
                return -1;
            }
        }
        size_t back = (size_t)at[0] | (size_t)at[1] << 8;
        at += 2;
        if (back == 0 || back > (size_t)(out - target)) {
            return -1;
        }
        count = token & 15;
        if (count != LONG && back >= 8 && stop - out >= SHORT_MATCH) {
            memcpy(out, out - back, 8);
            memcpy(out + 8, out + 8 - back, 8);
            memcpy(out + 16, out + 16 - back, 2);
            out += LEAST_MATCH + count;
            continue;
        }
        count = read_length(count, &at, end);
        if (count > (size_t)(stop - out) || (count += LEAST_MATCH) > (size_t)(stop - out)) {
            return -1;
        }
        const uint8_t *from = out - back;
        if ((size_t)(stop - out) >= count + 16) {
            uint8_t *to = out;
            out += count;
            if (back >= 16) {
                do {
                    copy_16(to, from);
                    to += 16;
                    from += 16;
                } while (to < out);
                continue;
            }
            if (back < 8) { /* the match holds itself: what it repeats is made long enough to be copied at once */
                for (int byte = 0; byte < 8; byte++) {
                    to[byte] = from[byte];
                }
                to += 8;
                from = to - (back + 7) / back * back;
            }
            while (to < out) {
                memcpy(to, from, 8);
                to += 8;
                from += 8;
            }
            continue;
        }
        while (count > back) { /* each copy doubles what there is to copy */
            memcpy(out, from, back);
            out += back;
            count -= back;
            back *= 2;
        }
        memcpy(out, from, count);
        out += count;
    }
    return -1;
}
